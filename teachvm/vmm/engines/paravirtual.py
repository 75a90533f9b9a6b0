"""Paravirtualization: the guest's kernel was changed; it runs in ring 1, knows it, and asks the VMM with hypercalls.

The processor really raises the software interrupt of a hypercall, and really goes past the VMM for a system call. What
remains of traps: page faults, which are the guest's or the VMM's as under trap and emulate; exceptions of programs,
delivered through the trap table; and the host's timer. A privileged instruction of the guest's kernel ends it, with one
line: it was not built for this.

Source: Barham et al., "Xen and the Art of Virtualization", SOSP 2003, §3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from teachvm.host.stop import StopKind, StopReason
from teachvm.isa.exceptions import Vector, gate_error
from teachvm.isa.flags import IF, NT, RF, TF, VM
from teachvm.isa.operands import CS, EAX, EBX, ECX, EDX, ESP, SS
from teachvm.isa.text import row_text
from teachvm.machine.cpu import Cpu
from teachvm.machine.events import HandlerEntered
from teachvm.machine.exceptions import Fault, Interruption, Source, general_protection
from teachvm.machine.exceptions import StopReason as CpuStop
from teachvm.machine.selectors import at_cpl, mark_accessed, require_code_descriptor, stack_segment
from teachvm.vmm.addresses import Gpa
from teachvm.vmm.deprivilege import KERNEL_RING, USER_RING, hardware_selector
from teachvm.vmm.engines.classify import PROTECTION_VECTORS, exception_reason, instruction_at, instruction_reason
from teachvm.vmm.engines.hypercalls import serve
from teachvm.vmm.engines.trap_and_emulate import TrapAndEmulate
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.events import HypercallMade, InterruptInjected
from teachvm.vmm.hypercalls import (
    CALLS,
    EVENT_CONSOLE,
    EVENT_TIMER,
    EVENT_VECTOR,
    HYPERCALL_VECTOR,
    SHARED_FAULT,
    SHARED_MASK,
    SHARED_PENDING,
)
from teachvm.vmm.techniques import Technique

if TYPE_CHECKING:
    from teachvm.isa.decode import Insn
    from teachvm.vmm.vm import Vm

FIRST_FREE: Final = 0x30
"""Vectors below are exceptions, and interrupts of the host's own controllers."""
NO_PAGE: Final = -1
"""Stands for the shared page before the guest has named one."""
_ALLOWED: Final = (EntryReason.SEGMENT_LOAD, EntryReason.FAR_TRANSFER, EntryReason.RDTSC)
"""What even a kernel built for a VMM may do in a way that needs help."""
_PIC_COMMAND, _PIC_EOI = 0x20, 0x20
_EVENTS: Final = {0x20: EVENT_TIMER, 0x24: EVENT_CONSOLE}
"""Which event an interrupt of the virtual board becomes."""


