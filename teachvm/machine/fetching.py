"""Fetching: instructions of a page decoded once, and had at hand for as long as execution stays in it.

Source: Intel SDM Vol. 3A, §5.3 (limit checking of a fetch); Vol. 2A, §2.3.11 (instructions of at most 15 bytes).
"""

from __future__ import annotations

from typing import ClassVar, Final

from teachvm.isa.decode import MAX_LENGTH, Truncated
from teachvm.isa.descriptors import DB_BIT
from teachvm.isa.flags import RF, TF
from teachvm.isa.operands import CS
from teachvm.machine.debugging import Debugging
from teachvm.machine.exceptions import Fault, general_protection
from teachvm.machine.memory import PhysicalMemory
from teachvm.machine.mmu import Access
from teachvm.machine.operation import Operation, fetched
from teachvm.machine.registers import MASK32, Ports
from teachvm.machine.tlb import Tlb
from teachvm.trace.recorder import Recorder

ATTENTION: Final = TF | RF
"""EFLAGS bits for which an instruction is executed the careful way."""
_NO_OPS: Final[dict[int, Operation]] = {}


class Fetching(Debugging):
    """The fetch unit.

    Attributes:
        window: The decoded instructions of the page EIP was last in, by EIP - `window_origin`. Good while CS and CPL
            are as they were then; another object, once the page's translation is no longer resident.
        window_origin: As above.
    """

    DERIVED: ClassVar[tuple[str, ...]] = (*Debugging.DERIVED, "window", "window_origin", "_code", "_code_cpl")

    def __init__(
        self, name: str, memory: PhysicalMemory, ports: Ports, recorder: Recorder | None, tlb: Tlb | None
    ) -> None:
        super().__init__(name, memory, ports, recorder, tlb)
        self.window = _NO_OPS
        self.window_origin = 0
        self._code = self.segs[CS]
        self._code_cpl = 0

    def open_window(self) -> bool:
        """Have EIP's page in the window, if fetching there neither walks nor has anything to look at first."""
        code, eip, ram = self.segs[CS], self.eip, self._ram
        if self.eflags & ATTENTION or self.shadow or self.trap_pending or self.break_at or ram is None:
            return False
        linear = code.base + eip & MASK32
        frame, origin = self._reads[self.cpl].get(linear >> 12), eip - (linear & 0xFFF)
        if frame is None or code.limit < origin + 0xFFF:
            return False
        self.window, self.window_origin = ram.code_page(frame >> 12).ops[code.access & DB_BIT != 0], origin
        self._code, self._code_cpl = code, self.cpl
        return True

    def forget_window(self) -> None:
        """Look the current code page up again at the next fetch."""
        self.window = _NO_OPS

    def fetch(self, eip: int) -> Operation:
        """The instruction at CS:EIP, with the checks and the page walks of its fetch.

        Raises:
            Fault: #GP(0) outside the code segment or over 15 bytes, #UD, #PF.
        """
        code = self.segs[CS]
        room = code.limit - eip + 1
        if room <= 0:
            raise general_protection()
        linear = code.base + eip & MASK32
        phys = self.translate(linear, Access.FETCH, self.cpl == 3)
        bits = 32 if code.access & DB_BIT else 16
        ram = self._ram
        if ram is None or phys >= ram.size:
            return self._decode(linear, phys, room, bits)
        offset = phys & 0xFFF
        ops: dict[int, Operation] = ram.code_page(phys >> 12).ops[bits == 32]
        operation = ops.get(offset)
        if operation is None:
            operation = self._decode(linear, phys, room, bits)
            if offset + operation.length <= 0x1000:
                ops[offset] = operation
                ram.remember_code(phys, operation.length)
        elif operation.length > room:
            raise general_protection()
        if self.tlb is not None and not self.break_at and code.limit >= eip - offset + 0xFFF:
            self.window, self.window_origin = ops, eip - offset
            self._code, self._code_cpl = code, self.cpl
        return operation

    def _decode(self, linear: int, phys: int, room: int, bits: int) -> Operation:
        """Decode the bytes at a fetched address, reading on in the next page only if the instruction needs it.

        Args:
            linear: Where the instruction starts.
            phys: The same, translated.
            room: Bytes up to the segment limit.
            bits: 16 or 32, by CS.D.

        Raises:
            Fault: #UD, #GP(0), #PF for the second page.
        """
        wanted = min(MAX_LENGTH, room)
        here = min(wanted, 0x1000 - (phys & 0xFFF))
        code = self._code_bytes(phys, here)
        try:
            return fetched(code, bits, self.cr0)
        except Truncated:
            if here == wanted:
                raise general_protection() from None
        second = self.translate(linear + here & MASK32, Access.FETCH, self.cpl == 3)
        code += self._code_bytes(second, wanted - here)
        try:
            return fetched(code, bits, self.cr0)
        except Truncated:
            raise general_protection() from None

    def operation_at(self, phys: int, room: int) -> Operation | None:
        """The instruction that lies in RAM at a physical address, for compilers; None if it is none or longer.

        Args:
            phys: Where it starts.
            room: Bytes it may have.
        """
        try:
            return fetched(self._code_bytes(phys, min(room, MAX_LENGTH)), 32)
        except (Truncated, Fault):
            return None

    def _code_bytes(self, phys: int, count: int) -> bytes:
        ram = self._ram
        if ram is not None and phys < ram.size:
            return ram.read_bytes(phys, count)
        content = bytearray()
        while len(content) < count:
            size = 4 if count - len(content) >= 4 else 1
            content += self.memory.read(phys + len(content), size).to_bytes(size, "little")
        return bytes(content)
