"""Everything the VMM knows is declared state: going back and coming again gives the same, to the bit."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachvm.trace.moment import Moment
from teachvm.trace.timeline import Timeline
from teachvm.vmm.techniques import Technique
from teachvm.vmm.vm import ENGINES
from tests.vmm.room import Room

SOURCE = (
    "mov al, 0x11 \n out 0x20, al \n mov al, 0x20 \n out 0x21, al \n mov al, 4 \n out 0x21, al \n mov al, 1 \n"
    "out 0x21, al \n mov al, 0xfe \n out 0x21, al \n mov al, 0x34 \n out 0x43, al \n mov al, 30 \n out 0x40, al \n"
    "mov al, 0 \n out 0x40, al \n mov dword [0x8200], 0x20e620b0 \n mov byte [0x8204], 0xcf \n"
    "mov dword [0x80e0], 0x8304c483 \n mov dword [0x80e4], 0xcf062404 \n sti \n a: inc dword [0x20000] \n"
    "mov eax, cr3 \n mov cr3, eax \n push ds \n pop ds \n invlpg [0x20000] \n mov edx, [0x700000] \n jmp a"
)
"""A busy kernel: a timer with a handler, table loads, flushes, and a page fault whose handler skips the instruction."""


def busy(*, two: bool = False, technique: Technique = Technique.TRAP_AND_EMULATE) -> Room:
    room = Room(SOURCE, quantum=2_500, technique=technique)
    if two:
        room.add("beta", SOURCE)
    return room


IN_A_VM = [each for each in Technique if each in ENGINES and each is not Technique.PARAVIRTUAL]
"""Techniques that run this kernel, which knows no hypercalls."""


@pytest.mark.parametrize("technique", IN_A_VM)
def test_every_attribute_is_either_state_or_derived(technique: Technique) -> None:
    room = busy(two=True, technique=technique)
    room.units(60)
    for path, thing in room.registry.items():
        declared = {*thing.STATE, *thing.DERIVED}
        held = set(getattr(thing, "__dict__", {}))
        assert held <= declared, f"{path}: {held - declared}"
        assert not set(thing.STATE) & set(thing.DERIVED), path


@pytest.mark.parametrize("technique", IN_A_VM)
@settings(max_examples=6)
@given(start=st.integers(1, 60), two=st.booleans())
def test_stepping_forward_then_back_shows_every_earlier_digest_again(
    technique: Technique, start: int, two: bool
) -> None:
    timeline = Timeline(busy(two=two, technique=technique), spacing=40)
    timeline.seek(Moment(start))
    seen = [(timeline.position, timeline.digest())]
    for _ in range(25):
        timeline.step()
        seen.append((timeline.position, timeline.digest()))
    for moment, digest in reversed(seen[:-1]):
        timeline.back()
        assert (timeline.position, timeline.digest()) == (moment, digest)


@pytest.mark.parametrize("technique", IN_A_VM)
def test_seeking_in_any_order_gives_the_state_of_a_straight_run(technique: Technique) -> None:
    straight = Timeline(busy(two=True, technique=technique), spacing=10**9)
    digests = {}
    for n in range(0, 300, 20):
        straight.seek(Moment(n))
        digests[straight.position] = straight.digest()
    jumping = Timeline(busy(two=True, technique=technique), spacing=30)
    moments = list(digests)
    for moment in (*moments[::-1], *moments[::3], *moments[1::4]):
        jumping.seek(moment)
        assert jumping.digest() == digests[moment]


def test_stopping_inside_a_trap_and_going_on_is_as_never_having_stopped() -> None:
    timeline, other = Timeline(busy()), Timeline(busy())
    for _ in range(200):
        timeline.step()
    timeline.seek(Moment(120))
    other.run(120)
    assert timeline.position == other.position
    assert timeline.digest() == other.digest()
