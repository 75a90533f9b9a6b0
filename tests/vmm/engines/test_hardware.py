"""Under hardware assist a guest sees bare metal, with its kernel in ring 0 of non-root mode."""

from __future__ import annotations

from random import Random

import pytest

from teachvm.isa.operands import EAX, EBX, ECX
from teachvm.machine.operation import Operation
from teachvm.machine.tlb import Tlb, TlbEntry
from teachvm.trace.timeline import Timeline
from teachvm.vmm.engines.hardware import HardwareAssist
from teachvm.vmm.entries import EntryKind
from teachvm.vmm.events import InterruptInjected, VcpuSwitched
from teachvm.vmm.techniques import Paging, Technique
from teachvm.vmm.vmx.events import VmExited
from teachvm.vmm.vmx.exits import IO_IMMEDIATE, ExitReason
from teachvm.vmm.vmx.fields import Field
from teachvm.world.divergence import LockStep
from teachvm.world.spec import HostSpec, ProgramSpec, VmSpec, WorldSpec
from tests.vmm.programs import RandomGuest
from tests.vmm.reference import Comparison, Reference
from tests.vmm.room import CODE, GDT, HANDLERS, KERNEL_CODE, KERNEL_STACK, MIB, Room, handler

SAMPLE = 16
SOAK = 2_500
STEPS = 200
ASSIST = Technique.HARDWARE_ASSIST
BOTH = pytest.mark.parametrize("paging", list(Paging))


def engine(room: Room) -> HardwareAssist:
    made = room.vm.engine
    assert isinstance(made, HardwareAssist)
    return made


class AssistedReference(Reference):
    """Bare metal whose TLB keeps no more than the processor's in non-root mode.

    A VMM that executes an instruction for the guest fills no entry of the TLB: string port instructions, and accesses
    to what is not RAM. A TLB may drop an entry at any time, so a guest cannot rely on one either way.
    """

    def __init__(self) -> None:
        self.tlb = Tlb()
        super().__init__(MIB, tlb=self.tlb, reveals=None)
        self._kept: tuple[list[TlbEntry | None], list[int]] | None = None
        self.cpu.intercept = self._about_to

    def _about_to(self, operation: Operation) -> bool:
        if operation.insn.row.mnemonic in ("INSB", "INSD", "OUTSB", "OUTSD"):
            self._kept = list(self.tlb.entries), list(self.tlb.victims)
        return False

    def unit(self) -> None:
        super().unit()
        if self._kept is not None:
            self.tlb.entries[:], self.tlb.victims[:] = self._kept
            self._kept = None
        self.tlb.entries[:] = [each if each is None or each.frame < MIB else None for each in self.tlb.entries]
        self.cpu.restored()


def compare_random(seed: int, paging: Paging) -> str:
    """Compare with bare metal: with a TLB as the hardware's, or over shadow tables without one."""
    guest = RandomGuest(seed)
    room = Room(technique=ASSIST, paging_by=paging)
    nested = paging is Paging.NESTED
    reference = AssistedReference() if nested else Reference(MIB, reveals=None)
    guest.put_into(room.vm.memory.write_bytes, room.vm.vcpu.cpu, room.vm.board)
    guest.put_into(reference.ram_of_guest.write_bytes, reference.cpu, reference.board)
    return Comparison(room, reference).run(STEPS)


@BOTH
@pytest.mark.parametrize("part", range(4))
def test_random_kernels_see_bare_metal(paging: Paging, part: int) -> None:
    outcomes = [compare_random(seed, paging) for seed in range(part, SAMPLE, 4)]
    assert outcomes.count("limit") + outcomes.count("ended") > len(outcomes) * 2 // 3