class Paravirtual(TrapAndEmulate):
    """Runs one VM whose guest makes hypercalls.

    State: `traps`, the trap table: by vector the lowest ring that may use INT n, code selector and address; `stack`,
    selector and pointer of the stack the kernel is entered on; `shared`, guest-physical address of the shared page.
    """

    technique = Technique.PARAVIRTUAL
    STATE: ClassVar[tuple[str, ...]] = (*TrapAndEmulate.STATE, "traps", "stack", "shared")

    def __init__(self, vm: Vm) -> None:
        super().__init__(vm)
        self.traps: dict[int, tuple[int, int, int]] = {}
        self.stack = (0, 0)
        self.shared = NO_PAGE
        self.vcpu.cpu.deliver = self._deliver
        vm.region.open_gate(HYPERCALL_VECTOR, KERNEL_RING)

    # ---- what the guest shares -----------------------------------------------------------------

    @property
    def masked(self) -> bool:
        """Whether the guest wants no events now."""
        return self.shared == NO_PAGE or bool(self.vm.memory.read(self.shared + SHARED_MASK, 1))

    def mask(self, on: bool) -> None:
        """Set the guest's wish."""
        if self.shared != NO_PAGE:
            self.vm.memory.write(self.shared + SHARED_MASK, 1, int(on))

    @property
    def pending(self) -> int:
        """Events that have come and were not taken."""
        return 0 if self.shared == NO_PAGE else self.vm.memory.read(self.shared + SHARED_PENDING, 4)

    def share(self, page: Gpa) -> None:
        """From now on the guest has a page in common with the VMM, and the virtual board's interrupts are events."""
        self.shared = page
        self.vcpu.cpu.eflags |= IF

    def set_trap(self, vector: int, ring: int, selector: int, address: int) -> None:
        """Enter one line in the trap table; a system call's gate in the real IDT leads straight to the guest."""
        self.traps[vector] = ring, selector & 0xFFFC, address
        if ring == USER_RING and vector >= FIRST_FREE and vector != HYPERCALL_VECTOR:
            self.vm.region.pass_gate(vector, hardware_selector(selector, 0), address, ring)

    def set_stack(self, selector: int, pointer: int) -> None:
        """Enter the kernel on another stack from now on, whoever enters it."""
        self.stack = selector & 0xFFFC, pointer
        self.vm.region.set_kernel_stack(KERNEL_RING, hardware_selector(selector, 0), pointer)

    # ---- entries -------------------------------------------------------------------------------

    def _entered(self, interruption: Interruption) -> None:
        if interruption.source is Source.SOFTWARE and interruption.vector == HYPERCALL_VECTOR:
            self._hypercall(interruption)
            return
        if self.vcpu.cpu.cpl == 0 and interruption.vector in PROTECTION_VECTORS:
            insn, _ = instruction_at(self.vcpu.cpu, self.vm.memory)
            reason = None if insn is None else instruction_reason(insn)
            if insn is not None and reason is not None and reason not in _ALLOWED:
                self._open(exception_reason(self.vcpu.cpu, interruption.vector, insn), interruption)
                self._does_not_know(insn)
                return
        super()._entered(interruption)

    def _does_not_know(self, insn: Insn) -> None:
        """End a guest that touches the hardware itself."""
        name, eip = self.vm.name, self.vcpu.cpu.eip
        self._close()
        text = (
            f"{name}: this guest does not know hypercalls: its kernel executed `{row_text(insn, eip)}` at {eip:#x}; "
            "choose another technique"
        )
        self.host.end(self.vm, StopReason(StopKind.GUEST_FAILURE, name, text))

    def _hypercall(self, interruption: Interruption) -> None:
        cpu, costs = self.vcpu.cpu, self.host.costs
        self._open(EntryReason.HYPERCALL, interruption)
        number = cpu.regs[EAX]
        call = CALLS.get(number)
        asked = (
            ()
            if call is None
            else tuple(zip(call.arguments, (cpu.regs[EBX], cpu.regs[ECX], cpu.regs[EDX]), strict=False))
        )
        served = serve(self, call, [value for _, value in asked])
        if served.result is not None:
            cpu.regs[EAX] = served.result & 0xFFFF_FFFF
        if call is not None and call.cost != EntryReason.HYPERCALL.cost:
            self.clock.spend(served.items * costs.of(call.cost))
        name = str(number) if call is None else call.word
        self.recorder.mark(HypercallMade, vm=self.vm.name, name=name, arguments=asked, result=served.result)
        if served.ended:
            self._close()
            text = f"{self.vm.name} shut down"
            self.host.end(self.vm, StopReason(StopKind.ENDED_WELL, self.vm.name, text))
        else:
            self._go_on()

    # ---- events --------------------------------------------------------------------------------

    def _interruptible(self) -> bool:
        """Whether an event, or a single-step trap, is to be delivered before the next guest instruction."""
        self._collect()
        return self.vcpu.cpu.trap_pending or (bool(self.pending) and not self.masked and EVENT_VECTOR in self.traps)

    def _collect(self) -> None:
        """Turn interrupts of the virtual board into events."""
        vm = self.vm
        while self.shared != NO_PAGE and vm.board.pic.pending:
            event = _EVENTS.get(vm.board.pic.acknowledge(), 0)
            vm.board.ports.out(_PIC_COMMAND, 1, _PIC_EOI)
            vm.memory.write(self.shared + SHARED_PENDING, 4, self.pending | event)

    def _deliver_pending(self) -> None:
        cpu = self.vcpu.cpu
        if cpu.trap_pending:
            super()._deliver_pending()
            return
        self.clock.spend(self.host.costs.of("inject"))
        cpu.deliver(cpu, Interruption(EVENT_VECTOR, None, Source.EXTERNAL, cpu.eip))
        self.recorder.mark(InterruptInjected, vm=self.vm.name, vector=EVENT_VECTOR, eip=cpu.eip)

    # ---- delivery ------------------------------------------------------------------------------

    def _deliver(self, cpu: Cpu, interruption: Interruption) -> None:
        """Enter the guest's kernel where its trap table says, on the stack it named if it comes from a program.

        Raises:
            Fault: A software interrupt that the table does not allow.
            CpuStopped: The guest has no handler, or no stack for it.
        """
        entry = self.traps.get(interruption.vector)
        if interruption.source is Source.SOFTWARE and (entry is None or entry[0] < cpu.cpl):
            raise general_protection(gate_error(interruption.vector))
        if entry is None:
            raise cpu.stop(
                CpuStop.TRIPLE_FAULT, f"{interruption} at eip {interruption.eip:#010x}, and no handler for it"
            )
        self.vcpu.delivered = interruption
        from_cpl = cpu.cpl
        try:
            self._enter(cpu, interruption, *entry[1:])
        except Fault as fault:
            text = f"{fault} while delivering {interruption}, eip {interruption.eip:#010x}"
            raise cpu.stop(CpuStop.TRIPLE_FAULT, text) from fault
        cpu.halted = cpu.shadow = cpu.trap_pending = False
        cpu.mark(HandlerEntered, vector=interruption.vector, from_cpl=from_cpl, to_cpl=cpu.cpl, eip=cpu.eip)

    def _enter(self, cpu: Cpu, interruption: Interruption, selector: int, address: int) -> None:
        """Push the frame and load CS:EIP: every check and every store that can fault comes before the first change.

        Raises:
            Fault: The selector, the address or the stack is not what it has to be.
        """
        found = require_code_descriptor(cpu, selector)
        if found.segment.dpl or not found.segment.present or address > found.segment.limit:
            raise general_protection(selector)
        flags = cpu.eflags & ~IF | (0 if self.masked else IF)
        if interruption.source is Source.FAULT:
            flags |= RF
        frame = [flags, hardware_selector(cpu.segs[CS].selector, cpu.cpl), interruption.eip]
        if interruption.error is not None:
            frame.append(interruption.error)
        stack, pointer = cpu.segs[SS], cpu.regs[ESP]
        if cpu.cpl:
            frame[:0] = [stack.selector, pointer]
            stack, pointer = stack_segment(cpu, self.stack[0], 0, Vector.TS), self.stack[1]
        offsets = [pointer - 4 * count & 0xFFFF_FFFF for count in range(1, len(frame) + 1)]
        for offset in offsets:
            if not stack.contains(offset, 4):
                raise Fault(Vector.SS, 0)
            cpu.probe_linear(stack.base + offset & 0xFFFF_FFFF, 4)
        for offset, value in zip(offsets, frame, strict=True):
            cpu.write_linear(stack.base + offset & 0xFFFF_FFFF, 4, value)
        if interruption.cr2 is not None and self.shared != NO_PAGE:
            cpu.cr2 = interruption.cr2
            self.vm.memory.write(self.shared + SHARED_FAULT, 4, interruption.cr2)
        cpu.segs[SS], cpu.regs[ESP] = stack, offsets[-1]
        cpu.segs[CS] = at_cpl(mark_accessed(cpu, found), 0)
        cpu.cpl, cpu.eip, cpu.next_eip = 0, address, address
        cpu.eflags = cpu.eflags & ~(TF | NT | RF | VM) | IF
        self.mask(on=True)
