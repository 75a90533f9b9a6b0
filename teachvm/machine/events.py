"""Facts the machine records: past tense, stamped by the recorder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from teachvm.trace.events import Event


@dataclass(frozen=True, slots=True)
class ConsoleWrote(Event):
    """A serial port transmitted a byte.

    Attributes:
        source: Name of the machine or VM whose console it is.
        byte: The byte, 0-255.
    """

    source: str
    byte: int


@dataclass(frozen=True, slots=True)
class DeviceRefused(Event):
    """Software asked a device for something its model does not do.

    Attributes:
        source: Name of the machine or VM the device belongs to.
        text: What was asked for, in the words of the data sheet.
    """

    source: str
    text: str


@dataclass(frozen=True, slots=True)
class ExceptionRaised(Event):
    """The processor met an exception; its delivery follows. A phase.

    Attributes:
        cpu: Name of the CPU.
        vector: Exception vector, 0..31.
        error: Error code, or None.
        eip: Address of the instruction, before it.
        cpl: Privilege level it was raised at.
        cr2: The linear address a page fault reports, or None.
    """

    PHASE: ClassVar[bool] = True
    cpu: str
    vector: int
    error: int | None
    eip: int
    cpl: int
    cr2: int | None


@dataclass(frozen=True, slots=True)
class InterruptAccepted(Event):
    """The processor took an external interrupt at an instruction boundary. A phase.

    Attributes:
        cpu: Name of the CPU.
        vector: What the interrupt controller answered.
        eip: Address of the instruction that would have been next.
        cpl: Privilege level that was interrupted.
    """

    PHASE: ClassVar[bool] = True
    cpu: str
    vector: int
    eip: int
    cpl: int


@dataclass(frozen=True, slots=True)
class HandlerEntered(Event):
    """Delivery through the IDT is complete: the frame is pushed, CS:EIP point at the handler. A phase.

    Attributes:
        cpu: Name of the CPU.
        vector: The vector delivered.
        from_cpl: Privilege level before.
        to_cpl: Privilege level of the handler.
        eip: First instruction of the handler.
    """

    PHASE: ClassVar[bool] = True
    cpu: str
    vector: int
    from_cpl: int
    to_cpl: int
    eip: int


@dataclass(frozen=True, slots=True)
class InterruptReturned(Event):
    """IRET went back to the interrupted program.

    Attributes:
        cpu: Name of the CPU.
        from_cpl: Privilege level of the handler.
        to_cpl: Privilege level returned to.
        eip: Where the program goes on.
    """

    cpu: str
    from_cpl: int
    to_cpl: int
    eip: int


@dataclass(frozen=True, slots=True)
class WalkReferenced(Event):
    """The page walker read one entry from memory. A phase; A and D are set after it.

    Attributes:
        cpu: Name of the CPU.
        linear: The address being translated.
        level: `pde` or `pte`.
        entry_address: Physical address of the entry.
        entry: Its value when read.
        index: Which reference of this walk it is, from 0.
    """

    PHASE: ClassVar[bool] = True
    cpu: str
    linear: int
    level: str
    entry_address: int
    entry: int
    index: int


@dataclass(frozen=True, slots=True)
class PageWalked(Event):
    """A page walk ended: with a translation, or with a page fault.

    Attributes:
        cpu: Name of the CPU.
        linear: The address translated.
        access: `read`, `write` or `fetch`.
        user: Made at CPL 3.
        steps: (level, physical address of the entry, its value when read) of each reference.
        frame: Physical address of the 4 KiB frame, or None after a fault.
        error: The page-fault error code, or None.
    """

    cpu: str
    linear: int
    access: str
    user: bool
    steps: tuple[tuple[str, int, int], ...]
    frame: int | None
    error: int | None


@dataclass(frozen=True, slots=True)
class TlbFlushed(Event):
    """Translations were dropped on demand.

    Attributes:
        cpu: Name of the CPU.
        cause: `cr3`, `cr0`, `cr4` or `invlpg`.
        linear: The address INVLPG named; None when everything went.
        entries: How many entries were resident and are gone.
    """

    cpu: str
    cause: str
    linear: int | None
    entries: int


@dataclass(frozen=True, slots=True)
class PortAccessed(Event):
    """An instruction read or wrote an I/O port.

    Attributes:
        cpu: Name of the CPU.
        port: 0..0xFFFF.
        size: 1, 2 or 4 bytes.
        value: What was read or written.
        direction: `in` or `out`.
    """

    cpu: str
    port: int
    size: int
    value: int
    direction: str


@dataclass(frozen=True, slots=True)
class SoftwareInterrupted(Event):
    """The program executed INT n, INT3 or INTO; the gate is not checked yet.

    Attributes:
        cpu: Name of the CPU.
        vector: The vector asked for.
        eip: Address of the instruction.
        cpl: Privilege level of the program.
    """

    cpu: str
    vector: int
    eip: int
    cpl: int


@dataclass(frozen=True, slots=True)
class CpuHalted(Event):
    """HLT: the CPU waits for an interrupt.

    Attributes:
        cpu: Name of the CPU.
        eip: Address of the next instruction.
        interrupts_enabled: IF; when clear, nothing maskable can wake it.
    """

    cpu: str
    eip: int
    interrupts_enabled: bool
