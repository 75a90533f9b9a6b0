"""One virtual machine: a VCPU, guest-physical memory, a virtual board, and the engine that runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from teachvm.host.host import Host
from teachvm.host.stop import StopReason, switched_off
from teachvm.isa.flags import IF
from teachvm.isa.operands import CS
from teachvm.machine.computer import devices_for
from teachvm.machine.cpu import Cpu
from teachvm.trace.state import Registry
from teachvm.vmm.addresses import Gpa
from teachvm.vmm.engines.emulation import Emulation
from teachvm.vmm.engines.hardware import HardwareAssist
from teachvm.vmm.engines.paravirtual import Paravirtual
from teachvm.vmm.engines.protocol import Engine
from teachvm.vmm.engines.translate.engine import BinaryTranslation
from teachvm.vmm.engines.trap_and_emulate import TrapAndEmulate
from teachvm.vmm.entries import Ledger
from teachvm.vmm.events import ShadowDropped, ShadowPolicySwitched
from teachvm.vmm.memory.guest import GuestMemory
from teachvm.vmm.memory.policies import PolicedTables
from teachvm.vmm.memory.shadow import DEFAULT_BUDGET, LEAST_BUDGET
from teachvm.vmm.region import CACHE_CS, REGION_FRAMES, VmmRegion
from teachvm.vmm.techniques import ShadowPolicy, Technique, Translation
from teachvm.vmm.vcpu import Vcpu
from teachvm.vmm.vmx.vcpu import NonRootVcpu

ENGINES: dict[Technique, Callable[[Vm], Engine]] = {
    Technique.TRAP_AND_EMULATE: TrapAndEmulate,
    Technique.BINARY_TRANSLATION: BinaryTranslation,
    Technique.HARDWARE_ASSIST: HardwareAssist,
    Technique.PARAVIRTUAL: Paravirtual,
    Technique.EMULATION: Emulation,
}
"""How a VM is run, by technique."""


_USUAL: Final = Translation()
LEAST_VMM_FRAMES: Final = REGION_FRAMES + LEAST_BUDGET
"""Host frames a VM needs besides its own memory: what a host with a VM more must have free."""
MOST_ITERATIONS: Final = 256
"""Iterations of a repeated string instruction emulated in one entry: a wild guest may ask for four thousand million."""


class Vm:
    """A tenant of a host that believes to be a machine of its own.

    Time: `time` counts, in cycles of 10 MHz, the instructions this guest has completed (repeated string instructions:
    iterations) and the time it slept. It drives the virtual board and the virtual time stamp counter, so that neither
    the VMM's work nor the other tenants show in it.

    State: `time`; `direct` and `emulated`, instructions completed by the hardware and by the VMM; of a halted guest,
    `idle_until`, the guest time at which it wakes, and `slept_at`, the host cycles at which it halted.

    Attributes:
        name: Unique on its host.
        memory: Guest-physical memory.
        board: The virtual devices.
        shadow: The shadow page tables.
        vcpu: The virtual processor.
        ledger: What entries there were.
        engine: The technique that runs it.
    """

    STATE: ClassVar[tuple[str, ...]] = (
        "ended",
        "wake_at",
        "stalled",
        "time",
        "direct",
        "emulated",
        "idle_until",
        "slept_at",
    )
    DERIVED: ClassVar[tuple[str, ...]] = (
        "name",
        "host",
        "region",
        "memory",
        "shadow",
        "board",
        "vcpu",
        "ledger",
        "engine",
        "code_written",
    )

    def __init__(
        self,
        host: Host,
        name: str,
        memory_bytes: int,
        *,
        technique: Technique = Technique.TRAP_AND_EMULATE,
        translation: Translation = _USUAL,
        start_frame: int = 0,
        shadow_budget: int = DEFAULT_BUDGET,
        debug_ports: bool = False,
    ) -> None:
        """Make a VM with empty memory and a processor that has not been started, and admit it to its host.

        Args:
            host: Whose tenant it is.
            name: Unique on that host.
            memory_bytes: Guest RAM, a multiple of 4096.
            technique: How to run it.
            translation: How its addresses are translated, where the technique has the choice.
            start_frame: Lowest host frame for guest RAM; what lies below stays free for the VMM.
            shadow_budget: Most host frames for shadow tables.
            debug_ports: See `devices_for`.

        Raises:
            OutOfFramesError: The host has too little memory.
            ValueError: The name is taken, the size is no multiple of a page, or the budget too small.
        """
        self.name = name
        self.host = host
        self.ended: StopReason | None = None
        self.wake_at: int | None = None
        self.stalled = 0
        self.time = 0
        self.direct = 0
        self.emulated = 0
        self.idle_until: int | None = None
        self.slept_at = 0
        self.region = VmmRegion(host, name)
        self.memory = GuestMemory(host, name, memory_bytes, start=start_frame)
        assisted = technique is Technique.HARDWARE_ASSIST
        policy = translation.shadow
        self.shadow = PolicedTables(self.memory, self.region, name, shadow_budget, reserved=not assisted, policy=policy)
        self.board = devices_for(name, self.guest_time, host.recorder, debug_ports=debug_ports)
        if assisted:
            self.vcpu: Vcpu = NonRootVcpu(name, host, self.memory, self.board, self.shadow, translation.paging)
        else:
            self.vcpu = Vcpu(name, host, self.memory, self.board, self.shadow)
        self.vcpu.cpu.tsc = self.guest_time
        self.vcpu.cpu.budget = lambda: min(MOST_ITERATIONS, max(1, self.board.timer.due - self.time))
        self.ledger = Ledger()
        self.memory.wrote = self._table_written
        self.shadow.dropped = self._shadow_dropped
        self.code_written: Callable[[Gpa, int], None] = _ignore_code
        """Told of stores to traced pages, because code may have been translated from them."""
        self.engine = ENGINES[technique](self)
        if isinstance(self.engine, HardwareAssist):
            self.engine.walker.cache_on = translation.walk_cache
        host.admit(self)

    def register(self, registry: Registry) -> None:
        """Enter the VM's state in a world's registry, under its name."""
        name = self.name
        registry.add(f"{name}.memory", self.memory)
        registry.add(f"{name}.shadow", self.shadow)
        registry.add(f"{name}.vcpu", self.vcpu.cpu)
        registry.add(f"{name}.held", self.vcpu)
        registry.add(f"{name}.gdt", self.vcpu.gdt)
        self.board.register(registry, name)
        registry.add(f"{name}.ledger", self.ledger)
        for path, thing in self.engine.state():
            registry.add(f"{name}.{path}", thing)
        registry.add(name, self)

    def turn(self) -> None:
        """Let the processor do the next thing for this VM."""
        self.engine.turn()
        if self.board.ended and self.ended is None:
            # Nothing was executed since: if the guest was put back into the hardware, the VCPU still has its state.
            self.vcpu.in_guest = False
            self.host.end(self, switched_off(self.name, self.board.ended, failed=self.board.failed))

    def burst(self, limit: int, barriers: frozenset[int], *, through: bool = False) -> int:
        """Let the hardware complete instructions of this VM's guest for which nobody is needed: the compiled ones."""
        return self.engine.burst(limit, barriers, through=through)

    @property
    def processor(self) -> Cpu:
        """What executes the guest's instructions: the hardware, or under emulation the software CPU."""
        return self.vcpu.cpu if self.engine.technique is Technique.EMULATION else self.host.machine.cpu

    @property
    def next_instructions(self) -> tuple[int, ...]:
        """EIPs of the guest instructions that the processor executes next.

        Almost always one; none inside translated code that stands for an instruction, two where a jump was elided.
        """
        cpu, recovery = self.processor, self.vcpu.recovery
        return (cpu.eip,) if recovery is None or not self.in_cache else recovery.boundary(cpu.eip)

    @property
    def in_cache(self) -> bool:
        """Whether the hardware executes translated code of this VM."""
        cs = self.host.machine.cpu.segs[CS].selector
        return self.vcpu.in_guest and self.host.on_cpu == self.name and cs & 0xFFFC == CACHE_CS

    @property
    def executing(self) -> bool:
        """Whether the guest's instructions are what happens next: in the hardware or in an interpreter."""
        return self.vcpu.in_guest or self.processor is self.vcpu.cpu

    def take_back(self) -> None:
        """Take the guest out of the hardware between two of its instructions; its next resume is a world switch."""
        if self.vcpu.in_guest:
            self.vcpu.take_back()
            self.host.on_cpu = None

    def keep_shadow(self, policy: ShadowPolicy) -> None:
        """Keep the shadow tables in step another way from now on; the guest sees nothing of it."""
        if policy is self.shadow.policy:
            return
        self.take_back()
        self.engine.drop_derived()
        self.shadow.keep_by(policy)
        self.host.recorder.emit(ShadowPolicySwitched, vm=self.name, policy=policy.value)

    # ---- the guest's time ----------------------------------------------------------------------

    def guest_time(self) -> int:
        """The guest's clock in cycles of 10 MHz."""
        return self.time

    def completed(self, cycles: int, *, direct: bool, instructions: int = 1) -> None:
        """The guest completed an instruction, or several."""
        self.time += cycles
        if direct:
            self.direct += instructions
        else:
            self.emulated += instructions

    @property
    def translated(self) -> int:
        """Instructions completed by translated code; 0 under techniques that translate nothing."""
        return self.engine.translated

    @property
    def instructions(self) -> int:
        """Instructions the guest has completed, however each was executed."""
        return self.direct + self.engine.translated + self.emulated

    def service(self) -> None:
        """Bring the virtual devices up to the guest's time."""
        if self.time >= self.board.timer.due:
            self.board.service()

    def next_due(self) -> int | None:
        """Host cycles at which a virtual device interrupts next, if the guest's clock runs from now on.

        Other changes of a device's outputs need no attention until somebody looks.
        """
        due = self.board.next_interrupt()
        return None if due is None else self.host.clock.cycles + due - self.time

    def sleep(self) -> None:
        """The guest waits for its next virtual device."""
        self.idle_until = self.board.next_interrupt()
        self.slept_at = self.host.clock.cycles

    @property
    def interrupted(self) -> bool:
        """Whether the guest would take an interrupt now."""
        return self.board.pic.pending and bool(self.vcpu.cpu.eflags & IF)

    def wake(self) -> None:
        """The time a halted guest waited for has come, or an interrupt before it: it has slept until now."""
        if self.idle_until is not None:
            self.time = min(self.idle_until, self.time + self.host.clock.cycles - self.slept_at)
            self.idle_until = None

    def set_timer(self) -> None:
        """Set the host's timer for whatever has to stop the guest first.

        A virtual device is due at an exact instruction of the guest's, but the 8254 counts in steps of about eight
        cycles. So the VMM waits for up to that long before it resumes the guest: the interrupt then comes exactly when
        the guest has executed as many instructions as it would have on bare metal.
        """
        host = self.host
        timer = host.timer
        assert timer is not None
        due, deadline = self.next_due(), host.deadline()
        if due is None and deadline is None:
            timer.disarm()
            return
        if deadline is not None and (due is None or deadline < due):
            at = timer.arm(deadline)
            if due is None or at < due:
                return
        assert due is not None
        at = timer.arm(due)
        host.clock.spend(max(0, at - due))

    # ---- wiring --------------------------------------------------------------------------------

    def _table_written(self, gpa: Gpa, size: int) -> None:
        self.shadow.guest_wrote(gpa, size)
        self.vcpu.gdt.guest_wrote(gpa)
        self.code_written(gpa, size)

    def _shadow_dropped(self, entries: int, cause: str) -> None:
        if entries:
            self.host.recorder.emit(ShadowDropped, vm=self.name, entries=entries, cause=cause)


def _ignore_code(gpa: Gpa, size: int) -> None:
    """No code is translated."""
