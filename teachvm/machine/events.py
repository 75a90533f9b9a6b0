"""Facts the machine records: past tense, stamped by the recorder."""

from __future__ import annotations

from dataclasses import dataclass

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
