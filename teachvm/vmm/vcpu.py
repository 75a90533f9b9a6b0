"""One virtual processor: the guest's own registers, and how they get into the hardware and out of it.

The software CPU holds the virtual state whenever the VMM has control, and can execute an instruction or deliver an
interrupt in it: that is all the emulation there is. While the guest runs, the hardware holds the general registers,
EIP, most of EFLAGS and the segment registers; the software CPU keeps the rest.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, ClassVar, Final, NamedTuple

from teachvm.host.host import Host
from teachvm.isa import paging
from teachvm.isa.control import (
    CR0_AM,
    CR0_ET,
    CR0_MP,
    CR0_NE,
    CR0_PE,
    CR0_PG,
    CR0_TS,
    CR0_WP,
    CR4_TSD,
)
from teachvm.isa.descriptors import Segment, flat_code, flat_data, null_segment
from teachvm.isa.flags import RF, VM
from teachvm.isa.operands import CS, ESP, FS, GS, SS
from teachvm.machine.computer import Board
from teachvm.machine.cpu import Cpu
from teachvm.machine.events import HandlerEntered, PageWalked
from teachvm.machine.exceptions import Interruption
from teachvm.machine.interrupts import deliver_through_idt
from teachvm.machine.mmu import Access
from teachvm.machine.operation import Operation
from teachvm.trace.events import Event
from teachvm.trace.recorder import Recorder
from teachvm.vmm.addresses import Gpa, Gva
from teachvm.vmm.breakpoints import load_breakpoints
from teachvm.vmm.deprivilege import data_register, hardware_flags, hardware_ring, hardware_selector, virtual_flags
from teachvm.vmm.descriptors import ShadowGdt
from teachvm.vmm.memory.guest import GuestMemory
from teachvm.vmm.memory.shadow import ShadowTables
from teachvm.vmm.memory.walk import GuestWalk, PagingMode, look, paging_mode
from teachvm.vmm.region import CACHE_CS, FRAME_BASE, GDTR, IDTR, RESUME, TR, VMM_CS, VMM_SS
from teachvm.vmm.view import GuestState, Recovery, guest_segments, guest_state, same_or_loaded, virtual_ring

GUEST_CR0: Final = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_TS | CR0_MP | CR0_PE
"""CR0 while a guest runs: paging for isolation, WP for write traces, TS so that FPU use would be noticed."""
GUEST_CR4: Final = CR4_TSD
"""CR4 while a guest runs: reading the time traps, because the guest has a time of its own."""
MOST_WALKS: Final = 1 << 10
"""Pages a software CPU keeps in mind."""
DATA_REGISTERS: Final = (0, 3, 4, 5)
"""ES DS FS GS: not part of the frame on the VMM's stack."""


class EmulationRecorder(Recorder):
    """Records what the software CPU does as plain facts: the phases of a trap are the VMM's steps, not its walks.

    `handler` is the vector whose handler the software CPU entered last: a double fault's, if it came to that.
    """

    def __init__(self, world: Recorder) -> None:
        super().__init__(world.clock, world.log)
        self.handler = 0

    def record(self, kind: type[Event], fields: dict[str, Any]) -> None:
        """Pass a fact on, unless it is a page walk: each byte the software CPU touches would be one."""
        if kind is not PageWalked:
            super().record(kind, fields)

    def record_phase(self, kind: type[Event], fields: dict[str, Any]) -> None:
        """Keep the handler in mind and say nothing: the VMM marks what it does itself."""
        if kind is HandlerEntered:
            self.handler = fields["vector"]


