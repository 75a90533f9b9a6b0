"""Random instances of opcode rows, with operands that meet memory we have."""

from __future__ import annotations

import random
from dataclasses import dataclass

from teachvm.isa.decode import DecodeError, Insn, decode
from teachvm.isa.operands import EBP, EBX, ECX, EDI, EDX, ESI, ESP, Mem, Reg
from teachvm.isa.pattern import Pattern

CODE = 0x1_0000
DATA = 0x4_0000
DATA_BYTES = 0x4000
CENTRE = DATA + DATA_BYTES // 2
RAM_BYTES = 1 << 20

INTERESTING = (
    0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF,
    0x5555_5555, 0xAAAA_AAAA,
)  # fmt: skip
STRINGS = frozenset(stem + size for stem in ("MOVS", "STOS", "LODS", "CMPS", "SCAS") for size in "BD")
STACK = frozenset(("PUSH", "POP", "PUSHAD", "POPAD", "PUSHFD", "POPFD", "ENTER", "LEAVE", "CALL", "RET"))


@dataclass(frozen=True)
class Sample:
    """One instruction and the state it starts from."""

    code: bytes
    insn: Insn
    regs: tuple[int, ...]
    eflags: int

    def __str__(self) -> str:
        names = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")
        values = " ".join(f"{name}={value:08x}" for name, value in zip(names, self.regs, strict=True))
        return f"{self.insn.row.syntax} [{self.code.hex(' ')}] {values} eflags={self.eflags:08x}"


def value(rng: random.Random) -> int:
    choice = rng.random()
    if choice < 0.35:
        return rng.choice(INTERESTING)
    return rng.getrandbits(8) if choice < 0.5 else rng.getrandbits(32)


def sample(rng: random.Random, pattern: Pattern) -> Sample:
    """A random instance of a row that touches only memory around `CENTRE`."""
    while True:
        code = _bytes(rng, pattern)
        try:
            insn = decode(code)
        except DecodeError:
            continue
        if insn.row is not pattern.row:
            continue
        if any(isinstance(o, Mem) and o.base is o.index is None and o.adsize == 32 for o in insn.operands):
            start = next(field.start for field in insn.fields if field.name == "disp")
            address = (CENTRE + rng.randrange(-64, 64)).to_bytes(4, "little")
            code = code[:start] + address + code[start + 4 :]
            insn = decode(code)
        regs = _registers(rng, insn)
        if regs is not None:
            eflags = 2 | rng.getrandbits(12) & 0x8D5 | (0x400 if rng.random() < 0.15 else 0)
            return Sample(code[: insn.length], insn, regs, eflags)


def _bytes(rng: random.Random, pattern: Pattern) -> bytes:
    prefixes = bytearray()
    if rng.random() < 0.3:
        prefixes.append(0x66)
    if pattern.row.lockable and rng.random() < 0.1:
        prefixes.append(0xF0)
    if pattern.row.mnemonic in STRINGS and rng.random() < 0.6:
        prefixes.append(rng.choice((0xF2, 0xF3)) if pattern.row.mnemonic[:4] in ("CMPS", "SCAS") else 0xF3)
    if rng.random() < 0.05:
        prefixes.append(0x67)
    opcode = rng.choice(pattern.opcodes)
    body = bytes((0x0F, opcode & 0xFF)) if opcode > 0xFF else bytes((opcode,))
    rest = bytearray(rng.randbytes(11))
    if pattern.modrm:
        modrm = rest[0]
        if pattern.digit is not None:
            modrm = modrm & 0xC7 | pattern.digit << 3
        if not pattern.register:
            modrm = modrm & 0x3F | rng.randrange(3) << 6
        rest[0] = modrm
    return (bytes(prefixes) + body + bytes(rest))[:15]


def _registers(rng: random.Random, insn: Insn) -> tuple[int, ...] | None:
    regs = [value(rng) for _ in range(8)]
    if rng.random() < 0.4:
        regs[ECX] = regs[ECX] & ~0xFF | rng.randrange(34)
    regs[ESP] = CENTRE + 4 * rng.randrange(-64, 64)
    mnemonic = insn.row.mnemonic
    for operand in insn.operands:
        if isinstance(operand, Mem) and operand.width and not _aim(rng, regs, operand):
            return None
    if mnemonic in STRINGS:
        regs[ESI], regs[EDI] = CENTRE + rng.randrange(-64, 64), CENTRE + rng.randrange(-64, 64)
        if insn.rep:
            regs[ECX] = rng.randrange(20)
    if mnemonic == "XLATB":
        regs[EBX] = CENTRE
    if mnemonic in ("LEAVE", "ENTER"):
        regs[EBP] = CENTRE + 4 * rng.randrange(64, 128)
    if mnemonic in ("LOOP", "LOOPE", "LOOPNE", "JECXZ") and rng.random() < 0.5:
        regs[ECX] = rng.randrange(3)
    if mnemonic in ("DIV", "IDIV") and rng.random() < 0.8:
        regs[EDX] = rng.choice((0, 0, 1, 0xFFFF_FFFF, rng.getrandbits(16)))
    if mnemonic in ("BT", "BTS", "BTR", "BTC") and isinstance(insn.operands[1], Reg):
        number = insn.operands[1].index
        first = insn.operands[0]
        if isinstance(first, Mem):
            if number in (first.base, first.index, ESP):
                return None
            regs[number] = rng.randrange(-0x2000, 0x2000) & 0xFFFF_FFFF
    return tuple(regs)


def _aim(rng: random.Random, regs: list[int], operand: Mem) -> bool:
    """Choose base and index so that the operand lies near `CENTRE`; False where that is not possible."""
    if operand.adsize == 16 or operand.segment in (4, 5):
        return False
    target = CENTRE + rng.randrange(-64, 64)
    base, index = operand.base, operand.index
    if base is None and index is None:
        return True
    if index is not None and index not in (base, ESP):
        regs[index] = rng.randrange(-32, 32) & 0xFFFF_FFFF
    scaled = 0 if index is None else regs[index] * operand.scale
    if base is None:
        regs[index or 0] = (target - operand.disp & 0xFFFF_FFFF) // operand.scale
        return True
    if base in (ESP, index):
        return base == ESP and index is None and -0x1000 < operand.disp < 0x1000
    regs[base] = target - operand.disp - scaled & 0xFFFF_FFFF
    return True
