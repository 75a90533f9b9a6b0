"""16-bit forms against recordings of a real 80286 in real-address mode, when they stand beside the project.

Our processor has no such mode, but segments whose bases are sixteen times their selectors: everything is comparable
that loads no segment register. The recording is only read from ../shared (MIT licence).
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from teachvm.isa.control import CR0_PE
from teachvm.isa.decode import DecodeError, Insn, decode
from teachvm.isa.descriptors import Segment, access_word
from teachvm.isa.flags import STATUS
from teachvm.isa.operands import CS, Imm, Mem, Reg, Sreg
from teachvm.isa.row import InstructionClass
from teachvm.machine.cpu import Cpu
from teachvm.machine.exceptions import Interruption
from teachvm.machine.memory import Memory
from teachvm.machine.tlb import Tlb
from tests.machine.unicorn_pc import NoPorts

VECTORS = Path("../shared/facts/vectors/sst286-24.jsonl.gz")
RAM_BYTES = 2 << 20
COMPARED = STATUS | 0x700
"""The status flags, TF, IF and DF."""
GENERAL = ("ax", "cx", "dx", "bx", "sp", "bp", "si", "di")
SEGMENTS = ("es", "cs", "ss", "ds")
ORDER = ("ax", "bx", "cx", "dx", "cs", "ss", "ds", "es", "sp", "bp", "si", "di", "ip", "flags")
MOST_STEPS = 70_000

NOT_COMPARABLE = {
    "later": "not an instruction of the 80286, or one it treats otherwise",
    "segments": "loads a segment register, goes through a gate, or asks for privilege",
    "lock": "a 286 accepts LOCK everywhere",
    "ports": "what a port answers is not recorded",
    "flags": "shows flag bits that a 386 has besides",
    "code": "writes through CS, which only real-address mode allows",
    "exception": "a limit violation in real-address mode, where 286 and 386 differ",
}
FAR = frozenset(("JMPF", "CALLF", "RETF", "IRETD", "INT", "INT3", "INTO", "INT1", "LES", "LDS"))


@dataclass(frozen=True)
class Recorded:
    """One line: the state before, and what changed."""

    text: str
    code: bytes
    before: dict[str, int]
    memory: dict[int, int]
    after: dict[str, int]
    memory_after: dict[int, int]
    vector: int | None


def recorded() -> Iterator[Recorded]:
    with gzip.open(VECTORS, "rt") as lines:
        for line in lines:
            raw: dict[str, Any] = json.loads(line)
            before = dict(zip(ORDER, raw["i"], strict=True))
            vector = raw["x"][0] if raw.get("x") else None
            yield Recorded(
                f"{raw['op']} {raw['n']}",
                bytes.fromhex(raw["b"]),
                before,
                dict(raw["m"]),
                {**before, **raw["f"]},
                dict(raw.get("fm", [])),
                vector,
            )


def excuse(insn: Insn | None, line: Recorded) -> str | None:
    """Why a line cannot be compared, or None."""
    if insn is None:
        return "later"
    row = insn.row
    if insn.lock or 0xF0 in line.code[: insn.length]:
        return "lock"
    if row.mnemonic in ("IN", "OUT", "INSB", "INSD", "OUTSB", "OUTSD"):
        return "ports"
    if row.mnemonic in ("PUSHFD", "POPFD"):
        return "flags"
    loads = bool(insn.operands) and isinstance(insn.operands[0], Sreg) and row.mnemonic in ("MOV", "POP")
    if loads or row.mnemonic in FAR or row.klass is InstructionClass.PRIVILEGED or row.encoding.startswith("0F"):
        return "segments"
    if any(isinstance(operand, Mem) and operand.segment == CS for operand in insn.operands[:1]):
        return "code"
    if line.vector not in (None, 0, 5):
        return "exception"
    return None


class Room:
    """Our processor with segments as real-address mode has them."""

    def __init__(self) -> None:
        self.memory = Memory(RAM_BYTES)
        self.cpu = Cpu("cpu0", self.memory, NoPorts(), None, Tlb())
        self.cpu.deliver = self._note
        self.cpu.cr0 |= CR0_PE
        self.vector: int | None = None

    def _note(self, cpu: Cpu, interruption: Interruption) -> None:
        self.vector = interruption.vector

    def run(self, line: Recorded) -> None:
        cpu = self.cpu
        for address, byte in line.memory.items():
            self.memory.write8(address, byte)
        cpu.regs[:] = [line.before[name] for name in GENERAL]
        for index, name in enumerate(SEGMENTS):
            selector = line.before[name]
            access = access_word(type_=0xB if name == "cs" else 3, s=True, big=False, granular=False)
            cpu.segs[index] = Segment(selector, selector << 4, 0xFFFF, access)
        cpu.eip, cpu.eflags, cpu.halted, self.vector = line.before["ip"], line.before["flags"] & 0xFFF | 2, False, None
        cpu.restored()
        for _ in range(MOST_STEPS):
            cpu.step()
            if self.vector is not None or cpu.halted:
                return
        raise AssertionError(f"{line.text} never ends")


def undefined(insn: Insn, line: Recorded) -> int:
    last = insn.operands[-1] if insn.operands else None
    count = last.value if isinstance(last, Imm) else line.before["cx"]
    sized = [operand.width for operand in insn.operands if isinstance(operand, Reg | Mem)]
    return insn.row.flags.undefined_mask(count & 31, sized[0] if sized else insn.opsize)


def differences(line: Recorded, insn: Insn, room: Room) -> list[str]:
    """What our processor did otherwise; an exception is compared by its vector alone."""
    cpu = room.cpu
    if room.vector is not None or line.vector is not None:
        return [] if room.vector == line.vector else [f"exception {room.vector}, recorded {line.vector}"]
    found = [
        f"{name} {cpu.regs[index]:#x}, recorded {line.after[name]:#x}"
        for index, name in enumerate(GENERAL)
        if cpu.regs[index] != line.after[name]
    ]
    # Execution past the last byte of a segment wraps on a 286; on a 386 EIP goes on, and the next fetch faults.
    if cpu.eip & 0xFFFF != line.after["ip"]:
        found.append(f"ip {cpu.eip:#x}, recorded {line.after['ip']:#x}")
    wrong = (cpu.eflags ^ line.after["flags"]) & COMPARED & ~undefined(insn, line)
    if wrong:
        found.append(f"flags {cpu.eflags:#x}, recorded {line.after['flags']:#x} (wrong: {wrong:#x})")
    wanted = {**line.memory, **line.memory_after}
    found += [f"byte at {at:#x}" for at, byte in wanted.items() if room.memory.read8(at) != byte]
    return found


@pytest.mark.skipif(not VECTORS.exists(), reason="the recordings of an 80286 are not beside the project")
def test_sixteen_bit_forms_do_what_an_80286_did() -> None:
    room, compared, excused, wrong = Room(), 0, Counter[str](), []
    for line in recorded():
        try:
            insn = decode(line.code, 16)
        except DecodeError:
            insn = None
        why = excuse(insn, line)
        if why is not None or insn is None:
            excused[why or "later"] += 1
            continue
        room.run(line)
        compared += 1
        wrong += [f"{line.text} [{line.code.hex(' ')}]: {text}" for text in differences(line, insn, room)]
    assert set(excused) <= set(NOT_COMPARABLE)
    assert not wrong, f"{len(wrong)} of {compared}; {dict(excused)}:\n" + "\n".join(wrong[:40])
    assert compared > 5_000