def compare_with_drops(seed: int, paging: Paging) -> str:
    """The same, with all derived state thrown away at random moments; a TLB that was filled from it goes too."""
    random = Random(seed)
    guest = RandomGuest(seed)
    room = Room(technique=ASSIST, paging_by=paging)
    nested = paging is Paging.NESTED
    reference = AssistedReference() if nested else Reference(MIB, reveals=None)
    guest.put_into(room.vm.memory.write_bytes, room.vm.vcpu.cpu, room.vm.board)
    guest.put_into(reference.ram_of_guest.write_bytes, reference.cpu, reference.board)
    pair = Comparison(room, reference)
    while not pair.over and pair.compared < STEPS:
        pair.step()
        if random.random() < 0.1:
            engine(room).drop_derived()
            if reference.cpu.tlb is not None:
                reference.cpu.tlb.flush()
    return pair.run(STEPS)


@BOTH
def test_random_kernels_see_bare_metal_though_derived_state_is_dropped(paging: Paging) -> None:
    outcomes = [compare_with_drops(seed, paging) for seed in range(2)]
    assert outcomes.count("limit") + outcomes.count("ended") >= 1


@pytest.mark.soak
@pytest.mark.timeout(0)
@BOTH
@pytest.mark.parametrize("part", range(4))
def test_many_random_kernels_see_bare_metal_though_derived_state_is_dropped(paging: Paging, part: int) -> None:
    for seed in range(2 + part, SOAK, 4):
        compare_with_drops(seed, paging)


@pytest.mark.soak
@pytest.mark.timeout(0)
@BOTH
@pytest.mark.parametrize("part", range(4))
def test_many_random_kernels_see_bare_metal(paging: Paging, part: int) -> None:
    for seed in range(SAMPLE + part, SOAK, 4):
        compare_random(seed, paging)


def tinyos(paging: Paging, *programs: str) -> WorldSpec:
    chosen = tuple(ProgramSpec(name) for name in programs)
    return WorldSpec(HostSpec(vms=(VmSpec("alpha", "tinyos", technique=ASSIST, paging=paging, programs=chosen),)))


@BOTH
@pytest.mark.parametrize("programs", [("ticker", "ticker"), ("hello", "pages", "sieve")])
def test_tinyos_and_its_programs_see_no_difference_to_their_end(paging: Paging, programs: tuple[str, ...]) -> None:
    pair = LockStep(tinyos(paging, *programs))
    assert pair.run(1_000_000) is None
    assert pair.ended
    assert pair.instructions > 10_000


def test_a_guest_that_sees_everything_a_processor_shows_sees_bare_metal() -> None:
    for paging in Paging:
        source = "pushfd \n sgdt [0x20000] \n sidt [0x20008] \n smsw ax \n str bx \n mov cx, cs \n mov edx, cr0 \n hlt"
        room = Room(source, technique=ASSIST, paging_by=paging).units(8)
        state = room.vm.vcpu.state()
        assert state.cpl == 0
        assert state.regs[1] & 0xFFFF == KERNEL_CODE
        assert (state.regs[0] & 0xFFFF, state.regs[2]) == (state.cr0 & 0xFFFF, state.cr0)
        assert room.vm.memory.read(0x2_0002, 4) == GDT
        assert state.halted


@BOTH
def test_cli_sti_and_popf_need_no_exit(paging: Paging) -> None:
    room = Room("cli \n sti \n pushfd \n popfd \n nop \n a: jmp a", technique=ASSIST, paging_by=paging).units(20)
    assert {reason.value for reason in room.reasons()} <= {"page-fault-hidden", "nested-violation"}


def test_only_shadow_paging_exits_for_page_tables() -> None:
    source = (
        "mov eax, cr3 \n mov cr3, eax \n invlpg [0x20000] \n mov dword [0x3080], 0x20067 \n mov edx, [0x700000] \n nop"
    )
    shadow, nested = (Room(source, technique=ASSIST, paging_by=paging).units(5) for paging in Paging)
    for room in (shadow, nested):
        while room.vm.vcpu.state().eip & ~0xFFF != HANDLERS:
            room.host.turn()
    assert {"mov-cr", "invlpg", "page-fault-trace", "page-fault-true"} <= {each.value for each in shadow.reasons()}
    assert {each.value for each in nested.reasons()} - {"hlt"} == {"nested-violation"}


