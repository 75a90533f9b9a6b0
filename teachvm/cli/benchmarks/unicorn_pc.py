"""The same programs on Unicorn: natively, with a Python function called before each instruction, and step by step.

Unicorn does not deliver software interrupts, it asks. The answer here is the shortest possible: it goes on in the
handler, in the same ring, with the three words on the stack that IRET takes off; ours changes rings.
"""

from __future__ import annotations

import struct
from time import process_time
from typing import Any, Final

import unicorn
from unicorn import x86_const as x86

from teachvm.cli.benchmarks.programs import MEMORY_BYTES, ROOM, ROOM_BYTES, image, place
from teachvm.guest.loader import BOOT_INFO, BOOT_STACK, load

NATIVE, HOOKED, STEPPED = 3, 10, 1000
"""How many times as many instructions are timed natively as here, and how many times fewer in the other two ways."""
MIPS: Final = 1_000_000


class UnicornPc:
    """One program, run from its first instruction on a fresh Unicorn each time.

    Attributes:
        instructions: Executed since the last start, as far as they were counted.
    """

    def __init__(self, name: str, instructions: int) -> None:
        """Count how many instructions a round of the program has.

        Args:
            name: Of the program.
            instructions: How many are executed here; they are more or less on this side, as it is fast or slow.
        """
        self._wanted = instructions
        self._image = image(name)
        self._finish = place(self._image, "finish")
        self._handler = self._image.symbols.kernel.assembly.symbols.get("handler", self._finish)
        self.instructions = 0
        once, thrice = (self._hooked(rounds)[0] for rounds in (1, 3))
        self._round = (thrice - once) // 2
        self._before = once - self._round

    def native(self) -> float:
        """Million instructions a second by itself."""
        rounds = max(1, NATIVE * self._wanted // self._round)
        uc = self._fresh(rounds)
        begun = process_time()
        uc.emu_start(self._image.entry, self._finish)
        return (self._before + rounds * self._round) / (process_time() - begun) / MIPS

    def hooked(self) -> float:
        """Million instructions a second with a Python function that counts them."""
        count, seconds = self._hooked(max(1, self._wanted // HOOKED // self._round))
        return count / seconds / MIPS

    def stepped(self) -> float:
        """Million instructions a second, one at a time."""
        uc = self._fresh(self._wanted)
        eip = place(self._image, "main")
        uc.emu_start(self._image.entry, eip)
        steps = max(100, self._wanted // STEPPED)
        begun = process_time()
        for _ in range(steps):
            uc.emu_start(eip, 0xFFFF_FFFF, count=1)
            eip = uc.reg_read(x86.UC_X86_REG_EIP)
        return steps / (process_time() - begun) / MIPS

    def result(self, rounds: int) -> tuple[list[int], bytes]:
        """General registers and the program's data after so many rounds."""
        uc = self._fresh(rounds)
        uc.emu_start(self._image.entry, self._finish)
        return [uc.reg_read(register) for register in _GENERAL], bytes(uc.mem_read(ROOM, ROOM_BYTES))

    def _hooked(self, rounds: int) -> tuple[int, float]:
        uc = self._fresh(rounds)
        uc.hook_add(unicorn.UC_HOOK_CODE, self._count)
        self.instructions = 0
        begun = process_time()
        uc.emu_start(self._image.entry, self._finish)
        return self.instructions, process_time() - begun

    def _count(self, uc: Any, address: int, size: int, _: object) -> None:
        self.instructions += 1

    def _fresh(self, rounds: int) -> Any:
        uc: Any = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_32)
        uc.mem_map(0, MEMORY_BYTES)
        load(self._image, MEMORY_BYTES, uc.mem_write)
        uc.mem_write(place(self._image, "rounds"), struct.pack("<I", rounds))
        uc.reg_write(x86.UC_X86_REG_ESP, BOOT_STACK)
        uc.reg_write(x86.UC_X86_REG_EBX, BOOT_INFO)
        uc.hook_add(unicorn.UC_HOOK_INTR, self._interrupt)
        return uc

    def _interrupt(self, uc: Any, vector: int, _: object) -> None:
        eip, code, eflags, esp = map(uc.reg_read, _FRAME)
        uc.mem_write(esp - 12, struct.pack("<3I", eip, code, eflags))
        uc.reg_write(x86.UC_X86_REG_ESP, esp - 12)
        uc.reg_write(x86.UC_X86_REG_EIP, self._handler)


_FRAME: Final = (x86.UC_X86_REG_EIP, x86.UC_X86_REG_CS, x86.UC_X86_REG_EFLAGS, x86.UC_X86_REG_ESP)
_GENERAL: Final = (
    x86.UC_X86_REG_EAX, x86.UC_X86_REG_ECX, x86.UC_X86_REG_EDX, x86.UC_X86_REG_EBX,
    x86.UC_X86_REG_ESP, x86.UC_X86_REG_EBP, x86.UC_X86_REG_ESI, x86.UC_X86_REG_EDI,
)  # fmt: skip
