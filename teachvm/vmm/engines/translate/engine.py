"""Binary translation: the guest's kernel runs as a rewritten copy in ring 1, its programs directly in ring 3.

A program whose interrupts are off, or that may turn them off, would see the real IF: it runs as a copy too, in ring 3.

What stops the guest, and how the VMM does an instruction's work on the VCPU, is as under trap and emulate. What differs
is that nothing of the kernel is executed where it stands, so nothing can be silent: an instruction that would show or
change the real machine was replaced, or calls the VMM.

Deviation: what `decision` finds to be neither direct nor translatable is interpreted by the VMM, one instruction after
another. Programs are translated for ring 3 and not for ring 1, where the paging hardware would take them for kernels.

Source: Adams & Agesen, ASPLOS 2006, §3; Agesen et al., OSR 44(4) 2010, §3; Bugnion et al., TOCS 30(4) 2012.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final

from teachvm.host.host import MOST_DELIVERIES
from teachvm.isa.decode import Insn
from teachvm.isa.flags import IF
from teachvm.isa.operands import CS
from teachvm.machine.exceptions import CpuStopped, Interruption, Source
from teachvm.trace.state import Stateful
from teachvm.vmm.addresses import Gpa
from teachvm.vmm.deprivilege import KERNEL_RING, hardware_ring
from teachvm.vmm.engines.classify import instruction_at
from teachvm.vmm.engines.monitor import Monitor
from teachvm.vmm.engines.translate.adaptive import GUILTY, INNOCENT, reason_of, watched
from teachvm.vmm.engines.translate.cache import Link, TranslationCache
from teachvm.vmm.engines.translate.decision import runs_directly, translatable
from teachvm.vmm.engines.translate.fields import BRANCHES, CACHE_CODE, FIELDS_DATA, RETURNS
from teachvm.vmm.engines.translate.lending import OWN_SLOTS, lend, stack_selector, take_away
from teachvm.vmm.engines.translate.modes import CodeMode
from teachvm.vmm.engines.translate.precise import Place
from teachvm.vmm.engines.translate.records import Call, CallKind, Origin
from teachvm.vmm.engines.translate.running import CacheRunner
from teachvm.vmm.engines.translate.unit import dead_ahead, locate
from teachvm.vmm.engines.trap_and_emulate import TrapAndEmulate
from teachvm.vmm.entries import EntryKind, EntryReason
from teachvm.vmm.region import CACHE_CS, CACHE_SLOT, CALLOUT_VECTOR
from teachvm.vmm.techniques import Technique
from teachvm.vmm.vcpu import Cached

if TYPE_CHECKING:
    from teachvm.vmm.vm import Vm

NEAR: Final = 32
"""Guest instructions before a virtual device is due in which translated code is not entered with interrupts on."""
SLACK: Final = 18
"""Cycles by which the host's timer may come later than asked for: two ticks of the 8254."""
_WATCHED: Final = frozenset((EntryReason.PAGE_FAULT_TRACE, EntryReason.PAGE_FAULT_MMIO, EntryReason.SEGMENT_LIMIT))
"""What an instruction is called guilty of."""
_CALLED: Final = Interruption(CALLOUT_VECTOR, None, Source.SOFTWARE, 0)


