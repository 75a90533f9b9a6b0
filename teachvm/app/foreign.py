"""One moment with a guest for another processor in the middle: registers that are variables, memory without tables."""

from __future__ import annotations

from typing import Any, Final

from teachvm.app.snapshot import Snapshot
from teachvm.guest.symbols import Space, Symbols
from teachvm.isa.rv32.codec import LENGTH
from teachvm.isa.rv32.rows import REGISTER_NAMES
from teachvm.machine.rv32.board import RAM_BASE
from teachvm.world.world import Guest

_FRAME: Final = 12
_NUMBERS: Final = {name: index for index, abi in enumerate(REGISTER_NAMES) for name in (abi, f"x{index}")}


class Foreign:
    """One moment with a guest of another processor in the middle.

    Attributes:
        snapshot: The moment.
        guest: The guest.
        cpu: Its registers, as captured.
    """

    def __init__(self, snapshot: Snapshot, guest: Guest) -> None:
        self.snapshot = snapshot
        self.guest = guest
        self.cpu: Any = snapshot.state(f"{guest.name}.cpu")

    @property
    def symbols(self) -> Symbols:
        """Names of the guest's places."""
        return self.guest.symbols

    @property
    def centre(self) -> int:
        """The instruction its code is shown around: the place in focus, else the next one."""
        asked = self.snapshot.focus.code
        return int(asked, 16) & -LENGTH if asked.startswith("0x") else int(self.cpu.pc)

    def register(self, name: str) -> int | None:
        """A register by one of its two names; None if there is none of that name."""
        if name.lower() == "pc":
            return int(self.cpu.pc)
        index = _NUMBERS.get(name.lower())
        return None if index is None else int(self.cpu.regs[index])

    def space_at(self, address: int) -> Space | None:
        """The names that hold for an address; None outside the image."""
        return self.symbols.kernel if address in self.symbols.kernel else None

    def name_at(self, address: int) -> str | None:
        """`label+offset` for an address of its code or data."""
        space = self.space_at(address)
        return None if space is None else space.name_at(address)

    def read(self, address: int, size: int) -> bytes:
        """Bytes of its RAM, as far as there are any."""
        content = b""
        while len(content) < size:
            offset = address + len(content) - RAM_BASE
            room = min(size - len(content), (1 << _FRAME) - (offset & 0xFFF))
            hfn = self._frame(offset >> _FRAME)
            part = None if hfn is None else self.snapshot.read((hfn << _FRAME) + (offset & 0xFFF), room)
            if part is None:
                break
            content += part
        return content

    def _frame(self, number: int) -> int | None:
        memory = self.snapshot.world.host.tenants[self.guest.name].memory  # type: ignore[attr-defined]
        frames = memory.pmap
        return frames[number] if 0 <= number < len(frames) else None
