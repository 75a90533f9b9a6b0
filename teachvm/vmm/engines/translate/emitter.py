"""Writes instructions of the cache one behind another, and notes of each what it stands for.

Every instruction that is not the guest's own goes through the assembler's encoder: the opcode rows choose the bytes.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, lru_cache
from typing import Final

from teachvm.isa.encode import Request, encode
from teachvm.isa.fit import Source
from teachvm.isa.operands import Imm, Rel
from teachvm.vmm.engines.translate.records import CacheInsn, Origin, Recover
from teachvm.vmm.region import CALLOUT_VECTOR

JUMP_BYTES: Final = 5
"""A jump to anywhere: what a continuation that can be chained has to have room for."""
BRANCH_BYTES: Final = 6
"""The same with a condition."""
_FILLER: Final = b"\xcc"


@lru_cache(maxsize=4096)
def assembled(mnemonic: str, operands: tuple[Source, ...], request: Request) -> bytes:
    """The rows' bytes for one instruction; the same ones are asked for again and again."""
    return encode(mnemonic, operands, request)


def near_jump(at: int, to: int, mnemonic: str = "JMP") -> bytes:
    """A direct jump, always in its long form, so that its target can be changed."""
    whole = _long_jump(mnemonic)
    return with_constant(whole, to - at - len(whole))


@cache
def _long_jump(mnemonic: str) -> bytes:
    return assembled(mnemonic, (Rel(0),), Request(reach="near", wide=True))


def with_constant(whole: bytes, value: int) -> bytes:
    """An instruction that ends in 32 bits, with others there: a template is asked for once, its constants vary."""
    return whole[:-4] + (value & 0xFFFF_FFFF).to_bytes(4, "little")


WIDE: Final = 0x1234_5678
"""Stands in a template for a constant that takes all 32 bits."""
PUSH: Final = assembled("PUSH", (Imm(WIDE, 32),), Request())


CALL_VMM: Final = assembled("INT", (Imm(CALLOUT_VECTOR, 8),), Request())
CONTINUATION: Final = CALL_VMM.ljust(JUMP_BYTES, _FILLER)
"""Calls the translator, and has room for the jump that will take its place."""


class Emitter:
    """A stretch of the cache as it is being written.

    Attributes:
        at: Address of the next instruction.
        code: What is written.
        guest: Index of the guest instruction that is being translated.
        origin: How what is written came about.
    """

    def __init__(self, at: int) -> None:
        self.at = at
        self.code: list[CacheInsn] = []
        self.guest = 0
        self.origin = Origin.COPIED

    def raw(self, content: bytes, recover: Recover, completes: int = 0, origin: Origin | None = None) -> CacheInsn:
        """Write bytes that are one instruction."""
        last = self.code[-1] if self.code else None
        if last is not None and not last.completes and (last.guest, last.recover.eip) == (self.guest, recover.eip):
            recover = replace(recover, begun=True)
        insn = CacheInsn(self.at, content, self.guest, origin or self.origin, completes, recover)
        self.code.append(insn)
        self.at = insn.end
        return insn

    def asm(
        self, mnemonic: str, *operands: Source, recover: Recover, completes: int = 0, origin: Origin | None = None
    ) -> CacheInsn:
        """Write an instruction given by name."""
        return self.raw(assembled(mnemonic, operands, Request()), recover, completes, origin)

    def skip(self, mnemonic: str, over: tuple[bytes, ...], *, recover: Recover, completes: int = 0) -> CacheInsn:
        """Write a short branch over what will be written next."""
        return self.asm(mnemonic, Rel(sum(map(len, over))), recover=recover, completes=completes)
