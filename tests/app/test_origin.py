"""Who wrote bytes last and when a value changed last, held against a world walked instruction by instruction."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachvm.app.origin import Answer, LastChange, LastWrite, Quest
from teachvm.lesson.expressions import Known, compile_expression
from teachvm.trace.moment import START, Moment
from teachvm.trace.timeline import Timeline
from teachvm.vmm.addresses import Gpa
from teachvm.vmm.techniques import Technique
from teachvm.vmm.vm import Vm
from teachvm.world.inputs import ConsoleTyped
from teachvm.world.world import World
from tests.world.guests import KERNELS
from tests.world.kernels import BARE, TRAP, Sample, timeline

COUNTER = """
        bits    32
        org     0x10000
start:  mov     ecx, 5000
again:  inc     dword [beside]
        cmp     ecx, 3000
        jne     next
store:  mov     [spot], ecx
next:   loop    again
same:   mov     dword [spot], 3000
        mov     ecx, 5000
idle:   add     dword [beside], 2
        loop    idle
        cli
        hlt
        align   4
spot:   dd      7
beside: dd      0
"""
BOTH = pytest.mark.parametrize("technique", [BARE, TRAP])


def answer(quest: Quest) -> Answer:
    found = None
    while found is None:
        found = quest.advance(lambda: False)  # every slice as short as can be
    return found


def world_of(subject: Timeline) -> World:
    world = subject._subject
    assert isinstance(world, World)
    return world


def physical(world: World, address: int) -> int:
    tenant = next(iter(world.host.tenants.values()))
    place = tenant.memory.hpa(Gpa(address)) if isinstance(tenant, Vm) else address
    assert place is not None
    return place


def who_wrote(subject: Timeline, address: int, size: int = 4) -> Answer:
    world = world_of(subject)
    start = physical(world, address)
    return answer(LastWrite(world, subject, world.host.machine.memory, range(start, start + size), "spot"))


@BOTH
def test_the_last_write_is_found_with_who_made_it_though_it_wrote_what_was_there(technique: Technique) -> None:
    subject = timeline(Sample((("guest.asm", COUNTER),)), technique)
    subject.run(100_000)
    world = world_of(subject)
    symbols = next(iter(world.guests.values())).symbols
    found = who_wrote(subject, symbols.address_of("spot"))
    assert found.at == subject.position
    assert world.host.machine.cpu.eip == symbols.address_of("same")
    assert "mov dword [spot], 0xbb8" in found.text
    assert "It wrote 0x00000bb8, which was there already." in found.text
    assert "kernel" in found.text
    assert "(same)" in found.text
    found = who_wrote(subject, symbols.address_of("spot"))
    assert world.host.machine.cpu.eip == symbols.address_of("store")
    assert "It became 0x00000bb8; before it was 0x00000007." in found.text
    here = subject.position
    found = who_wrote(subject, symbols.address_of("spot"))
    assert found.at is None
    assert "never written since the start" in found.text
    assert subject.position == here


def test_what_the_page_walker_writes_is_its_own() -> None:
    subject = timeline(Sample(guest="tinyos"), BARE)
    subject.run(5_000)
    world = world_of(subject)
    directory = world.host.machine.cpu.cr3 + (0x0804_8000 >> 22) * 4
    assert "the page walker of the processor" in who_wrote(subject, directory, 4).text


@given(KERNELS, st.sampled_from((BARE, TRAP)), st.integers(0, 2**32 - 1))
@settings(max_examples=3)
def test_no_byte_changes_between_the_write_that_was_found_and_the_present(
    sample: Sample, technique: Technique, seed: int
) -> None:
    random = Random(seed)
    subject = timeline(sample, technique, spacing=random.choice((60, 400)))
    subject.run(random.randint(1, 1_500))
    world, here, digest = world_of(subject), subject.position, subject.digest()
    address = physical(world, random.choice((0x90000, 0x6FF8, 0x10000)) + random.randrange(8))
    memory = world.host.machine.memory
    found = answer(LastWrite(world, subject, memory, range(address, address + 1), "it"))
    slow = timeline(sample, technique, spacing=10**9)
    changed, content = None, None
    while slow.position.n < here.n:
        before, now = slow.position, world_of(slow).host.machine.memory.read_bytes(address, 1)
        changed = before if content not in (None, now) else changed
        content = now
        slow.step_instruction()
    if content is not None and world_of(slow).host.machine.memory.read_bytes(address, 1) != content:
        changed = slow.position
    if changed is not None:
        assert found.at is not None
        assert found.at.n + 1 >= changed.n
    subject.seek(here)
    assert subject.digest() == digest


EXPRESSIONS = ("vcpu.eax", "vcpu.ecx", "vcpu.flags.IF", "vcpu.cr3", "memory(0x90000)")


@given(KERNELS, st.sampled_from((BARE, TRAP)), st.sampled_from(EXPRESSIONS), st.integers(1, 1_200))
@settings(max_examples=5)
def test_a_value_changed_last_where_a_walk_in_single_steps_says(
    sample: Sample, technique: Technique, text: str, steps: int
) -> None:
    expression = compile_expression(text, Known())
    subject = timeline(sample, technique, spacing=90)
    subject.run(steps)
    here = subject.position
    found = answer(LastChange(world_of(subject), subject, text, expression.value))
    slow = timeline(sample, technique, spacing=10**9)
    quest = LastChange(world_of(slow), slow, text, expression.value)
    values = [quest._value()]
    while slow.position.n < here.n:
        slow.step_instruction()
        values.append(quest._value())
    different = [n for n, value in enumerate(values) if value != values[-1]]
    assert found.at == (Moment(different[-1]) if different else None)
    assert subject.position == (found.at or here)


def test_a_question_given_up_leaves_nothing_watched_and_the_world_as_it_was() -> None:
    subject = timeline(Sample(guest="tinyos"), TRAP)
    subject.run(20_000)
    subject.inject(ConsoleTyped("alpha", b"x"))
    subject.run(3_000)
    world, here, digest = world_of(subject), subject.position, subject.digest()
    quest = LastWrite(world, subject, world.host.machine.memory, range(0x100, 0x104), "it")
    assert quest.advance(lambda: False) is None
    quest.close()
    subject.seek(START)
    subject.seek(here)
    assert subject.digest() == digest
    assert not any(guard & 4 for guard in world.host.machine.memory.guard)
