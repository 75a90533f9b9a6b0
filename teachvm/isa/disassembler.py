"""Instruction text from bytes: capstone's words in NASM's spelling, corrected where capstone misleads.

The only module that imports capstone, of RISC-V too. The rows decide what an instruction is and how long; capstone, an
independent reader of the same bytes, supplies the words and those of instructions the processor does not have.
Where its text is known to mislead, or it refuses what the rows accept, the text comes from the rows:

    string instructions, XLATB     writes out operands that are fixed, hides an override
    far transfers                  says `ljmp 8:x` and `lcall 8, x`
    PUSHAD, POPAD, SHL by /6       says pushal, popal, sal
    RCL, RCR by one                drops the 1
    MOV and POP of DS ...          says `mov ds, eax` where 16 bits are read; LAR, LSL alike
    66 and 67                      often the same text as without; so all of 16-bit code
    ENTER, PUSH                    signed constants
    LEA, BOUND, LES and their like sizes of memory that is not read, or none
    AAM, AAD by ten                prints the ten
    [eax*1+8]                      says `[eax + 8]`, which with EBP is another segment
    needless prefixes              prints some, and `bnd`, `repz` where they mean nothing
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import capstone

from teachvm.isa.addressing import default_segment
from teachvm.isa.decode import DecodeError, Insn, decode
from teachvm.isa.operands import Imm, Mem
from teachvm.isa.pattern import Kind
from teachvm.isa.text import SymbolAt, Text, absolute, codes, row_text, size_keyword, target, tokenise

# Rows whose text capstone gives wrongly or differently each time.
_ROW_MNEMONICS: Final = frozenset(
    (
        *("JMPF", "CALLF", "PUSHAD", "POPAD", "RCL", "RCR", "ENTER", "LEA", "BOUND", "LES", "LDS", "LSS", "LFS", "LGS"),
        *("AAM", "AAD", "XLATB", "LAR", "LSL", "PUSH", "NOP"),
    )
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a disassembly: where, which bytes, in words, and decoded unless the processor raises #UD."""

    address: int
    code: bytes
    text: Text
    insn: Insn | None


@cache
def _capstone(bits: int) -> Any:
    return capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_32 if bits == 32 else capstone.CS_MODE_16)


def _read(code: bytes, address: int, bits: int) -> tuple[int, str, str] | None:
    """Length, mnemonic and operands as capstone gives them, or None where it refuses."""
    for _, length, mnemonic, operands in _capstone(bits).disasm_lite(code, address, 1):
        return int(length), str(mnemonic), str(operands)
    return None


def _is_misleading(insn: Insn, bits: int) -> bool:
    if bits == 16 or insn.opsize != bits or insn.adsize != bits or insn.rep or insn.row.alias:
        return True
    if insn.row.mnemonic in _ROW_MNEMONICS:
        return True
    prefixes = sum(field.name == "prefix" for field in insn.fields)
    if prefixes > insn.lock + _overridden(insn):
        return True
    fixed = (Kind.X, Kind.Y, Kind.SEGMENT)
    return any(code.kind in fixed for code in codes(insn)) or _scales_alone(insn)


def _overridden(insn: Insn) -> bool:
    return any(isinstance(one, Mem) and one.segment != default_segment(one.base) for one in insn.operands)


def _scales_alone(insn: Insn) -> bool:
    """`[eax*1+8]`, which capstone prints as `[eax + 8]` though EBP would change the segment."""
    return any(isinstance(one, Mem) and one.base is None and one.index is not None for one in insn.operands)


def _respell(operands: str, insn: Insn | None) -> str:
    """Bring capstone's operands into NASM's spelling."""
    size = r"\1 "
    if insn is not None:
        for code, operand in zip(codes(insn), insn.operands, strict=True):
            if isinstance(operand, Mem):
                size = size_keyword(insn, code, operand)
    text = re.sub(r"(\w+) ptr ", size, operands)
    text = re.sub(r"\b([c-g]s|ss):\[", r"[\1:", text)
    text = text.replace(" + ", "+").replace(" - ", "-")
    if insn is None:
        return text
    parts = text.split(", ")
    for position, operand in enumerate(insn.operands):
        if isinstance(operand, Imm) and position < len(parts) and parts[position].startswith("-"):
            parts[position] = f"{operand.value:#x}"
    return ", ".join(parts)


def _has_name(insn: Insn, address: int, symbols: SymbolAt | None) -> bool:
    places = (target(insn, address), absolute(insn))
    return symbols is not None and any(place is not None and symbols(place) for place in places)


def text(code: bytes, address: int = 0, symbols: SymbolAt | None = None, bits: int = 32) -> Text:
    """Write the instruction at the start of `code` in words.

    Args:
        code: The instruction's bytes, or more.
        address: Linear or logical address of the first byte, for branch targets.
        symbols: Names branch targets and absolute memory addresses where it knows one.
        bits: Default operand and address size, 16 or 32.
    """
    return line(code, address, symbols, bits).text


def line(code: bytes, address: int = 0, symbols: SymbolAt | None = None, bits: int = 32) -> Line:
    """Disassemble one instruction; bytes that are none become `db` with the first of them."""
    try:
        insn = decode(code, bits)
    except DecodeError:
        insn = None
    read = _read(code, address, bits)
    if insn is not None:
        shown = code[: insn.length]
        if read is None or read[0] != insn.length or _is_misleading(insn, bits) or _has_name(insn, address, symbols):
            return Line(address, shown, row_text(insn, address, symbols, bits), insn)
        return Line(address, shown, tokenise(read[1], _respell(read[2], insn)), insn)
    if read is not None:
        return Line(address, code[: read[0]], tokenise(read[1], _respell(read[2], None)), None)
    return Line(address, code[:1], tokenise("db", f"{code[0]:#04x}" if code else ""), None)


def lines(code: bytes, address: int = 0, symbols: SymbolAt | None = None, bits: int = 32) -> Iterator[Line]:
    """Disassemble `code` from its start to its end, one instruction after another."""
    position = 0
    while position < len(code):
        one = line(code[position : position + 15], address + position, symbols, bits)
        yield one
        position += len(one.code)


@cache
def _riscv() -> Any:
    return capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32)


def riscv_text(code: bytes, address: int = 0) -> Text:
    """Write the RISC-V instruction at the start of `code` in capstone's words; bytes that are none become `dd`."""
    for _, _, mnemonic, operands in _riscv().disasm_lite(code[:4], address, 1):
        return tokenise(str(mnemonic), str(operands))
    return tokenise("dd", f"{int.from_bytes(code[:4], 'little'):#010x}")
