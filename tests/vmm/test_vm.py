"""A VM as its host sees it: frames, time, state, and the engine that runs it."""

from __future__ import annotations

import pytest

from teachvm.host.frames import Owner, OwnerKind
from teachvm.trace.state import Registry
from teachvm.vmm.events import DerivedDropped
from teachvm.vmm.memory.shadow import LEAST_BUDGET
from teachvm.vmm.techniques import Technique
from teachvm.vmm.vm import LEAST_VMM_FRAMES, Vm
from tests.vmm.room import MIB, Room


def test_a_vm_s_memory_and_its_monitor_s_are_accounted_for_apart() -> None:
    room = Room("nop")
    counts = room.host.frames.counts()
    assert counts[Owner(OwnerKind.VM, "alpha")] == MIB // 4096
    own = sum(count for owner, count in counts.items() if owner.kind is OwnerKind.VMM)
    assert own == LEAST_VMM_FRAMES
    assert counts[Owner(OwnerKind.VMM, "alpha", "shadow")] == LEAST_BUDGET


def test_guest_time_counts_the_guest_s_own_instructions_and_nothing_else() -> None:
    room = Room("mov ecx, 3 \n a: cli \n loop a \n mov edi, 0x20000 \n mov ecx, 9 \n rep stosb \n nop").units(10)
    vm = room.vm
    assert vm.time == 7 + 2 + 9
    assert (vm.direct, vm.emulated) == (7, 3)
    assert room.clock.n == 10
    assert room.clock.cycles > 3 * 2000


def test_every_technique_of_a_vm_has_an_engine() -> None:
    for technique in Technique:
        if technique is not Technique.BARE_METAL:
            assert Room("nop", technique=technique).vm.engine.technique is technique


def test_a_name_can_be_used_once() -> None:
    room = Room("nop")
    with pytest.raises(ValueError, match="two tenants of host are called 'alpha'"):
        Vm(room.host, "alpha", MIB)


def test_all_state_is_entered_under_the_vm_s_name() -> None:
    registry = Registry()
    Room("nop").vm.register(registry)
    paths = [path for path, _ in registry.items()]
    assert {"alpha", "alpha.vcpu", "alpha.held", "alpha.gdt", "alpha.memory", "alpha.shadow", "alpha.ledger"} <= {
        *paths
    }
    assert {"alpha.engine", "alpha.pic.master", "alpha.timer.counter0", "alpha.console"} <= {*paths}
    assert all(path == "alpha" or path.startswith("alpha.") for path in paths)


def test_dropping_derived_state_is_a_fact_of_the_log() -> None:
    room = Room("mov [0x20000], eax \n nop").units(1)
    room.vm.engine.drop_derived()
    assert [event.vm for event in room.events(DerivedDropped)] == ["alpha"]
    room.units(1)
    assert room.vm.vcpu.in_guest
