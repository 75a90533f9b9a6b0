"""Random bytes, read by our rows and by capstone: same lengths, same names, or a listed reason."""

import random
import re
from collections import Counter
from typing import Any

import capstone
import pytest

from teachvm.isa.decode import PREFIXES, DecodeError, Insn, UndefinedOpcode, decode
from teachvm.isa.names import written
from teachvm.isa.rows.absent import ABSENT

# Names capstone uses for the same instruction.
SAME_NAME = {
    "popal": "popad",
    "pushal": "pushad",
    "pushf": "pushfw",
    "popf": "popfw",
    "iret": "iretw",
    "sal": "shl",
    "ljmp": "jmp far",
    "lcall": "call far",
    "pause": "nop",  # F3 90 is NOP to a Pentium
}
PREFIX_WORDS = re.compile(r"^(?:(?:lock|rep|repe|repz|repne|bnd|notrack|xacquire|xrelease|data16|addr32)\s+)+")

# Every way the two may differ. Anything else fails the test.
REASONS = {
    "absent": "capstone knows an instruction of isa/rows/absent.py, which the processor does not have",
    "lock and repeat": "F2 or F3 beside F0 is transactional memory to capstone; a Pentium only sees the bad LOCK",
    "lock of a source": "capstone accepts LOCK where memory is only read (ADD Gv,Ev; NOP Ev); the manual says #UD",
    "alias": "capstone refuses an undocumented twin, or a register form of NOP Ev, that processors execute",
    "mandatory prefix": "66, F2 or F3 before 0F selects an instruction of an extension, or nothing, in capstone",
    "far jump by memory": "capstone says jmp for some FF /5, and call for FF /3",
    "sign extension": "capstone calls opcodes 98 and 99 cwde and cdq behind prefixes in 16-bit code too",
    "pause": "capstone refuses F3 90 with 66 or 67, and says pause without",
}


def opcode_of(code: bytes) -> tuple[frozenset[int], int, int]:
    """Prefix bytes, opcode numbered as in the rows, and the ModRM slot the byte after it would name."""
    start = next(position for position, byte in enumerate(code) if byte not in PREFIXES)
    prefixes, rest = frozenset(code[:start]), code[start:]
    if rest[0] == 0x0F:
        return prefixes, 0x0F00 | rest[1], slot(rest[2])
    return prefixes, rest[0], slot(rest[1])


def slot(modrm: int) -> int:
    return modrm >> 3 & 7 | (8 if modrm >> 6 == 3 else 0)


def is_absent(opcode: int, slot: int) -> bool:
    return any(opcode in group.opcodes and slot in group.slots for group in ABSENT)


def disagreement(code: bytes, ours: Insn | DecodeError, theirs: tuple[int, str, str] | None) -> str | None:
    """None when both readers agree, else a key of REASONS, else a description that no reason covers."""
    if isinstance(ours, DecodeError):
        return None if theirs is None else refusal(code, ours, theirs)
    prefixes, opcode, _ = opcode_of(code)
    mandatory = opcode > 0xFF and bool(prefixes & {0x66, 0xF2, 0xF3})
    if theirs is None:
        if mandatory:
            return "mandatory prefix"
        if ours.row.syntax == "NOP" and 0xF3 in prefixes:
            return "pause"
        return "alias" if ours.row.alias or ours.row.syntax == "NOP Ev" else f"capstone refuses {ours.row.syntax}"
    name = PREFIX_WORDS.sub("", theirs[1])
    name = SAME_NAME.get(name, name)
    if name != written(ours.mnemonic):
        return misnamed(ours, name, mandatory)
    if ours.length != theirs[0]:
        return f"length of {ours.row.syntax}: {ours.length}, capstone {theirs[0]}"
    return None


def misnamed(ours: Insn, name: str, mandatory: bool) -> str:
    if mandatory:
        return "mandatory prefix"
    if (ours.row.syntax, name) in (("JMPF Mp", "jmp"), ("CALLF Mp", "call")):
        return "far jump by memory"
    if (ours.mnemonic, name) in (("CBW", "cwde"), ("CWD", "cdq")):
        return "sign extension"
    return f"name of {ours.row.syntax}: capstone {name}"


def refusal(code: bytes, ours: DecodeError, theirs: tuple[int, str, str]) -> str:
    """Why we refuse what capstone reads."""
    prefixes, opcode, number = opcode_of(code)
    if isinstance(ours, UndefinedOpcode):
        if is_absent(opcode, number):
            return "absent"
        if 0xF0 in prefixes and prefixes & {0xF2, 0xF3}:
            return "lock and repeat"
        if 0xF0 in prefixes and (theirs[1] == "lock nop" or re.search(r"^\w+, .*\[", theirs[2])):
            return "lock of a source"
    return f"{type(ours).__name__}, capstone {theirs[1]} {theirs[2]}"


def biased(rnd: random.Random) -> bytes:
    """Random bytes, with more prefixes and two-byte opcodes than chance gives."""
    head = bytes(rnd.choices((0x66, 0x67, 0xF0, 0xF2, 0xF3, 0x2E, 0x64), k=rnd.choice((0, 0, 0, 1, 1, 2))))
    if rnd.random() < 0.3:
        head += b"\x0f"
    return (head + rnd.randbytes(15))[:15]


def survey(bits: int, seed: int, trials: int) -> Counter[str]:
    mode = capstone.CS_MODE_32 if bits == 32 else capstone.CS_MODE_16
    engine: Any = capstone.Cs(capstone.CS_ARCH_X86, mode)
    rnd = random.Random(seed)
    found: Counter[str] = Counter()
    for _ in range(trials):
        code = biased(rnd)
        ours: Insn | DecodeError
        try:
            ours = decode(code, bits)
        except DecodeError as error:
            ours = error
        read = next(engine.disasm_lite(code, 0, 1), None)
        why = disagreement(code, ours, None if read is None else read[1:])
        if why is not None:
            found[why if why in REASONS else f"{code.hex()}: {why}"] += 1
    return found


@pytest.mark.parametrize("bits", [32, 16])
def test_lengths_and_names_are_capstones_but_for_listed_reasons(bits: int) -> None:
    found = survey(bits, seed=bits, trials=25_000)
    assert [key for key in found if key not in REASONS] == []


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("bits", [32, 16])
def test_a_million_random_byte_strings_agree_with_capstone(bits: int) -> None:
    found = survey(bits, seed=1000 + bits, trials=1_000_000)
    assert [key for key in found if key not in REASONS] == []