class SoftwareCpu(Cpu):
    """The processor the VMM executes guest instructions on: the same CPU, over guest-physical memory, without a TLB.

    What stands for the guest's TLB are the shadow tables with the hardware's TLB in front of them; what the guest asks
    to be flushed is flushed there.
    """

    DERIVED: ClassVar[tuple[str, ...]] = (
        *Cpu.DERIVED,
        "page_flushed",
        "all_flushed",
        "given",
        "_silent",
        "_walked",
        "_guest",
        "_host",
    )

    def __init__(self, name: str, memory: GuestMemory, board: Board, recorder: Recorder) -> None:
        super().__init__(name, memory, board.ports, recorder, None)
        self.interrupts = board.pic
        self.page_flushed: Callable[[Gva], None] = _ignore_page
        self.all_flushed: Callable[[], None] = _ignore_all
        self.given: Operation | None = None
        """The next instruction, if the VMM has been told it and need not read it."""
        self._silent = recorder
        self._guest = memory
        self._host = memory.host.machine.memory
        self._walked: dict[tuple[int, bool, bool], tuple[PagingMode, GuestWalk]] = {}
        """What a walk for a page came to, by kind of access; good as long as it meets the same entries."""

    def _resolve(self, linear: int, access: Access, user: bool) -> int:
        """Walk the guest's tables, unless a walk found all its bits set before, and would find the same entries again.

        The entries are read each time: nobody need say that they were written.
        """
        if self.tlb is not None:
            return super()._resolve(linear, access, user)
        write = access is Access.WRITE
        known = self._in_mind(linear, write=write, user=user)
        if known is not None:
            return known
        frame = super()._resolve(linear, access, user)
        if len(self._walked) >= MOST_WALKS:
            self._walked.clear()
        mode = paging_mode(self.cr0, self.cr3, self.cr4)
        self._walked[linear >> 12, write, user] = mode, look(self._guest.read, mode, Gva(linear))
        return frame

    def _in_mind(self, linear: int, *, write: bool, user: bool) -> int | None:
        """Guest-physical address of a page that a walk in mind still leads to."""
        known = self._walked.get((linear >> 12, write, user))
        if known is None or self.recorder is not self._silent:
            return None
        mode, walk = known
        same = mode is paging_mode(self.cr0, self.cr3, self.cr4) and walk.again(self._guest.read, linear)
        return walk.gpa & paging.FRAME if same else None

    def _at_once(self, linear: int, count: int, *, write: bool, privilege: int) -> Gpa | None:
        """Where aligned doublewords lie that are in one page, if getting there needs no walk and no check."""
        plain = self.tlb is None and self.cr0 & CR0_PG and not self._watched
        if not plain or linear & 3 or (linear & 0xFFF) + 4 * count > paging.PAGE_SIZE:
            return None
        frame = self._in_mind(linear, write=write, user=privilege == 3)
        return None if frame is None else Gpa(frame | linear & 0xFFF)

    def words_at(self, linear: int, count: int, privilege: int = 0) -> memoryview | None:
        """Doublewords one after another, if they can be had at once; see `Mmu.words_at`."""
        gpa = self._at_once(linear, count, write=False, privilege=privilege)
        at = None if gpa is None else self._guest.hpa(gpa)
        return None if at is None else self._host.words[at >> 2 : (at >> 2) + count]

    def store_run(self, linear: int, values: list[int], privilege: int = 0) -> bool:
        """Store doublewords, the last one lowest, if that can be done at once, and nobody is told of stores there."""
        gpa = self._at_once(linear, len(values), write=True, privilege=privilege)
        at = None if gpa is None or gpa >> paging.PAGE_SHIFT in self._guest.traced else self._guest.hpa(gpa)
        if at is None:
            return False
        self._host.write_bytes(at, struct.pack(f"<{len(values)}I", *reversed(values)))
        return True

    def fetch(self, eip: int) -> Operation:
        """The instruction at CS:EIP, or the one the VMM knows to be there."""
        given, self.given = self.given, None
        return super().fetch(eip) if given is None else given

    def flush_tlb(self, cause: str) -> None:
        """A load of CR3, or a change of PG or PSE."""
        self.all_flushed()

    def invalidate_page(self, linear: int) -> None:
        """INVLPG."""
        self.page_flushed(Gva(linear))


class Cached(NamedTuple):
    """Where translated code is entered.

    Attributes:
        code: Its code segment.
        at: Where in it.
        fields: What GS is to hold.
        stack: What SS is to be loaded with.
    """

    code: Segment
    at: int
    fields: Segment
    stack: int


