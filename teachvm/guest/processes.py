"""What a guest kernel's own memory says about its processes, read from outside without asking it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from teachvm.guest.image import NAME_BYTES
from teachvm.guest.symbols import Symbols


class ProcessState(Enum):
    """What a process does, as tinyos keeps it."""

    FREE = 0
    RUNNABLE = 1
    READING = 2
    ZOMBIE = 3
    WAITING = 4


@dataclass(frozen=True, slots=True)
class Process:
    """One entry of the guest's process table.

    Attributes:
        pid: Process number, from 1.
        name: The program's name.
        state: What it does; FREE once it has ended, after being a ZOMBIE while its parent has not asked how.
        directory: Guest-physical address of its page directory.
        current: The kernel runs it, or ran it last.
    """

    pid: int
    name: str
    state: ProcessState
    directory: int
    current: bool


_NAMES = (
    "process_table", "current", "MAX_PROCESSES", "PROC_SIZE", "PROC_STATE", "PROC_PID", "PROC_DIRECTORY", "PROC_NAME",
)  # fmt: skip


def processes(symbols: Symbols, read: Callable[[int, int], bytes]) -> tuple[Process, ...]:
    """Every process the guest ever made, in the order of its table; none if the kernel keeps no such table.

    Where things lie is taken from the kernel's own names, so this cannot disagree with its source.

    Args:
        symbols: The guest's names.
        read: Bytes at a guest-physical address: (address, count). The kernel's data is mapped at its own address.
    """
    known = symbols.kernel.assembly.symbols
    if any(name not in known for name in _NAMES):
        return ()
    table, current = known["process_table"], _u32(read(known["current"], 4))
    found = []
    for index in range(known["MAX_PROCESSES"]):
        address = table + index * known["PROC_SIZE"]
        entry = read(address, known["PROC_SIZE"])
        pid = _u32(entry, known["PROC_PID"])
        state = _u32(entry, known["PROC_STATE"])
        # A kernel that has gone astray may have written anything here.
        if not pid or state not in _STATES:
            continue
        name = entry[known["PROC_NAME"] :][:NAME_BYTES].rstrip(b"\0").decode("ascii", errors="replace")
        directory = _u32(entry, known["PROC_DIRECTORY"])
        found.append(Process(pid, name, ProcessState(state), directory, address == current))
    return tuple(found)


_STATES = frozenset(state.value for state in ProcessState)


def _u32(raw: bytes, offset: int = 0) -> int:
    return int.from_bytes(raw[offset : offset + 4], "little")