class BinaryTranslation(TrapAndEmulate):
    """Runs one VM by translating its kernel and running its programs directly, over shadow page tables.

    State: `call`, what translated code called the VMM for and has no answer to yet; `within`, the fragment the guest
    was in when it was left last; `completed`, guest instructions completed by translated code; `entries`, made since
    the guest completed its last instruction, when it had completed `seen`.

    Attributes:
        cache: The translation cache.
        runner: Executes what is in it.
    """

    technique = Technique.BINARY_TRANSLATION
    STATE: ClassVar[tuple[str, ...]] = (*Monitor.STATE, "call", "within", "completed", "entries", "seen")
    DERIVED: ClassVar[tuple[str, ...]] = (*Monitor.DERIVED, "cache", "runner", "_link", "_lookup", "_at", "_direct")

    def __init__(self, vm: Vm) -> None:
        super().__init__(vm)
        self.cache = TranslationCache(vm)
        self.runner = CacheRunner(self)
        self.call: Call | None = None
        self.within: int | None = None
        self.completed = 0
        self.entries = self.seen = 0
        self._link: Link | None = None
        """The exit that led to the VMM, to be chained when its target is entered."""
        self._lookup: tuple[int, int] | None = None
        """The table and the target a lookup failed for."""
        self._at = 0
        self._direct = False
        """The guest runs directly next."""
        vm.vcpu.gdt.reserve(OWN_SLOTS)
        # No return to an outer ring is executed in ring 1, so the guest's programs need not be hidden from its kernel.
        vm.vcpu.gdt.two_faced = False
        vm.vcpu.recovery = self.cache.recovery
        self._open_to(KERNEL_RING)
        vm.code_written = self._code_written

    def state(self) -> Iterator[tuple[str, Stateful]]:
        """The engine's own state, the cache's, its modes', and the code pages'."""
        yield "engine", self
        yield "cache", self.cache
        yield "modes", self.cache.modes
        yield "code", self.cache.pages

    # ---- running -------------------------------------------------------------------------------

    @property
    def in_cache(self) -> bool:
        """Whether the hardware executes translated code now."""
        return self.vcpu.in_guest and self.hardware.segs[CS].selector & 0xFFFC == CACHE_CS

    @property
    def translated(self) -> int:
        """Guest instructions completed by translated code."""
        return self.completed

    @property
    def flags_are_dead(self) -> bool:
        """Whether translated code may have lost the status flags: look-ahead found that nobody will see them.

        Virtual IF is 0 then, so no interrupt comes before they are defined again.
        """
        vcpu = self.vcpu
        state = vcpu.state()
        if state.cpl or state.eflags & IF:
            return False
        return dead_ahead(vcpu.cpu, self.vm.memory, state.eip)

    @property
    def settled(self) -> bool:
        """Whether the guest stands between two of its instructions, and not inside a sequence that stands for one."""
        return not self.in_cache or self.cache.places[self.hardware.eip].insn.recover.clean

    def burst(self, limit: int, barriers: frozenset[int], *, through: bool = False) -> int:
        """Let the hardware complete instructions of a program, or of translated code, which are counted one by one."""
        if not self.in_cache:
            return super().burst(limit, barriers, through=through)
        tiers = self.hardware.tiers
        if barriers or self.hardware.watched_from_outside or tiers is None or not tiers.enabled:
            return 0
        first = self.clock.n
        try:
            self.runner.burst(limit, through=through)
        except CpuStopped as stop:
            self._stop(stop)
        return self.clock.n - first

    def _run_guest(self) -> None:
        if self.in_cache:
            self.hardware.open_window()
            self.runner.one()
        else:
            super()._run_guest()

    def left(self, place: Place) -> None:
        """The hardware has left the cache for the VMM, at an instruction of it."""
        caught, self.host.caught = self.host.caught, None
        assert caught is not None
        self.vcpu.pull(shadow=False, resume_flag=0, at=place.insn.address)
        self.within = place.fragment
        if caught.source is Source.SOFTWARE:
            self._note_call(place)
        else:
            self.vm.service()
            self._entered(caught)

    # ---- calls from the cache ------------------------------------------------------------------

    def _note_call(self, place: Place) -> None:
        """Translated code has called the VMM, which answers in the unit that comes next."""
        insn, fragment = place.insn, place.fragment
        kind = _KINDS[insn.origin]
        if kind is CallKind.TRANSLATE:
            assert fragment is not None
            number = self.cache.exit_at(fragment, insn.address)
            assert number is not None
            self.vcpu.cpu.eip = self.cache.fragments[fragment].exits[number].target
        self.call = Call(kind, fragment, insn.address)

    def _go_on(self) -> None:
        """Answer a call from the cache; else as after any entry."""
        call, self.call = self.call, None
        if self._stalls():
            self.host.give_up(self.vm)
            return
        if call is None:
            super()._go_on()
            return
        self.vm.service()
        match call.kind:
            case CallKind.TRANSLATE:
                self._open_call(EntryReason.TRANSLATE)
                if call.fragment is not None:
                    number = self.cache.exit_at(call.fragment, call.stub)
                    self._link = None if number is None else (call.fragment, number)
                super()._go_on()
            case CallKind.LOOKUP:
                self._open_call(EntryReason.LOOKUP)
                table = RETURNS if call.stub == self.cache.misses[RETURNS].address else BRANCHES
                self._lookup = table, self.vcpu.cpu.eip
                super()._go_on()
            case CallKind.INSTRUCTION | CallKind.SIMULATE:
                self._called_for_instruction(call)
        self._link = self._lookup = None

    def _stalls(self) -> bool:
        """Whether the guest only enters the VMM, and completes nothing, though the hardware completes instructions.

        Each call is one, and so is what a replaced sequence does before it faults.
        """
        seen = self.vm.instructions
        self.entries = self.entries + 1 if seen == self.seen and not self.vcpu.cpu.halted else 0
        self.seen = seen
        return self.entries > MOST_DELIVERIES

    def _open_call(self, reason: EntryReason, cost: str = "callout") -> None:
        self._open(reason, _CALLED, EntryKind.CALLOUT, cost)

    def _called_for_instruction(self, call: Call) -> None:
        cpu = self.vcpu.cpu
        insn, code = instruction_at(cpu, self.vm.memory)
        if call.kind is CallKind.SIMULATE:
            self._open_call(EntryReason.SIMULATE, EntryReason.SIMULATE.cost)
            self._judge(insn, call.fragment)
        else:
            self._open_call(reason_of(insn))
        self._emulate(insn, code)

    # ---- adapting ------------------------------------------------------------------------------

    def _emulate(self, insn: Insn | None, code: bytes) -> None:
        """Do the instruction's work on the VCPU; if a copy of it faulted too often, it becomes a call.

        Source: Adams & Agesen, ASPLOS 2006, §3.3 (adaptive binary translation).
        """
        within, eip = self.within, self.vcpu.cpu.eip
        if self.entry in _WATCHED and within is not None and self.cache.covers(within, eip):
            faults = self.cache.faults.get(eip, 0) + 1
            self.cache.faults[eip] = faults
            if faults >= GUILTY:
                del self.cache.faults[eip]
                self.cache.adapt(within, eip, simulated=True)
        super()._emulate(insn, code)

    def _judge(self, insn: Insn | None, fragment: int | None) -> None:
        """Whether an instruction that is simulated would have faulted; if not for long, it is copied again."""
        eip, simulated = self.vcpu.cpu.eip, self.cache.simulated
        if insn is None or eip not in simulated:
            return
        simulated[eip] = 0 if watched(self.vm, insn) else simulated[eip] + 1
        if simulated[eip] >= INNOCENT and fragment is not None and self.cache.covers(fragment, eip):
            self.cache.adapt(fragment, eip, simulated=False)

    def _leave_cache(self) -> None:
        """Stop a guest that runs in the cache, where nothing of its own has stopped it."""
        if self.in_cache:
            self.vcpu.take_back()
            self.host.on_cpu = None

    def _code_written(self, gpa: Gpa, size: int) -> None:
        if self.cache.pages.guest_wrote(gpa >> 12):
            # The guest's own stores stop it; somebody outside may write at any moment.
            self._leave_cache()
            self.cache.guest_wrote(gpa, size)

    # ---- into the guest ------------------------------------------------------------------------

    def _needs_software(self) -> EntryReason | None:
        """Why the next instruction can be run neither directly nor from the cache, or None."""
        cpu = self.vcpu.cpu
        self._direct = runs_directly(self.vcpu)
        if self._direct:
            return super()._needs_software()
        if cpu.shadow and cpu.eflags & IF and self.vm.board.pic.pending:
            return EntryReason.INTERRUPT_WINDOW
        if not translatable(self.vcpu):
            return EntryReason.NOT_HOLDABLE
        if cpu.eflags & IF and self._near():
            return EntryReason.INTERRUPT_DUE
        self.cache.use(CodeMode.of(cpu))
        self.cache.check_mapping()
        if self.cache.find(cpu.eip, self.within) is None and locate(cpu, self.vm.memory, cpu.eip) is None:
            return EntryReason.UNREADABLE
        return None

    def _near(self) -> bool:
        """Whether a virtual device interrupts within a few instructions."""
        due = self.vm.board.next_interrupt()
        return due is not None and due - self.vm.time < NEAR

    def _resume(self) -> None:
        """Enter the guest: directly, or in the cache, where its unit is found or made."""
        if not self._direct:
            self._at = self._find()
        super()._resume()

    def _find(self) -> int:
        """Where in the cache the guest goes on; what led to the VMM is led there from now on."""
        cache, eip = self.cache, self.vcpu.cpu.eip
        link, flushes = self._link, cache.flushes
        if link is not None and not cache.leads(link, eip):
            link = None
        # What leads there for good has to lead to the head of a fragment.
        at = cache.find(eip, None if link is not None or self._lookup is not None else self.within)
        if at is None:
            at = cache.translate(eip, link)
        if link is not None and flushes == cache.flushes and cache.find(eip) == at:
            cache.chain(link, at)
        if self._lookup is not None and self._lookup[1] == eip and cache.find(eip) == at:
            cache.remember(eip, self._lookup[0], at)
        return at

    def _launch(self) -> None:
        """Go to the guest; the host's timer is set early, because the cache and the guest count differently."""
        ring = hardware_ring(self.vcpu.cpu.cpl)
        self._open_to(KERNEL_RING if self._direct else ring)
        if self._direct:
            super()._launch()
            return
        vm, clock, timer = self.vm, self.clock, self.host.timer
        assert timer is not None
        near = self._near()
        due, deadline = vm.next_due(), self.host.deadline()
        times = [] if deadline is None else [deadline]
        if due is not None:
            times.append(due if near else clock.cycles + (due - clock.cycles) * 4 // 5 - SLACK)
        if times:
            timer.arm(min(times))
        else:
            timer.disarm()
        lent = lend(vm.region, self.vcpu.gdt, self.vcpu.cpu)
        self.cache.fields.enter(self.vcpu.cpu, lent, pending=near or vm.board.pic.pending)
        stack = stack_selector(vm.region, self.vcpu.gdt, self.vcpu.cpu)
        self.vcpu.push(Cached(CACHE_CODE[ring], self._at, FIELDS_DATA[ring], stack))

    def _open_to(self, ring: int) -> None:
        """Let translated code run in a ring, and call the VMM from there; nobody who runs directly in ring 3 can."""
        region, code = self.vm.region, CACHE_CODE[ring].pack()
        if region.slot(CACHE_SLOT) != code:
            region.write_slot(CACHE_SLOT, code)
            region.open_gate(CALLOUT_VECTOR, ring)
            take_away(region)

    # ---- derived state -------------------------------------------------------------------------

    def drop_derived(self) -> int:
        """Throw away the cache and the shadow tables; a guest that is in the cache is taken out of it first."""
        self._leave_cache()
        if self.call is not None:
            self.call = replace(self.call, fragment=None)
        self.within = None
        self.cache.flush("drop")
        return super().drop_derived()


_KINDS: Final = {
    Origin.CALLOUT: CallKind.INSTRUCTION,
    Origin.SIMULATED: CallKind.SIMULATE,
    Origin.CONTINUATION: CallKind.TRANSLATE,
    Origin.LOOKUP: CallKind.LOOKUP,
}
