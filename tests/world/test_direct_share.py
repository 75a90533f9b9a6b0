"""A program that only computes has the processor nearly to itself, whatever technique runs it but emulation."""

from __future__ import annotations

import pytest

from teachvm.vmm.entries import EntryReason
from teachvm.vmm.techniques import Paging, Technique
from teachvm.vmm.vm import Vm
from teachvm.world.build import build
from teachvm.world.spec import HostSpec, ProgramSpec, VmSpec, WorldSpec
from teachvm.world.world import World

APART = 1_000_000
"""Cycles between two ticks with which the VMM's share is below one per cent, if a tick costs less than one of these.

The timer cannot be asked for so few: its counter is through after 549 254 cycles. tinyos ticks every 2 000.
"""
FOR_A_TICK = {EntryReason.EXTERNAL_INTERRUPT, EntryReason.IN_OUT, EntryReason.IRET, EntryReason.HYPERCALL}
WARM, WATCHED = 600_000, 2_000_000
WAYS = [
    (technique, paging)
    for technique in (each for each in Technique if each.direct and each is not Technique.BARE_METAL)
    for paging in (Paging if technique is Technique.HARDWARE_ASSIST else (Paging.SHADOW,))
]


def run_until(world: World, cycles: int) -> None:
    clock = world.recorder.clock
    while clock.cycles < cycles:
        if not world.burst(10_000, frozenset(), 32):
            assert world.unit()


@pytest.mark.parametrize(("technique", "paging"), WAYS)
def test_a_tick_takes_less_than_one_per_cent_of_a_million_cycles_from_a_program_that_computes(
    technique: Technique, paging: Paging
) -> None:
    vm = VmSpec("alpha", "tinyos", technique=technique, paging=paging, programs=(ProgramSpec("spinner"),))
    world = build(WorldSpec(HostSpec(vms=(vm,))))
    run_until(world, WARM)
    guest = world.host.tenants["alpha"]
    assert isinstance(guest, Vm)
    start, spent, before = world.recorder.clock.cycles, guest.ledger.total_cycles, guest.ledger.counts.copy()
    run_until(world, WARM + WATCHED)
    cycles, used = world.recorder.clock.cycles - start, guest.ledger.total_cycles - spent
    entries = {why: count - before.get(why, 0) for why, count in guest.ledger.counts.items()}
    ticks = entries[EntryReason.EXTERNAL_INTERRUPT]
    assert ticks > 100
    assert guest.direct > (cycles - used) // 2
    # All the VMM does is done for ticks: the program itself never leads there.
    assert used / ticks < APART / 100
    assert set(entries) - {why for why, count in entries.items() if count < ticks / 2} <= FOR_A_TICK
