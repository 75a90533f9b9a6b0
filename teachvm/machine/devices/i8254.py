"""The 8254 programmable interval timer.

Source: Intel 8254 data sheet (order number 231164), sections "Programming the 8254", "Read Operations", "Mode
Definitions" and "Operation Common to All Modes". The PC drives its clock inputs with 1.193182 MHz.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

TICKS_PER = 596_591
CYCLES_PER = 5_000_000
"""1.193182 MHz over 10 MHz, exactly: 596 591 input ticks last 5 000 000 cycles."""

NEVER = 1 << 62
"""A time that does not come."""

ACCESS_LATCH = 0
ACCESS_LOW = 1
ACCESS_HIGH = 2
READ_BACK = 3
STATUS_OUT = 0x80
STATUS_NULL_COUNT = 0x40
INTERRUPT_ON_TERMINAL_COUNT = 0
RATE_GENERATOR = 2
SQUARE_WAVE = 3


def ticks_at(cycles: int) -> int:
    """Input clock pulses that have happened by a time in cycles."""
    return cycles * TICKS_PER // CYCLES_PER


def cycles_at(tick: int) -> int:
    """First time in cycles by which an input clock pulse has happened."""
    return -(-tick * CYCLES_PER // TICKS_PER)


class Counter:
    """One of the three counters, a function of the number of input clock pulses so far.

    Instead of counting down, it remembers at which tick its count was loaded; `advance` moves that forward over whole
    periods. Deviation: modes 1, 4 and 5 do not count; a count of 1, illegal in modes 2 and 3, acts as 2.
    """

    STATE: ClassVar[tuple[str, ...]] = (
        "mode",
        "bcd",
        "access",
        "register",
        "count",
        "load_at",
        "start",
        "half",
        "out",
        "gate",
        "paused",
        "null_count",
        "write_low",
        "read_high",
        "latched_count",
        "latched_status",
    )
    DERIVED: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *, gate: bool = True) -> None:
        """Power up with no mode set, not counting and OUT high (the data sheet leaves all of it undefined)."""
        self.mode: int | None = None
        self.bcd = False
        self.access = ACCESS_LOW | ACCESS_HIGH
        self.register = 0
        """Count register as written, 0 meaning the largest count."""
        self.count = 0
        """Count of the period that runs."""
        self.load_at: int | None = None
        """Tick at which the count register will be loaded and a period begins."""
        self.start: int | None = None
        """Tick at which the period (mode 3: half period) that runs began."""
        self.half = 0
        """Mode 3: 0 while OUT is high, 1 while it is low."""
        self.out = True
        self.gate = gate
        self.paused: int | None = None
        """Mode 0: ticks counted when the gate closed."""
        self.null_count = True
        self.write_low: int | None = None
        """Low byte of a two-byte count whose high byte is still to come."""
        self.read_high = False
        self.latched_count: int | None = None
        self.latched_status: int | None = None

    @property
    def _modulus(self) -> int:
        return 10_000 if self.bcd else 0x1_0000

    def _register_count(self) -> int:
        """The count the register stands for, in ticks."""
        value = self.register
        if self.bcd:
            value = sum((value >> 4 * digit & 0xF) * 10**digit for digit in range(4))
        if self.mode == INTERRUPT_ON_TERMINAL_COUNT:
            return value or self._modulus
        return max(value, 2) if value else self._modulus

    def _half_ticks(self, half: int) -> int:
        """Length of a half of the square wave: an odd count keeps OUT high one tick longer."""
        return (self.count + 1 - half) // 2

    def set_mode(self, control: int) -> None:
        """Take a control word that is neither a latch nor a read-back command."""
        self.access = control >> 4 & 3
        mode = control >> 1 & 7
        # In the mode field the top bit is a don't care for modes 2 and 3.
        self.mode = mode & 3 if mode & 2 else mode
        self.bcd = bool(control & 1)
        self.load_at = self.start = self.paused = None
        self.half = 0
        self.write_low = self.latched_count = self.latched_status = None
        self.read_high = False
        self.null_count = True
        self.out = self.mode != INTERRUPT_ON_TERMINAL_COUNT

    def write(self, value: int, tick: int) -> None:
        """Take one byte of a count, in the order the control word chose."""
        if self.access == ACCESS_LOW:
            self._load(value, tick)
        elif self.access == ACCESS_HIGH:
            self._load(value << 8, tick)
        elif self.write_low is None:
            self.write_low = value
            if self.mode == INTERRUPT_ON_TERMINAL_COUNT:
                # The first of two bytes stops the counting at once.
                self.load_at = self.start = self.paused = None
                self.out = False
        else:
            low, self.write_low = self.write_low, None
            self._load(value << 8 | low, tick)

    def _load(self, value: int, tick: int) -> None:
        self.register = value
        self.null_count = True
        if self.mode == INTERRUPT_ON_TERMINAL_COUNT:
            self.start = self.paused = None
            self.out = False
            self.load_at = tick + 1
        elif self.mode in (RATE_GENERATOR, SQUARE_WAVE) and self.start is None and self.load_at is None and self.gate:
            # A running counter takes the new count only when the present (half) period ends.
            self.load_at = tick + 1

    def set_gate(self, gate: bool, tick: int) -> None:
        """Drive the GATE input: low stops the counting, in modes 2 and 3 a rising edge starts a new period."""
        if gate == self.gate:
            return
        self.gate = gate
        if self.mode == INTERRUPT_ON_TERMINAL_COUNT:
            if gate and self.paused is not None:
                self.start, self.paused = tick - self.paused, None
            elif not gate and self.start is not None:
                self.paused = tick - self.start
                self.start = None
        elif gate and self.mode is not None:
            self.load_at = tick + 1
        else:
            self.load_at = self.start = None
            self.out = True

    def advance(self, tick: int) -> bool:
        """Bring the counter up to a tick.

        Returns:
            Whether OUT rose at least once on the way; `out` is its level now.
        """
        if self.load_at is not None and tick >= self.load_at:
            self._begin(self.load_at)
            self.load_at = None
        if self.start is None:
            return False
        if self.mode == INTERRUPT_ON_TERMINAL_COUNT:
            if not self.gate:
                self.start, self.paused = None, 0
            elif not self.out and tick - self.start >= self.count:
                self.out = True
                return True
            return False
        return self._advance_rate(tick) if self.mode == RATE_GENERATOR else self._advance_square(tick)

    def _begin(self, tick: int) -> None:
        self.start = tick
        self.count = self._register_count()
        self.half = 0
        self.null_count = False

    def _advance_rate(self, tick: int) -> bool:
        assert self.start is not None
        rose = False
        while tick - self.start >= self.count:
            periods = 1 if self.null_count else (tick - self.start) // self.count
            self._begin(self.start + periods * self.count)
            rose = True
        self.out = tick - self.start < self.count - 1
        return rose

    def _advance_square(self, tick: int) -> bool:
        assert self.start is not None
        rose = False
        while tick - self.start >= self._half_ticks(self.half):
            half = self.half ^ 1
            self._begin(self.start + self._half_ticks(self.half))
            self.half = half
            rose = rose or not half
            periods = (tick - self.start) // self.count
            if periods:
                self.start += periods * self.count
                rose = True
        self.out = not self.half
        return rose

    def next_change(self) -> int | None:
        """Tick at which OUT changes next if nobody touches the counter, or None; `advance` must have been called."""
        if self.load_at is not None:
            begin, count, half = self.load_at, self._register_count(), 0
        elif self.start is not None:
            begin, count, half = self.start, self.count, self.half
        else:
            return None
        if self.mode == INTERRUPT_ON_TERMINAL_COUNT:
            return None if self.out or not self.gate else begin + count
        if self.mode == RATE_GENERATOR:
            return begin + count - 1 if self.out else begin + count
        return begin + (count + 1 - half) // 2

    def next_rise(self) -> int | None:
        """Tick at which OUT goes from low to high next if nobody touches the counter, or None; see `next_change`."""
        change = self.next_change()
        if change is None or self.mode == INTERRUPT_ON_TERMINAL_COUNT or (not self.out and self.load_at is None):
            return change
        if self.mode == RATE_GENERATOR:
            return change + 1
        following = self._register_count() if self.null_count else self.count
        return change + following // 2

    def _current(self, tick: int) -> int:
        """The counting element as it reads at a tick, in the register's own notation."""
        if self.start is None:
            value = self.count - (self.paused or 0)
        elif self.mode == SQUARE_WAVE:
            # Counts down by two, from the even number not above the count.
            value = (self.count & ~1) - 2 * (tick - self.start)
        else:
            value = self.count - (tick - self.start)
        value %= self._modulus
        if self.bcd:
            value = sum(value // 10**digit % 10 << 4 * digit for digit in range(4))
        return value

    def latch_count(self, tick: int) -> None:
        """Freeze the count for reading; a second latch before the first was read is ignored."""
        if self.latched_count is None:
            self.latched_count = self._current(tick)

    def latch_status(self) -> None:
        """Freeze the status byte for reading, ahead of any latched count."""
        if self.latched_status is None:
            self.latched_status = (
                (STATUS_OUT if self.out else 0)
                | (STATUS_NULL_COUNT if self.null_count else 0)
                | self.access << 4
                | (self.mode or 0) << 1
                | int(self.bcd)
            )

    def read(self, tick: int) -> int:
        """Read the latched status, else one byte of the latched or running count."""
        if self.latched_status is not None:
            status, self.latched_status = self.latched_status, None
            return status
        value = self._current(tick) if self.latched_count is None else self.latched_count
        if self.access == ACCESS_LOW:
            byte, last = value & 0xFF, True
        elif self.access == ACCESS_HIGH:
            byte, last = value >> 8, True
        else:
            byte, last = (value >> 8 if self.read_high else value & 0xFF), self.read_high
            self.read_high = not self.read_high
        if last:
            self.latched_count = None
        return byte


class I8254:
    """The three counters of a PC: 0 on IRQ 0, 1 (memory refresh, unused), 2 behind system port 0x61."""

    STATE: ClassVar[tuple[str, ...]] = ()
    DERIVED: ClassVar[tuple[str, ...]] = ("clock", "irq", "refused", "counters", "due")

    def __init__(self, clock: Callable[[], int], irq: Callable[[bool], None], refused: Callable[[str], None]) -> None:
        """Wire the timer.

        Args:
            clock: The owner's time in 10 MHz cycles.
            irq: Told the level of counter 0's OUT whenever it may have changed.
            refused: Told when software asks for a mode that is not modelled.
        """
        self.clock = clock
        self.irq = irq
        self.refused = refused
        self.counters = (Counter(), Counter(), Counter(gate=False))
        self.due = NEVER
        """Time in cycles at which counter 0's OUT changes next, or NEVER; exact until a port is written."""

    def restored(self) -> None:
        """Compute what derives from the counters again."""
        self._schedule()

    def _schedule(self) -> None:
        tick = self.counters[0].next_change()
        self.due = NEVER if tick is None else cycles_at(tick)

    def next_due(self) -> int | None:
        """Time in cycles at which counter 0's OUT changes next, or None."""
        return None if self.due == NEVER else self.due

    def next_interrupt(self) -> int | None:
        """Time in cycles at which counter 0's OUT rises next, or None."""
        tick = self.counters[0].next_rise()
        return None if tick is None else cycles_at(tick)

    def service(self) -> None:
        """Bring every output up to the owner's time."""
        tick = ticks_at(self.clock())
        first, *others = self.counters
        was = first.out
        if first.advance(tick) and was:
            # OUT fell and rose (perhaps several times) since it was last looked at.
            self.irq(False)
            self.irq(True)
        self.irq(first.out)
        for counter in others:
            counter.advance(tick)
        self._schedule()

    def read_port(self, port: int) -> int:
        """Read 0x40-0x42; the control word register at 0x43 cannot be read."""
        self.service()
        if port & 3 == READ_BACK:
            return 0xFF
        return self.counters[port & 3].read(ticks_at(self.clock()))

    def write_port(self, port: int, value: int) -> None:
        """Write a count byte (0x40-0x42) or a control word (0x43)."""
        self.service()
        tick = ticks_at(self.clock())
        if port & 3 != READ_BACK:
            self.counters[port & 3].write(value, tick)
        elif value >> 6 == READ_BACK:
            self._read_back(value, tick)
        elif value >> 4 & 3 == ACCESS_LATCH:
            self.counters[value >> 6].latch_count(tick)
        else:
            counter = self.counters[value >> 6]
            counter.set_mode(value)
            if counter.mode not in (INTERRUPT_ON_TERMINAL_COUNT, RATE_GENERATOR, SQUARE_WAVE):
                self.refused(f"8254 counter {value >> 6}: mode {counter.mode} does not count here")
        self.irq(self.counters[0].out)
        self._schedule()

    def program(self, number: int, control: int, *count: int) -> None:
        """Write a control word that sets a counter's mode, and bytes of its count, all in the same cycle.

        The same as `write_port` for one after another, whose looks at the time in between would find nothing new.
        """
        self.service()
        tick, counter = ticks_at(self.clock()), self.counters[number]
        counter.set_mode(control)
        self.irq(self.counters[0].out)
        for byte in count:
            counter.write(byte, tick)
        self.irq(self.counters[0].out)
        self._schedule()

    def _read_back(self, command: int, tick: int) -> None:
        for index, counter in enumerate(self.counters):
            if command >> index + 1 & 1:
                if not command & 0x20:
                    counter.latch_count(tick)
                if not command & 0x10:
                    counter.latch_status()

    def set_gate_2(self, gate: bool) -> None:
        """Drive the only gate of a PC that software controls."""
        self.service()
        self.counters[2].set_gate(gate, ticks_at(self.clock()))

    @property
    def out_2(self) -> bool:
        """Counter 2's output, which software can read at port 0x61."""
        self.service()
        return self.counters[2].out
