"""Every shipped guest and program says the same, and leaves the same memory, however it is run."""

from __future__ import annotations

from functools import cache

import pytest

from teachvm.guest.library import GUESTS, PROGRAMS
from teachvm.vmm.techniques import Paging, Technique
from teachvm.vmm.vm import Vm
from teachvm.world.build import build
from teachvm.world.spec import MIB, HostSpec, ProgramSpec, VmSpec, WorldSpec
from teachvm.world.world import World

Programs = tuple[tuple[str, int], ...]
WAYS = tuple(
    (technique, paging)
    for technique in Technique
    if technique is not Technique.BARE_METAL
    for paging in technique.pagings or (Paging.SHADOW,)
)
SAMPLE: dict[str, tuple[str, Programs]] = {
    "tinyos2": ("tinyos2", (("forker", 2),)),
}
ALL: dict[str, tuple[str, Programs]] = {
    f"{guest} {program}": (guest, ((program, 4000 if program == "spinner" else 0),))
    for guest in GUESTS
    for program in PROGRAMS
    if GUESTS[guest].system == PROGRAMS[program].system and program != "shell"
}
LIMIT = 400_000


def world(guest: str, programs: Programs, technique: Technique, paging: Paging = Paging.SHADOW) -> World:
    started = tuple(ProgramSpec(name, arg) for name, arg in programs)
    memory = 2 * MIB if technique is Technique.BARE_METAL else 4 * MIB
    vm = VmSpec("alpha", guest, 2 * MIB, technique, paging, started)
    one = build(WorldSpec(HostSpec(memory_bytes=memory, vms=(vm,))))
    for _ in range(LIMIT):
        if not one.unit():
            break
    assert one.stopped is not None, "it ends"
    return one


def console(one: World) -> list[str]:
    return one.console(next(iter(one.guests))).splitlines()


@cache
def on_bare_metal(guest: str, programs: Programs) -> tuple[list[str], bytes]:
    one = world(guest, programs, Technique.BARE_METAL)
    return console(one), one.host.machine.memory.read_bytes(0, 2 * MIB)


def without_accessed(memory: bytes) -> bytes:
    """Memory without bit 5 of each doubleword: a shadow entry outlives a TLB entry, so A may have been set earlier."""
    low = bytes(byte & ~0x20 for byte in memory[::4])
    kept = bytearray(memory)
    kept[::4] = low
    return bytes(kept)


def the_same(guest: str, programs: Programs, technique: Technique, paging: Paging) -> None:
    lines, memory = on_bare_metal(guest, programs)
    one = world(guest, programs, technique, paging)
    ours = console(one)
    if technique is Technique.TRAP_AND_EMULATE and lines[-1] == "ticks: 3":
        # The one silent instruction of tinyos that matters: what comes behind its popfd.
        assert ours.pop() == "ticks: 0"
        assert ours == lines[:-1]
        return
    assert sorted(ours) == sorted(lines)
    if technique is not Technique.PARAVIRTUAL:
        assert ours == lines
        vm = one.host.tenants["alpha"]
        assert isinstance(vm, Vm)
        assert without_accessed(vm.memory.read_bytes(0, 2 * MIB)) == without_accessed(memory)


def able(guest: str, technique: Technique) -> bool:
    return technique is not Technique.PARAVIRTUAL or GUESTS[guest].paravirtual is not None


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way[0].value}-{way[1].value}")
@pytest.mark.parametrize("name", SAMPLE)
def test_a_guest_comes_to_the_same_end_however_it_is_run(name: str, way: tuple[Technique, Paging]) -> None:
    the_same(*SAMPLE[name], *way)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", ALL)
def test_every_program_comes_to_the_same_end_however_it_is_run(name: str) -> None:
    guest, programs = ALL[name]
    for way in WAYS:
        if able(guest, way[0]):
            the_same(guest, programs, *way)
