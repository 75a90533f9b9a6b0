"""Non-root mode: what the processor does differently while a guest runs, and how it enters and leaves.

The guest's kernel is in ring 0 of this mode, with its own segments, tables and flags in the hardware. What the control
structure asks for leaves instead of happening.

Source: Intel SDM Vol. 3C, ch. 25 (VMX non-root operation), ch. 26 (VM entries), ch. 27 (VM exits).
Deviation: after an exit RF is as before the exception. CR0.NE is not forced, as there is no FPU. Entry checks only what
the VMM could get wrong here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from teachvm.host.host import Host
from teachvm.isa.control import CR0_PE, CR0_TS, CR4_TSD, MSW_WRITABLE
from teachvm.isa.descriptors import TableRegister, flat_code, flat_data, null_segment
from teachvm.isa.exceptions import Vector
from teachvm.isa.flags import IF
from teachvm.isa.operands import CS, ECX, ESP, SS, Creg, Imm
from teachvm.isa.paging import FRAME
from teachvm.machine.bound_memory import Memory
from teachvm.machine.cpu import Cpu
from teachvm.machine.exceptions import CpuStopped, Fault, Interruption, Source, StopReason
from teachvm.machine.interrupts import deliver_through_idt
from teachvm.machine.mmu import Access, Mmu, walk_two_levels
from teachvm.machine.operation import Operation
from teachvm.machine.registers import MASK32
from teachvm.machine.tlb import TlbEntry
from teachvm.vmm.region import TR
from teachvm.vmm.vmx import fields as f
from teachvm.vmm.vmx.exits import (
    CR_CLTS,
    CR_FROM,
    CR_LMSW,
    CR_TO,
    IO_IMMEDIATE,
    IO_IN,
    IO_REP,
    IO_STRING,
    REEXECUTED,
    Event,
    ExitReason,
    VmExit,
)
from teachvm.vmm.vmx.fields import Field
from teachvm.vmm.vmx.structure import ControlStructure, guest_area, load_guest

if TYPE_CHECKING:
    from teachvm.vmm.vmx.walker import TwoDimensionalWalker

_STOPS = {StopReason.TRIPLE_FAULT: ExitReason.TRIPLE_FAULT, StopReason.TASK_SWITCH: ExitReason.TASK_SWITCH}


class NonRoot:
    """The processor as one control structure makes it behave.

    Everything here derives from the structure in memory and is read from it again at each entry.
    """

    def __init__(self, host: Host, structure: ControlStructure, walker: TwoDimensionalWalker) -> None:
        self.cpu = host.machine.cpu
        self.structure = structure
        self.walker = walker
        self._host = host
        self._pic = host.machine.board.pic
        self._controls: dict[Field, int] = {}
        self._primary = 0
        self._guest_cr0 = -1

    # ---- hooks ---------------------------------------------------------------------------------

    def attach(self) -> None:
        """Let the processor's hooks be those of non-root mode."""
        cpu, read = self.cpu, self.structure.read
        self._controls = {
            field: read(field)
            for field in Field
            if field.group is f.Group.CONTROL and field not in (Field.IO_BITMAP_A, Field.IO_BITMAP_B)
        }
        self._primary = self._controls[Field.PROCESSOR_BASED]
        nested = bool(self._controls[Field.SECONDARY] & f.SECONDARY_NESTED)
        cpu.deliver = self._deliver
        cpu.delivery_fault = self._met
        cpu.intercept = self._intercept
        cpu.control_view = self._view
        cpu.second_level = nested
        if nested:
            self.walker.root = self._controls[Field.NESTED_POINTER] & FRAME
        cpu.walker = self.walker.walk if nested else self._walk

    def detach(self) -> None:
        """Let them be root mode's again, unless another structure's are in place."""
        if self.cpu.intercept == self._intercept:
            self._host.own_processor()

    # ---- entry and exit ------------------------------------------------------------------------

    def enter(self) -> None:
        """VM entry: load the guest's state, then deliver the event to be injected, if there is one.

        Raises:
            VmExit: Delivering the event caused one.
            CpuStopped: Delivering it ended in a triple fault or a task switch.
        """
        cpu, structure = self.cpu, self.structure
        self.attach()
        load_guest(cpu, structure.guest())
        offset = self._controls[Field.TSC_OFFSET]
        cpu.tsc_offset = offset - (1 << 64) if offset >> 63 else offset
        if cpu.cr0 != self._guest_cr0 and cpu.tlb is not None:
            cpu.tlb.forget()  # CR0.WP decides what the page maps may hold
        event = Event.unpack(structure.read(Field.ENTRY_INTERRUPTION), structure.read(Field.ENTRY_ERROR))
        if event is not None:
            try:
                deliver_through_idt(cpu, event.interruption(cpu.eip))
            except CpuStopped as stop:
                raise self._ended(stop) from stop
            structure.write(Field.ENTRY_INTERRUPTION, 0)

    def leave(self, cause: VmExit) -> None:
        """VM exit: say why, save the guest's state, load the host's."""
        self._say(cause)
        self.cpu.trap_pending = False  # met by an instruction that is not done, or in a frame that is not pushed
        self.taken()

    def taken(self) -> None:
        """Save the guest's state and load the host's: all there is to it when the VMM itself stops the guest."""
        cpu, write = self.cpu, self.structure.write
        write(Field.ENTRY_INTERRUPTION, 0)
        self._guest_cr0 = cpu.cr0
        self.structure.set_guest(guest_area(cpu, cpu.cr0, cpu.cr3, cpu.cr4))
        self.detach()
        self._load_host()

    def _say(self, cause: VmExit) -> None:
        """Fill the exit information."""
        cpu, write = self.cpu, self.structure.write
        vectoring, cpu.delivering = cpu.delivering, None
        interrupted = None if vectoring is None else Event.of(vectoring, cpu.eip)
        write(Field.EXIT_REASON, cause.reason.value)
        write(Field.EXIT_QUALIFICATION, cause.qualification & MASK32)
        write(Field.EXIT_INTERRUPTION, 0 if cause.event is None else cause.event.information)
        write(Field.EXIT_ERROR, 0 if cause.event is None else cause.event.error or 0)
        write(Field.VECTORING, 0 if interrupted is None else interrupted.information)
        write(Field.VECTORING_ERROR, 0 if interrupted is None else interrupted.error or 0)
        length = 0 if cause.operation is None else cause.operation.length
        if vectoring is not None and interrupted is not None and interrupted.type in REEXECUTED:
            length = vectoring.eip - cpu.eip & MASK32
        write(Field.EXIT_LENGTH, length)
        write(Field.GUEST_LINEAR, cause.linear)
        write(Field.GUEST_PHYSICAL, cause.gpa)

    def _load_host(self) -> None:
        cpu, read = self.cpu, self.structure.read
        cpu.cr0, cpu.cr3, cpu.cr4 = read(Field.HOST_CR0), read(Field.HOST_CR3), read(Field.HOST_CR4)
        cpu.eip, cpu.regs[ESP], cpu.eflags, cpu.cpl = read(Field.HOST_RIP), read(Field.HOST_RSP), 2, 0
        cpu.segs[CS], cpu.segs[SS] = flat_code(read(Field.HOST_CS)), flat_data(read(Field.HOST_SS))
        cpu.gdtr = TableRegister(read(Field.HOST_GDTR_BASE), 0xFFFF)
        cpu.idtr = TableRegister(read(Field.HOST_IDTR_BASE), 0xFFFF)
        cpu.tr, cpu.ldtr = TR, null_segment()
        cpu.shadow = cpu.halted = cpu.trap_pending = False
        cpu.tsc_offset = 0

    # ---- running -------------------------------------------------------------------------------

    def step(self) -> int:
        """Execute one guest instruction, or deliver one exception to the guest; returns cycles as `Cpu.execute_one`.

        A physical interrupt exits whatever the guest's IF says, but not before a single-step trap, nor in the
        interrupt shadow.

        Raises:
            VmExit: The guest is to be left.
            CpuStopped: Something the model of the processor leaves out.
        """
        cpu = self.cpu
        if not cpu.shadow and not cpu.trap_pending:
            if self._primary & f.CPU_INTERRUPT_WINDOW and cpu.eflags & IF:
                raise VmExit(ExitReason.INTERRUPT_WINDOW)
            if self._pic.pending:
                vector = self._pic.acknowledge()
                raise VmExit(
                    ExitReason.EXTERNAL_INTERRUPT,
                    event=Event.of(Interruption(vector, None, Source.EXTERNAL, cpu.eip), cpu.eip),
                )
        try:
            return cpu.execute_one()
        except CpuStopped as stop:
            raise self._ended(stop) from stop
        except VmExit as cause:
            if cause.reason is ExitReason.EPT_VIOLATION and cpu.delivering is None:
                cause.operation = self._fetched()
            raise

    def _fetched(self) -> Operation | None:
        """The instruction an access of which exits, if its fetch is done; only the TLB may know its page still.

        Source: AMD64 APM Vol. 2, §15.8.4 (decode assists: an exit tells the bytes of the instruction).
        """
        cpu = self.cpu
        linear = cpu.segs[CS].base + cpu.eip & MASK32
        if not cpu.resident(linear, Access.FETCH, cpu.cpl == 3):
            return None
        phys = cpu.translate(linear, Access.FETCH, cpu.cpl == 3)
        return cpu.operation_at(phys, 0x1000 - (phys & 0xFFF)) if cpu.segs[CS].big else None

    def quiet(self) -> bool:
        """Whether instructions can be completed without a look at interrupts."""
        return not self._pic.pending and not (self._primary & f.CPU_INTERRUPT_WINDOW and self.cpu.eflags & IF)

    def _ended(self, stop: CpuStopped) -> Exception:
        """The exit that the end of the guest's processor is; the end itself where VT-x has no exit for it."""
        reason = _STOPS.get(stop.reason)
        if reason is None:
            return stop
        self.cpu.stopped, self.cpu.stop_detail = None, ""
        return VmExit(reason)

    # ---- exceptions ----------------------------------------------------------------------------

    def _deliver(self, cpu: Cpu, interruption: Interruption) -> None:
        if interruption.source is not Source.SOFTWARE and self._asked(interruption.vector, interruption.error):
            raise VmExit(ExitReason.EXCEPTION_NMI, interruption.cr2 or 0, event=Event.of(interruption, cpu.eip))
        deliver_through_idt(cpu, interruption)

    def _met(self, first: Interruption, second: Fault) -> None:
        """A fault while delivering: it exits if the bitmap asks for it, else it is delivered, or becomes #DF."""
        if self._asked(second.vector, second.error):
            event = Event.of(Interruption(second.vector, second.error, Source.FAULT, first.eip), self.cpu.eip)
            raise VmExit(ExitReason.EXCEPTION_NMI, second.cr2 or 0, event=event)

    def _asked(self, vector: int, error: int | None) -> bool:
        """The exception bitmap, and for page faults mask and match of the error code (SDM §25.2)."""
        asked = bool(self._controls[Field.EXCEPTION_BITMAP] >> vector & 1)
        if vector != Vector.PF:
            return asked
        matches = (error or 0) & self._controls[Field.FAULT_MASK] == self._controls[Field.FAULT_MATCH]
        return asked == matches

    def _walk(self, cpu: Mmu, linear: int, access: Access, user: bool) -> TlbEntry:
        """Walk the tables CR3 names; a page fault that is to exit does so before it has changed CR2."""
        try:
            return walk_two_levels(cpu, linear, access, user)
        except Fault as fault:
            if not self._asked(fault.vector, fault.error):
                raise
            event = Event.of(Interruption(fault.vector, fault.error, Source.FAULT, cpu.eip), cpu.eip)
            raise VmExit(ExitReason.EXCEPTION_NMI, linear, event=event) from None

    # ---- instructions --------------------------------------------------------------------------

    def _view(self, index: int, value: int) -> int:
        """What the guest reads of CR0 and CR4: the read shadow, where the mask says that the VMM owns the bit."""
        if index not in (0, 4):
            return value
        mask = self._controls[Field.CR0_MASK if index == 0 else Field.CR4_MASK]
        shadow = self._controls[Field.CR0_SHADOW if index == 0 else Field.CR4_SHADOW]
        return value & ~mask | shadow & mask

    def _intercept(self, operation: Operation) -> bool:
        """Leave, if the controls ask for it; true if the instruction has no effect, because the VMM owns every bit."""
        name = operation.insn.row.intercept
        match name:
            case "CR_ACCESS":
                return self._control_register(operation)
            case "IO_INSTRUCTION":
                self._port(operation)
            case "MSR_READ" | "MSR_WRITE":
                if self._msr_asked(self.cpu.regs[ECX], write=name == "MSR_WRITE"):
                    raise VmExit(ExitReason[name], operation=operation)
            case "RDTSC" if self.cpu.cr4 & CR4_TSD and self.cpu.cpl:
                pass  # it faults
            case "INVLPG" if self._primary & f.CPU_INVLPG:
                (page,) = operation.operands
                assert isinstance(page, Memory)
                linear = self.cpu.segs[page.segment].base + page.address(self.cpu) & MASK32
                raise VmExit(ExitReason.INVLPG, linear, operation=operation)
            case _ if name is not None and always(name, self._primary, self._controls[Field.SECONDARY]):
                raise VmExit(ExitReason[name], operation=operation)
        return False

    def _control_register(self, operation: Operation) -> bool:
        """MOV to and from control registers, CLTS, LMSW (SDM §25.1.3, Table 27-3)."""
        cpu, controls = self.cpu, self._controls
        mask, shadow = controls[Field.CR0_MASK], controls[Field.CR0_SHADOW]
        if operation.insn.row.mnemonic == "CLTS":
            if mask & shadow & CR0_TS:
                raise VmExit(ExitReason.CR_ACCESS, CR_CLTS << 4, operation=operation)
            return bool(mask & CR0_TS)
        if operation.insn.row.mnemonic == "LMSW":
            value = operation.operands[0].load(cpu) & MSW_WRITABLE
            differing = (value ^ shadow) & MSW_WRITABLE & mask
            if differing & ~CR0_PE or differing & value:
                raise VmExit(ExitReason.CR_ACCESS, CR_LMSW << 4 | value << 16, operation=operation)
            return mask == MASK32
        first, second = operation.insn.operands
        if isinstance(second, Creg):
            if second.index == 3 and self._primary & f.CPU_CR3_STORE:
                raise VmExit(ExitReason.CR_ACCESS, 3 | CR_FROM << 4, operation=operation)
            return False
        assert isinstance(first, Creg)
        value, index = operation.operands[1].load(cpu), first.index
        if index == 4:
            mask, shadow = controls[Field.CR4_MASK], controls[Field.CR4_SHADOW]
        asked = index == 3 and self._primary & f.CPU_CR3_LOAD
        if asked or (index in (0, 4) and (value ^ shadow) & mask):
            raise VmExit(ExitReason.CR_ACCESS, index | CR_TO << 4, operation=operation)
        return index in (0, 4) and mask == MASK32

    def _port(self, operation: Operation) -> None:
        """IN, OUT, INS, OUTS: the guest's own permission first, then the I/O bitmaps (SDM §25.1.3, Table 27-5)."""
        cpu, insn = self.cpu, operation.insn
        reads = insn.row.mnemonic.startswith("IN")
        string = insn.row.mnemonic not in ("IN", "OUT")
        where = operation.operands[1 if reads else 0]
        what = operation.operands[0 if reads else 1]
        size = what.width // 8
        port = where.load(cpu)
        cpu.permit_port(port, size)
        if self._port_asked(port, size):
            qualification = size - 1 | port << 16 | (IO_IN if reads else 0)
            qualification |= (IO_STRING if string else 0) | (IO_REP if insn.rep else 0)
            qualification |= IO_IMMEDIATE if any(isinstance(operand, Imm) for operand in insn.operands) else 0
            raise VmExit(ExitReason.IO_INSTRUCTION, qualification, operation=operation)

    def _port_asked(self, port: int, size: int) -> bool:
        if not self._primary & f.CPU_IO_BITMAPS:
            return bool(self._primary & f.CPU_IO_ALWAYS)
        if port + size > 0x1_0000:
            return True
        return any(self._io_bit(each) for each in range(port, port + size))

    def _io_bit(self, port: int) -> int:
        bitmap = self.structure.read(Field.IO_BITMAP_A if port < 0x8000 else Field.IO_BITMAP_B)
        return self.cpu.memory.read(bitmap + (port & 0x7FFF) // 8, 1) >> (port & 7) & 1

    def _msr_asked(self, register: int, *, write: bool) -> bool:
        if not self._primary & f.CPU_MSR_BITMAPS or 0x2000 <= register < 0xC000_0000 or register >= 0xC000_2000:
            return True
        offset = (0x800 if write else 0) + (0x400 if register >= 0xC000_0000 else 0) + (register & 0x1FFF) // 8
        return bool(self.cpu.memory.read(self._controls[Field.MSR_BITMAP] + offset, 1) >> (register & 7) & 1)


def always(name: str, primary: int, secondary: int) -> bool:
    """Whether an instruction exits whatever its operands are.

    Args:
        name: Exit reason its row names.
        primary: Primary processor-based controls.
        secondary: Secondary ones.
    """
    match name:
        case "CPUID" | "INVD":
            return True
        case "HLT":
            return bool(primary & f.CPU_HLT)
        case "RDTSC":
            return bool(primary & f.CPU_RDTSC)
        case "DR_ACCESS":
            return bool(primary & f.CPU_MOV_DR)
        case "WBINVD":
            return bool(secondary & f.SECONDARY_WBINVD)
        case "GDTR_IDTR" | "LDTR_TR":
            return bool(secondary & f.SECONDARY_DESCRIPTOR_TABLES)
        case _:
            return False
