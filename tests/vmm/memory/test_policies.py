"""Three ways to keep shadow tables in step: the guest sees the same processor, and each pays somewhere else."""

from __future__ import annotations

from random import Random

import pytest

from teachvm.vmm.engines.hardware import HardwareAssist
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.events import VmmEntered
from teachvm.vmm.techniques import Paging, ShadowPolicy, Technique
from teachvm.world.divergence import LockStep
from teachvm.world.inputs import DerivedDropRequested
from teachvm.world.spec import HostSpec, ProgramSpec, VmSpec, WorldSpec
from tests.vmm.room import TABLE, Room

PTE = TABLE + 4 * 0x20
EACH = pytest.mark.parametrize("policy", list(ShadowPolicy))


def room(source: str, policy: ShadowPolicy, technique: Technique = Technique.HARDWARE_ASSIST) -> Room:
    return Room(source, technique=technique, policy=policy)


def pair(policy: ShadowPolicy, technique: Technique, *programs: str) -> LockStep:
    chosen = tuple(ProgramSpec(name) for name in programs)
    vm = VmSpec("alpha", "tinyos", technique=technique, programs=chosen, shadow=policy)
    return LockStep(WorldSpec(HostSpec(vms=(vm,))))


@EACH
def test_tinyos_sees_bare_metal_under_each(policy: ShadowPolicy) -> None:
    lockstep = pair(policy, Technique.HARDWARE_ASSIST, "hello", "pages", "ticker")
    assert lockstep.run(1_000_000) is None
    assert lockstep.ended


@EACH
def test_under_trap_and_emulate_only_the_popfd_shows(policy: ShadowPolicy) -> None:
    found = pair(policy, Technique.TRAP_AND_EMULATE, "pages", "ticker").run(1_000_000)
    assert found is not None
    assert (found.text, found.memory) == ("popfd", None)


@EACH
def test_dropping_everything_at_random_moments_changes_nothing(policy: ShadowPolicy) -> None:
    random = Random(policy.value)
    lockstep = pair(policy, Technique.HARDWARE_ASSIST, "pages")
    while not lockstep.ended:
        assert lockstep.run(random.randrange(20, 700)) is None
        DerivedDropRequested().apply(lockstep.here.world)


@EACH
def test_a_changed_entry_counts_after_invlpg_at_the_latest(policy: ShadowPolicy) -> None:
    source = (
        "mov dword [0x20000], 1 \n mov dword [0x21000], 2 \n mov eax, [0x20000] \n"
        f"mov dword [{PTE}], 0x21067 \n mov ebx, [0x20000] \n invlpg [0x20000] \n mov ecx, [0x20000] \n nop"
    )
    regs = room(source, policy).units(7).vm.vcpu.state().regs
    # Only caching corrects at the store; the others let the guest see what a TLB would show it.
    assert (regs[0], regs[3], regs[1]) == (1, 2 if policy is ShadowPolicy.CACHING else 1, 2)


@EACH
def test_a_changed_entry_counts_after_a_load_of_cr3(policy: ShadowPolicy) -> None:
    source = (
        "mov dword [0x20000], 1 \n mov dword [0x21000], 2 \n mov eax, [0x20000] \n"
        f"mov dword [{PTE}], 0x21067 \n mov edx, cr3 \n mov cr3, edx \n mov ecx, [0x20000] \n nop"
    )
    assert room(source, policy).units(7).vm.vcpu.state().regs[1] == 2


@pytest.mark.parametrize("policy", [ShadowPolicy.NONCACHING, ShadowPolicy.UNSYNC])
def test_a_table_shown_at_a_new_place_shows_nothing_stale(policy: ShadowPolicy) -> None:
    """No processor has a translation of an address it never translated, whatever is stale elsewhere."""
    source = (
        "mov dword [0x20000], 1 \n mov dword [0x21000], 2 \n mov eax, [0x20000] \n"
        f"mov dword [{PTE}], 0x21067 \n mov dword [0x2008], 0x3067 \n mov ecx, [0x820000] \n nop"
    )
    assert room(source, policy).units(6).vm.vcpu.state().regs[1] == 2


def test_each_pays_somewhere_else() -> None:
    stores = "\n".join(f"mov dword [{PTE + 4 * at}], {0x2_1067 + (at << 12)}" for at in range(8))
    reads = " \n ".join(f"mov eax, [{page:#x}]" for page in (0x30000, 0x31000, 0x32000))
    source = f"{reads} \n {stores} \n mov edx, cr3 \n mov cr3, edx \n {reads} \n nop"
    traces, hidden = [], []
    for policy in ShadowPolicy:
        entered = room(source, policy).units(16).events(VmmEntered)
        traces.append(sum(event.reason is EntryReason.PAGE_FAULT_TRACE for event in entered))
        hidden.append(sum(event.reason is EntryReason.PAGE_FAULT_HIDDEN for event in entered if event.at.n > 12))
    assert traces == [0, 8, 1]
    # After the load of CR3: everything again, or what write flooding gave up, or nothing.
    assert hidden[0] > hidden[1] > hidden[2] == 0


def test_stores_to_a_directory_are_traced_even_where_leaf_tables_are_not() -> None:
    ran = room("mov eax, [0x20000] \n mov dword [0x2004], 0x3067 \n mov eax, [0x420000] \n nop", ShadowPolicy.UNSYNC)
    assert ran.units(3).reasons().count(EntryReason.PAGE_FAULT_TRACE) == 1
    assert ran.vm.vcpu.state().regs[0] == 0


def test_switching_to_nested_tables_and_back_leaves_nothing_out_of_step() -> None:
    ran = room(f"a: mov dword [{PTE}], 0x21067 \n invlpg [0x20000] \n jmp a", ShadowPolicy.UNSYNC)
    engine = ran.vm.engine
    assert isinstance(engine, HardwareAssist)
    for paging in (Paging.NESTED, Paging.SHADOW, Paging.NESTED):
        ran.units(7)
        engine.set_paging(paging)
        ran.units(5)
    assert not ran.vm.memory.traced
    assert not ran.vm.shadow.unsync  # type: ignore[attr-defined]  # the tables of this policy have it