def test_every_exit_is_written_into_the_control_structure() -> None:
    room = Room("mov al, 7 \n out 0x21, al \n nop", technique=ASSIST, paging_by=Paging.NESTED).units(2)
    read = engine(room).structure.read
    assert read(Field.EXIT_REASON) == ExitReason.IO_INSTRUCTION.value == 30
    assert read(Field.EXIT_QUALIFICATION) == 0x21 << 16 | IO_IMMEDIATE
    assert read(Field.EXIT_LENGTH) == 2
    assert read(Field.GUEST_RIP) == CODE + 4
    assert read(Field.GUEST_CS) == KERNEL_CODE
    last = room.events(VmExited)[-1]
    assert (last.number, last.name, last.kind) == (30, "IO_INSTRUCTION", EntryKind.EXIT)


@BOTH
def test_a_stale_translation_is_used_as_long_as_bare_metal_would(paging: Paging) -> None:
    source = (
        "mov dword [0x20000], 1 \n mov dword [0x30000], 2 \n mov eax, [0x20000] \n mov dword [0x3080], 0x30067 \n"
        "mov ebx, [0x20000] \n invlpg [0x20000] \n mov ecx, [0x20000] \n hlt"
    )
    regs = Room(source, technique=ASSIST, paging_by=paging).units(7).vm.vcpu.state().regs
    # Over shadow tables every store to a table counts at once, which a TLB may do at any time.
    assert (regs[EAX], regs[EBX], regs[ECX]) == (1, 1 if paging is Paging.NESTED else 2, 2)


@BOTH
def test_an_interrupt_that_cannot_be_taken_yet_waits_for_its_window(paging: Paging) -> None:
    ports = (0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1), (0x21, 0xFE), (0x43, 0x34), (0x40, 20), (0x40, 0)
    source = "\n".join(f"mov al, {value} \n out {port}, al" for port, value in ports)
    room = Room(f"{source} \n mov ecx, 300 \n a: loop a \n sti \n nop \n b: jmp b", technique=ASSIST, paging_by=paging)
    room.to_label("b")
    room.units(1)
    reasons = [reason.value for reason in room.reasons()]
    filled = ("in-out", "nested-violation", "page-fault-hidden", "page-fault-dirty")
    assert [each for each in reasons if each not in filled][-3:] == ["external-interrupt", "interrupt-window", "hlt"]
    (injected,) = room.events(InterruptInjected)
    assert (injected.vector, injected.eip) == (0x20, handler(0x20))
    # The instruction behind sti went first, as on bare metal.
    assert room.vm.memory.read(KERNEL_STACK - 12, 4) == room.assembly.symbols["b"]


def test_an_event_whose_delivery_exits_is_injected_again() -> None:
    room = Room("mov dword [0x20000], 0 \n div dword [0x20000] \n nop", technique=ASSIST, paging_by=Paging.NESTED)
    room.units(3)
    vectoring = [event for event in room.events(VmExited) if event.name == "EPT_VIOLATION"]
    assert len(vectoring) > 4
    assert room.vm.vcpu.state().eip == handler(0) + 1
    assert engine(room).structure.read(Field.VECTORING) & 0xFF == 0


@BOTH
def test_the_time_a_guest_reads_is_its_own(paging: Paging) -> None:
    source = "rdtsc \n mov esi, eax \n cpuid \n rdtsc \n sub eax, esi \n hlt"
    room = Room(source, technique=ASSIST, paging_by=paging).units(5)
    assert room.vm.vcpu.state().regs[EAX] == 3
    assert room.clock.cycles > 1_000


@BOTH
def test_two_guests_take_turns_and_keep_to_themselves(paging: Paging) -> None:
    room = Room("a: inc dword [0x20000] \n jmp a", technique=ASSIST, paging_by=paging, quantum=4_000)
    other = room.add("beta", "a: inc dword [0x20000] \n jmp a")
    Timeline(room).run(8_000)
    assert len(room.events(VcpuSwitched)) > 3
    assert min(room.vm.direct, other.direct) > 400
    for vm in (room.vm, other):
        assert abs(2 * vm.memory.read(0x2_0000, 4) - vm.direct) <= 2
