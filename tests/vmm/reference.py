"""The same guest without a VMM: an interpreter over plain memory, to compare a VM with, instruction by instruction."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from teachvm.isa.decode import Insn
from teachvm.isa.flags import IF, STATUS, iopl
from teachvm.isa.operands import CS, SS, Reg, Sreg
from teachvm.machine.bus import PhysicalBus
from teachvm.machine.computer import devices_for
from teachvm.machine.cpu import Cpu
from teachvm.machine.exceptions import CpuStopped, Fault
from teachvm.machine.memory import Memory
from teachvm.machine.mmu import Access
from teachvm.machine.tlb import Tlb
from teachvm.trace.recorder import Recorder
from teachvm.vmm.addresses import Gva
from teachvm.vmm.engines.classify import instruction_at
from teachvm.vmm.engines.translate.decision import flags_allow
from teachvm.vmm.memory.guest import GuestMemory
from teachvm.vmm.memory.walk import PagingMode, look
from teachvm.vmm.techniques import Technique
from teachvm.vmm.view import GuestState, state_of
from teachvm.vmm.vm import Vm
from tests.vmm.room import Room

SILENT = frozenset(("SGDT", "SIDT", "SLDT", "STR", "SMSW", "PUSHFD", "POPFD", "LAR", "LSL", "VERR", "VERW", "CALLF"))
MOST_TURNS = 70

Reveals = Callable[[Insn, Cpu], bool]
"""Whether an instruction, about to be executed, shows the guest that it is not alone on the machine."""


def reveals_the_ring(insn: Insn, cpu: Cpu) -> bool:
    """Whether an instruction runs silently one ring down and shows it, so that nothing after it can be compared."""
    if insn.row.mnemonic in SILENT:
        return True
    if insn.row.mnemonic in ("IRETD", "RETF"):
        # With IOPL 3 a program's IRET changes IF; a return to ring 1 or 2 is one the hardware may allow.
        return on_stack(cpu, insn.opsize // 8) & 3 in (1, 2) or (cpu.cpl == 3 and iopl(cpu.eflags) == 3)
    if insn.row.mnemonic not in ("MOV", "PUSH", "POP") or not any(isinstance(each, Sreg) for each in insn.operands):
        return False
    first, last = insn.operands[0], insn.operands[-1]
    if not isinstance(first, Sreg) or insn.row.mnemonic == "PUSH":
        return isinstance(last, Sreg) and last.index in (CS, SS)
    # A load with an RPL of 1 or 2 is refused in ring 0 and allowed in ring 1.
    if insn.row.mnemonic == "POP":
        return on_stack(cpu, 0) & 3 in (1, 2)
    return not isinstance(last, Reg) or cpu.regs[last.index] & 3 in (1, 2)


def reveals_a_program(insn: Insn, cpu: Cpu) -> bool:
    """The same where only what runs directly is shown the machine: what is translated is not."""
    return flags_allow(cpu.cpl, cpu.eflags) and insn.row.mnemonic in SILENT


def on_stack(cpu: Cpu, distance: int) -> int:
    """A selector on the stack, read without touching the tables; 0 where nothing is mapped."""
    mode = PagingMode(cpu.cr0, cpu.cr3, cpu.cr4)
    walk = look(cpu.memory.read, mode, Gva(cpu.segs[SS].base + cpu.stack_offset(distance) & 0xFFFF_FFFF))
    return cpu.memory.read(walk.gpa, 2) if walk.error(write=False, user=cpu.cpl == 3, wp=mode.wp) is None else 0


class Reference(GuestMemory):
    """A machine with the guest's memory at its own addresses, no TLB, and time in completed instructions.

    Without a TLB every access is walked, as with shadow tables every change of the guest's tables counts at once.
    With one it is bare metal to the last stale entry. `deprivileged` says that what it is compared with runs the guest
    kernel outside ring 0, so that an instruction which shows the ring ends the comparison.
    """

    def __init__(self, size: int, *, tlb: Tlb | None = None, reveals: Reveals | None = reveals_the_ring) -> None:
        self.reveals = reveals
        recorder = Recorder()
        self.ram_of_guest = Memory(size)
        self.bus = PhysicalBus(self.ram_of_guest)
        self.time = 0
        self.board = devices_for("reference", lambda: self.time, recorder)
        self.cpu = Cpu("reference", self.bus, self.board.ports, None, tlb)
        self.cpu.interrupts = self.board.pic
        self.cpu.tsc = lambda: self.time
        self.cpu.budget = lambda: 1
        self.ended: str | None = None
        self.not_comparable = False

    def read(self, phys: int, size: int) -> int:
        return self.bus.read(phys, size)

    def read_bytes(self, gpa: int, count: int) -> bytes:
        return self.ram_of_guest.read_bytes(gpa, count)

    def unit(self) -> None:
        """Complete one instruction or one iteration, or sleep until a device is due."""
        for _ in range(MOST_TURNS):
            if self.time >= self.board.timer.due:
                self.board.service()
            if self.cpu.halted and not (self.board.pic.pending and self.cpu.eflags & IF):
                self._sleep()
                return
            insn, code = instruction_at(self.cpu, self)
            if self.reveals is not None and insn is not None and self.reveals(insn, self.cpu):
                self.not_comparable = True
                return
            eip = self.cpu.eip
            try:
                cycles = self.cpu.step()
            except CpuStopped as stop:
                self.ended = str(stop)
                return
            if cycles:
                self.time += cycles
                repeats = insn is not None and insn.rep and self.cpu.eip == eip
                self.not_comparable = bool(repeats) and instruction_at(self.cpu, self)[1] != code
                return
        self.ended = "faults for ever"

    def _sleep(self) -> None:
        due = self.board.next_due()
        if due is None or not self.cpu.eflags & IF:
            self.ended = "halted"
        else:
            self.time = due


def assert_same(vm: Vm, expected: GuestState) -> None:
    """The guest sees what it would see; status flags are lost only where its code cannot look at them."""
    state = vm.vcpu.state()
    if state != expected and vm.engine.flags_are_dead:
        state, expected = (replace(each, eflags=each.eflags & ~STATUS) for each in (state, expected))
    assert state == expected


class Comparison:
    """A VM and its reference, moved to equal times again and again.

    Deviation: a repeated string instruction that overwrites itself, by another linear address or with 16-bit addresses,
    is fetched again after every iteration in the reference, and later in a VM; what follows any such is not compared.
    """

    def __init__(self, room: Room, reference: Reference) -> None:
        self.room = room
        self.vm: Vm = room.vm
        self.reference = reference
        self.compared = 0

    @property
    def over(self) -> bool:
        return self.reference.ended is not None or self.reference.not_comparable or self.room.host.stopped is not None

    def step(self) -> None:
        """Both complete at least one instruction, until they have completed equally many."""
        self.reference.unit()
        while not self.over and self.vm.time != self.reference.time:
            if self.vm.time < self.reference.time:
                self.room.unit()
            else:
                self.reference.unit()
        if not self.over:
            assert_same(self.vm, state_of(self.reference.cpu))
            self.compared += 1

    def run(self, steps: int) -> str:
        """Compare until something ends; returns what.

        Raises:
            AssertionError: The guest can tell the difference.
        """
        while self.compared < steps and not self.over:
            self.step()
        if self.reference.not_comparable:
            return "not compared to the end"
        if self.over:
            return self._ends_alike()
        if self.vm.engine.technique is Technique.BINARY_TRANSLATION:
            self._fetch_next()
        self.compare_memory()
        return "limit"

    def _fetch_next(self) -> None:
        """Walk to the next instruction on both sides: a translator may have read it already, and set A on the way.

        Source: Intel SDM Vol. 3A, §4.8 (A may be set ahead of the access).
        """
        cpu = self.reference.cpu
        linear = cpu.segs[CS].base + cpu.eip & 0xFFFF_FFFF
        for walker in (cpu, self.vm.vcpu.cpu):
            with suppress(Fault):
                walker.translate(linear, Access.FETCH, cpu.cpl == 3)

    def _ends_alike(self) -> str:
        if self.reference.ended is None:
            self.reference.unit()
        for _ in range(MOST_TURNS * 10):
            if self.room.host.stopped is not None:
                break
            self.room.host.turn()
        assert self.room.host.stopped is not None
        text = self.room.host.stopped.text
        loops = "faults for ever"
        if loops not in text and self.reference.ended != loops:
            assert self.reference.ended is not None
            assert self.reference.ended in text
            self.compare_memory()
        return "ended"

    def compare_memory(self) -> None:
        """Every page of the guest's memory is equal."""
        memory = self.room.machine.memory
        for gfn, hfn in enumerate(self.vm.memory.pmap):
            assert memory.page(hfn) == self.reference.ram_of_guest.page(gfn), f"guest frame {gfn:#x}"