class Vcpu:
    """A virtual CPU.

    State: `in_guest`, that the hardware runs this guest now; `installed`, what the hardware's segment registers held
    when it was resumed; `retired`, that it has completed an instruction since; `flush`, that the guest flushed its TLB
    and the hardware's has to follow before the guest runs again.

    Attributes:
        cpu: The software CPU; registered on its own.
        gdt: The shadow of the guest's GDT; registered on its own.
    """

    STATE: ClassVar[tuple[str, ...]] = ("in_guest", "installed", "retired", "flush")
    DERIVED: ClassVar[tuple[str, ...]] = (
        "name",
        "cpu",
        "gdt",
        "region",
        "delivered",
        "recovery",
        "_hardware",
        "_visible",
        "_quiet",
        "_tables",
    )

    def __init__(self, name: str, host: Host, memory: GuestMemory, board: Board, shadow: ShadowTables) -> None:
        """Make the processor of a VM, with everything zero.

        Args:
            name: The VM's.
            host: On whose processor it will run.
            memory: The guest's physical memory.
            board: The VM's virtual board.
            shadow: What the hardware will walk.
        """
        self.name = name
        self._hardware = host.machine.cpu
        self._visible = host.recorder
        self._quiet = EmulationRecorder(host.recorder)
        self.cpu = cpu = SoftwareCpu(name, memory, board, self._quiet)
        cpu.page_flushed = shadow.drop_page
        cpu.all_flushed = self._flushed
        cpu.deliver = self.deliver
        region = shadow.region
        self._tables = shadow
        self.gdt = ShadowGdt(memory, region, shadow)
        self.region = region
        self.in_guest = False
        self.installed: list[Segment] = [null_segment() for _ in range(6)]
        self.retired = False
        self.flush = False
        self.delivered: Interruption | None = None
        """What the software CPU delivered last; looked at right after."""
        self.recovery: Recovery | None = None
        """The way back from translated code to the guest's registers, where there is any."""

    @property
    def mode(self) -> PagingMode:
        """The guest's control registers for paging."""
        return paging_mode(self.cpu.cr0, self.cpu.cr3, self.cpu.cr4)

    def state(self) -> GuestState:
        """What the guest sees of its processor now."""
        return guest_state(self.cpu, self, self.gdt.copy, self._hardware, self.region.frame(), self.recovery)

    def show_walks(self, shown: bool) -> None:
        """Let the software CPU's page walks be phases, or not."""
        self.cpu.recorder = self._visible if shown else self._quiet

    @property
    def handler(self) -> int:
        """Vector of the handler the software CPU entered last."""
        return self._quiet.handler

    def _flushed(self) -> None:
        self._tables.guest_flushed()
        self.flush = True

    def deliver(self, cpu: Cpu, interruption: Interruption) -> None:
        """Deliver through the guest's own IDT, in software; `delivered` says what it was."""
        self.delivered = interruption
        deliver_through_idt(cpu, interruption)

    # ---- out of the hardware -------------------------------------------------------------------

    def pull(self, *, shadow: bool, resume_flag: int, at: int | None = None) -> None:
        """Take the guest's registers out of the hardware, which has just entered the VMM.

        EIP, CS, EFLAGS, ESP and SS are in the frame it pushed; the other registers are as the guest left them.

        Args:
            shadow: The hardware was in the interrupt shadow of the instruction before.
            resume_flag: RF, or 0, as it was before the exception: the frame of a fault has it set always.
            at: The instruction of the translation cache it was left at; None: guest code ran directly.
        """
        eip, cs, eflags, esp, ss = self.region.read_frame()
        hardware, cpu = self._hardware, self.cpu
        held = list(hardware.segs)
        for index, selector in ((CS, cs), (SS, ss)):
            held[index] = same_or_loaded(self.installed[index], selector)
        cpu.regs[:] = hardware.regs
        cpu.regs[ESP] = esp
        kept = cpu.eflags
        if at is not None:
            assert self.recovery is not None
            cpu.regs[:], eip, eflags, kept, shadow, fs = self.recovery.registers(cpu.regs, at, eflags)
            if fs is not None:
                held[FS] = same_or_loaded(self.installed[FS], fs)
        cpu.segs[:] = guest_segments(cpu.segs, self.installed, held, self.gdt.copy)
        cpu.eip = eip
        cpu.cpl = virtual_ring(cs & 3)
        cpu.eflags = virtual_flags(eflags, kept) & ~RF | resume_flag
        # Until an instruction has completed, a shadow that was on when the guest was resumed is still on.
        cpu.shadow = shadow or (cpu.shadow and not self.retired)
        cpu.trap_pending = False
        self.in_guest = False

    def take_back(self) -> None:
        """Stop the guest between two of its instructions, from outside: its registers are in the software CPU again.

        What a VMM does with an interrupt to the processor the guest runs on; the next resume is a switch to this VM.
        """
        if not self.in_guest:
            return
        cpu, hardware, state = self.cpu, self._hardware, self.state()
        cached = self.recovery is not None and hardware.segs[CS].selector & 0xFFFC == CACHE_CS
        shadow = self.recovery.shadow(hardware.eip) if self.recovery is not None and cached else hardware.shadow
        cpu.regs[:], cpu.segs[:] = state.regs, state.segs
        cpu.eip, cpu.eflags, cpu.cpl = state.eip, state.eflags, state.cpl
        cpu.shadow = shadow or (cpu.shadow and not self.retired)
        cpu.trap_pending = hardware.trap_pending
        cpu.dr[6] = state.dr[6]  # which breakpoints were met: their #DB may be pending
        self.in_guest = False

    # ---- into the hardware ---------------------------------------------------------------------

    def holdable(self) -> bool:
        """Whether the hardware can run the guest as it stands, deprivileged."""
        cpu = self.cpu
        if cpu.cpl not in (0, 3) or not cpu.cr0 & CR0_PE or cpu.eflags & VM or cpu.halted:
            return False
        self.gdt.synchronize(cpu)
        stack = cpu.segs[SS]
        if not self.gdt.holds(cpu.segs[CS], cpu.eip) or not self.gdt.holds(stack):
            return False
        return stack.writable and stack.dpl == cpu.cpl and stack.selector & 3 == cpu.cpl

    def push(self, cached: Cached | None = None) -> None:
        """Put the guest's registers into the hardware and go there with IRETD; `holdable` must have said yes.

        Args:
            cached: Where to go instead of the guest's own code, for translated code.
        """
        hardware, cpu = self._hardware, self.cpu
        code, eip, stack = cpu.segs[CS].selector, cpu.eip, cpu.segs[SS].selector
        hardware.regs[:] = cpu.regs
        for index in DATA_REGISTERS:
            hardware.segs[index] = data_register(cpu.segs[index], cpu.cpl)
        if cached is not None:
            hardware.segs[GS] = cached.fields
            code, eip, stack = cached.code.selector, cached.at, cached.stack
        self.region.write_frame(
            eip,
            hardware_selector(code, cpu.cpl),
            hardware_flags(cpu.eflags),
            cpu.regs[ESP],
            hardware_selector(stack, cpu.cpl),
        )
        hardware.cr0 = GUEST_CR0 | cpu.cr0 & CR0_AM
        load_breakpoints(hardware, cpu.dr)
        hardware.regs[ESP] = FRAME_BASE
        hardware.eip = RESUME
        there = hardware.window.get(RESUME - hardware.window_origin) if hardware.open_window() else None
        cycles = hardware.execute_one(there)
        assert cycles, "the VMM's own IRETD faulted"
        assert hardware.cpl == hardware_ring(cpu.cpl)
        self.installed[:] = hardware.segs
        self.retired = False
        self.in_guest = True

    def load_tables(self, directory: int) -> None:
        """Make the hardware use this VM's VMM region: what a world switch exchanges besides the guest's registers.

        Args:
            directory: Host-physical address of the shadow directory.
        """
        hardware = self._hardware
        hardware.cr0 = GUEST_CR0
        hardware.cr4 = GUEST_CR4
        hardware.write_cr3(directory)
        hardware.gdtr, hardware.idtr = GDTR, IDTR
        hardware.tr, hardware.ldtr = TR, null_segment()
        hardware.segs[CS], hardware.segs[SS] = flat_code(VMM_CS), flat_data(VMM_SS)
        hardware.cpl = 0
        hardware.eflags = 2
        hardware.halted = hardware.shadow = hardware.trap_pending = False
        hardware.restored()


def _ignore_page(linear: Gva) -> None:
    """Nobody listens."""


def _ignore_all() -> None:
    """Nobody listens."""
