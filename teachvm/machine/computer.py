"""A PC: the board every machine and every VM has, and the physical machine around one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from teachvm.isa.flags import IF
from teachvm.machine.bus import PhysicalBus, PortBus
from teachvm.machine.cpu import Cpu
from teachvm.machine.devices.acpi_power import AcpiPower
from teachvm.machine.devices.debug_console import DebugConsole
from teachvm.machine.devices.debug_exit import DebugExit
from teachvm.machine.devices.i8254 import I8254
from teachvm.machine.devices.i8259 import I8259Pair
from teachvm.machine.devices.port61 import SystemPort61
from teachvm.machine.devices.uart16550 import Uart16550
from teachvm.machine.events import ConsoleWrote, DeviceRefused
from teachvm.machine.memory import Memory
from teachvm.machine.tlb import Tlb
from teachvm.trace.recorder import Recorder
from teachvm.trace.state import Registry, Stateful

TIMER_IRQ = 0
CONSOLE_IRQ = 4
MASTER_PORTS = range(0x20, 0x22)
TIMER_PORTS = range(0x40, 0x44)
SYSTEM_PORT = range(0x61, 0x62)
SLAVE_PORTS = range(0xA0, 0xA2)
CONSOLE_PORTS = range(0x3F8, 0x400)
DEBUG_CONSOLE_PORT = range(0xE9, 0xEA)
DEBUG_EXIT_PORTS = range(0xF4, 0xF8)
POWER_PORTS = range(0x604, 0x606)
LONGEST_REPEAT = 4096
"""Iterations of a repeated string instruction in one unit: a wild guest may ask for four thousand million."""


class Board:
    """The devices of one PC, wired as an AT wires them.

    Attributes:
        pic: The 8259A pair; the CPU's interrupt source.
        timer: The 8254; counter 0 is IRQ 0.
        console: The 16550A at 0x3F8, IRQ 4.
        system: System control port B at 0x61.
        debug_exit, power: With debug ports: what a guest ends its run with.
        ports: The I/O bus they answer on.
    """

    def __init__(self, name: str, clock: Callable[[], int], recorder: Recorder, *, debug_ports: bool = False) -> None:
        self.name = name
        self.pic = I8259Pair()
        self.timer = I8254(
            clock,
            irq=lambda level: self.pic.set_line(TIMER_IRQ, level),
            refused=lambda text: recorder.emit(DeviceRefused, source=name, text=text),
        )
        # OUT is high from power-up on: a level the controllers start with, not an edge they see.
        self.pic.set_line(TIMER_IRQ, self.timer.counters[0].out)
        self.console = Uart16550(
            irq=lambda level: self.pic.set_line(CONSOLE_IRQ, level),
            transmitted=lambda byte: recorder.emit(ConsoleWrote, source=name, byte=byte),
        )
        self.system = SystemPort61(self.timer, clock)
        self.ports = PortBus()
        self.ports.map(MASTER_PORTS, self.pic)
        self.ports.map(SLAVE_PORTS, self.pic)
        self.ports.map(TIMER_PORTS, self.timer)
        self.ports.map(SYSTEM_PORT, self.system)
        self.ports.map(CONSOLE_PORTS, self.console)
        self.debug_exit: DebugExit | None = None
        self.power: AcpiPower | None = None
        if debug_ports:
            self.debug_exit, self.power = DebugExit(), AcpiPower()
            self.ports.map(DEBUG_CONSOLE_PORT, DebugConsole(self.console.show))
            self.ports.map(DEBUG_EXIT_PORTS, self.debug_exit)
            self.ports.map(POWER_PORTS, self.power)

    @property
    def ended(self) -> str:
        """How the guest ended its run through a port, in a few words; empty while it goes on."""
        if self.debug_exit is None or self.power is None:
            return ""
        return self.debug_exit.ended or self.power.ended

    @property
    def failed(self) -> bool:
        """Whether the guest said, in ending its run, that it had failed."""
        return self.debug_exit is not None and bool(self.debug_exit.code)

    def next_due(self) -> int | None:
        """Time, on the clock the board was given, at which a device changes an output by itself; None if never.

        Exact until a port of the board is accessed; `timer.due` is the same as an attribute, for run loops.
        """
        return self.timer.next_due()

    def next_interrupt(self) -> int | None:
        """Time at which a device raises its interrupt line by itself next; None if never. Exact as `next_due` is."""
        return self.timer.next_interrupt()

    def service(self) -> None:
        """Bring every device's outputs up to the board's time."""
        self.timer.service()

    def state(self) -> Iterator[tuple[str, Stateful]]:
        """Everything on the board that has state, with its name."""
        yield "pic.master", self.pic.master
        yield "pic.slave", self.pic.slave
        for index, counter in enumerate(self.timer.counters):
            yield f"timer.counter{index}", counter
        yield "timer", self.timer
        yield "console", self.console
        yield "system", self.system
        if self.debug_exit is not None and self.power is not None:
            yield "debug-exit", self.debug_exit
            yield "power", self.power

    def register(self, registry: Registry, prefix: str) -> None:
        """Enter the board's state in a world's registry, under `prefix.`."""
        for path, thing in self.state():
            registry.add(f"{prefix}.{path}", thing)


def devices_for(name: str, clock: Callable[[], int], recorder: Recorder, *, debug_ports: bool = False) -> Board:
    """Wire the devices of a PC: the one place that does, for the physical machine and for each VM's virtual board.

    Args:
        name: Whose board it is, as events and consoles call it.
        clock: The owner's time in 10 MHz cycles: host cycles, or a VM's guest time.
        recorder: The world's recorder.
        debug_ports: With the ports emulators have for test kernels: text at 0xE9, the end at 0xF4 and 0x604.
    """
    return Board(name, clock, recorder, debug_ports=debug_ports)


class Machine:
    """A physical PC: one CPU with its TLB, memory, and a board whose time is the host's cycles.

    Attributes:
        name: As events and consoles call it.
        memory: RAM; its contents are kept by checkpoints page by page, not by the registry.
        bus: The physical address space: RAM, and later devices in it.
        board: The devices and the I/O ports.
        clock: The world's.
        cpu: The processor, just reset: no guest is loaded.
    """

    def __init__(self, name: str, memory_bytes: int, recorder: Recorder, *, debug_ports: bool = False) -> None:
        """Wire a PC.

        Args:
            name: Its name; the CPU is called `NAME.cpu0`.
            memory_bytes: Size of RAM, a multiple of 4096.
            recorder: The world's recorder; its clock's cycles are the machine's time.
            debug_ports: See `devices_for`.
        """
        clock = recorder.clock
        self.name = name
        self.clock = clock
        self.memory = Memory(memory_bytes)
        self.bus = PhysicalBus(self.memory)
        self.board = devices_for(name, lambda: clock.cycles, recorder, debug_ports=debug_ports)
        self.cpu = Cpu(f"{name}.cpu0", self.bus, self.board.ports, recorder, Tlb())
        self.cpu.interrupts = self.board.pic
        self.cpu.tsc = lambda: clock.cycles
        # A repeated string instruction stops where a device is due, but never before its first iteration.
        self.cpu.budget = lambda: min(LONGEST_REPEAT, max(1, self.board.timer.due - clock.cycles))

    def burst(self, limit: int, barriers: frozenset[int]) -> int:
        """Execute instructions compiled, up to the next one before which a device or an interrupt may want something.

        Args:
            limit: Most instructions.
            barriers: Linear addresses of instructions that may only be come to, not executed, after the first.

        Returns:
            How many were completed, each in one cycle; the clock is not moved. 0 says that `Cpu.step` is next.
        """
        room = self.room()
        return 0 if room <= 0 else self.cpu.burst(min(limit, room), barriers)

    def room(self) -> int:
        """Cycles until a device is due; 0 or less if one is, if an interrupt would be accepted now, or all is over."""
        if (self.cpu.eflags & IF and self.board.pic.pending) or self.board.ended:
            return 0
        return self.board.timer.due - self.clock.cycles

    def register(self, registry: Registry) -> None:
        """Enter the state of CPU and board in a world's registry, under the machine's name."""
        self.cpu.register(registry, self.cpu.name)
        self.board.register(registry, self.name)
