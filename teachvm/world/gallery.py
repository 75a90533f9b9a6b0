"""The sensitive instructions that need not trap, each executed in rings 0, 1 and 3 of a machine of its own.

Nothing is told here that was not just measured on the simulated processor: an exhibit is a few instructions and what
they mean to a kernel; what they did in a ring is read from the machine afterwards.

Source: Robin & Irvine, USENIX Security 2000 (the list, in two families); Intel SDM Vol. 2, the page of each.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Final

from teachvm.isa.assembler import assemble
from teachvm.isa.control import CR0_ET, CR0_PE
from teachvm.isa.descriptors import (
    ACCESSED,
    INTERRUPT_GATE_32,
    LDT,
    TSS_32_BUSY,
    TSS_LIMIT_MINIMUM,
    WRITABLE,
    Gate,
    Segment,
    TableRegister,
    access_word,
    flat_code,
    flat_data,
    null_segment,
    tss_esp,
    tss_ss,
)
from teachvm.isa.exceptions import VECTORS, spelled
from teachvm.isa.flags import IF, RESERVED_ONE
from teachvm.isa.operands import CS, EAX, EBX, ESP, SS
from teachvm.machine.computer import Machine
from teachvm.trace.recorder import Recorder

RINGS: Final = (0, 1, 3)
COUNT_SAID: Final = "17 (18 if every mnemonic counts)"
"""The literature counts 17; written out the list has 18 mnemonics. Source: as above; Hennessy & Patterson say 18."""

GDT, IDT, TSS, LDT_BASE, STUBS = 0x1000, 0x2000, 0x3000, 0x3800, 0x4000
CODE, BUFFER, STACK, INNER_STACK = 0x1_0000, 0x1_8000, 0xB000, 0xA000
RING0_DATA, LDT_SELECTOR, TASK = 0x38, 0x40, 0x48
DONE, OPEN_GATE = 0x30, 0x31
"""The vector a probe ends with, which every ring may use, and one that only ring 0 may."""
_STUB_BYTES: Final = 8
_LONGEST: Final = 100
_RAM: Final = 1 << 18


class Family(Enum):
    """Robin and Irvine's two families."""

    REGISTER = "sensitive registers"
    PROTECTION = "protection system"

    @property
    def explanation(self) -> str:
        """What the instructions of the family touch."""
        if self is Family.REGISTER:
            return "They read or change registers that belong to whoever owns the machine."
        return "They ask, or depend on, which privilege level the program runs at."


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One mnemonic of the list.

    Attributes:
        mnemonic: As the manual calls it.
        family: Which family.
        probe: What is executed, as assembly; it leaves what it saw in EAX, and in EBX.
        shows: What EAX (and EBX) are then.
        meant: What a kernel in ring 0 gets.
        harm: What goes wrong when the kernel was moved to another ring.
        interrupts: The probe begins with the real IF set.
    """

    mnemonic: str
    family: Family
    probe: str
    shows: str
    meant: str
    harm: str
    interrupts: bool = False


_ZF_IN_EBX: Final = "setz bl\nmovzx ebx, bl"
_REGISTER, _PROTECTION = Family.REGISTER, Family.PROTECTION

EXHIBITS: Final[tuple[Exhibit, ...]] = (
    Exhibit(
        "SGDT",
        _REGISTER,
        f"sgdt [{BUFFER}]\nmov eax, [{BUFFER + 2}]",
        "the base stored",
        "The base and limit of its own descriptor table.",
        "There is one real GDTR, and it holds the VMM's table: the guest reads that.",
    ),
    Exhibit(
        "SIDT",
        _REGISTER,
        f"sidt [{BUFFER}]\nmov eax, [{BUFFER + 2}]",
        "the base stored",
        "The base and limit of its own interrupt table.",
        "There is one real IDTR, and it holds the VMM's table: programs have used this to find out that they are in a "
        "VM.",
    ),
    Exhibit(
        "SLDT",
        _REGISTER,
        "xor eax, eax\nsldt ax",
        "the selector stored",
        "The selector of its own local table.",
        "The guest reads the VMM's selector.",
    ),
    Exhibit(
        "SMSW",
        _REGISTER,
        "xor eax, eax\nsmsw ax",
        "CR0, low half",
        "The low half of its own CR0.",
        "The guest reads the real CR0: TS as the VMM set it, PE even where it thinks it has not set it.",
    ),
    Exhibit(
        "PUSHF",
        _REGISTER,
        "pushfd\npop eax",
        "EFLAGS pushed",
        "Its own EFLAGS, IF and IOPL included.",
        "The guest reads the real IF and IOPL: after its cli was emulated, IF is still 1 here.",
        interrupts=True,
    ),
    Exhibit(
        "POPF",
        _REGISTER,
        "push dword 2\npopfd\npushfd\npop eax",
        "EFLAGS afterwards",
        "IF as on the stack: here it turns interrupts off.",
        "IF stays as it was, without a trap: the VMM never learns what the guest wanted.",
        interrupts=True,
    ),
    Exhibit(
        "LAR",
        _PROTECTION,
        f"mov ecx, {RING0_DATA}\nlar eax, ecx\n{_ZF_IN_EBX}",
        "access rights; EBX: ZF",
        "ZF = 1 and the access rights of a kernel segment.",
        "ZF = 0: its own segment seems out of bounds.",
    ),
    Exhibit(
        "LSL",
        _PROTECTION,
        f"mov ecx, {RING0_DATA}\nlsl eax, ecx\n{_ZF_IN_EBX}",
        "limit; EBX: ZF",
        "ZF = 1 and the limit of a kernel segment.",
        "ZF = 0: its own segment seems out of bounds.",
    ),
    Exhibit(
        "VERR",
        _PROTECTION,
        f"mov ecx, {RING0_DATA}\nverr cx\n{_ZF_IN_EBX}",
        "EBX: ZF",
        "ZF = 1: a kernel segment can be read.",
        "ZF = 0: its own segment seems unreadable.",
    ),
    Exhibit(
        "VERW",
        _PROTECTION,
        f"mov ecx, {RING0_DATA}\nverw cx\n{_ZF_IN_EBX}",
        "EBX: ZF",
        "ZF = 1: a kernel segment can be written.",
        "ZF = 0: its own segment seems read-only.",
    ),
    Exhibit(
        "POP",
        _PROTECTION,
        f"push dword {RING0_DATA}\npop ds\nmov eax, ds",
        "DS afterwards",
        "DS loaded with a kernel segment.",
        "The load is checked against the real ring: it faults with the selector as error code.",
    ),
    Exhibit(
        "PUSH",
        _PROTECTION,
        "push cs\npop eax",
        "CS pushed",
        "Its code selector, whose low bits say ring 0.",
        "The low bits say which ring it really runs in.",
    ),
    Exhibit(
        "CALL",
        _PROTECTION,
        "call 0x08:.there\n.there: mov eax, cs",
        "CS afterwards",
        "A far call to kernel code.",
        "The descriptor's ring is not the real one: it faults with the selector as error code. Through a call gate it "
        "would go on without a trap.",
    ),
    Exhibit(
        "JMP",
        _PROTECTION,
        "jmp 0x08:.there\n.there: mov eax, cs",
        "CS afterwards",
        "A far jump to kernel code.",
        "The descriptor's ring is not the real one: it faults with the selector as error code.",
    ),
    Exhibit(
        "INT n",
        _PROTECTION,
        f"int {OPEN_GATE}\nmov eax, 1",
        "1 after the handler",
        "Its own handler, through a gate only kernels may use.",
        "The gate's ring is compared with the real one, and the gate is the VMM's: it faults with 8 × vector + 2.",
    ),
    Exhibit(
        "RET",
        _PROTECTION,
        f"push dword 0x33\npush dword {STACK}\npush dword 0x2b\npush dword .there\nretf\n"
        ".there: mov eax, ds\nmov ebx, cs",
        "DS, EBX: CS afterwards",
        "A far return to a program in ring 3; DS, which programs may not use, is cleared.",
        "Between other rings it changes privilege and clears segments all the same, and nobody is told.",
    ),
    Exhibit(
        "STR",
        _PROTECTION,
        "xor eax, eax\nstr ax",
        "the selector stored",
        "The selector of its own task.",
        "The guest reads the VMM's selector.",
    ),
    Exhibit(
        "MOV",
        _PROTECTION,
        "mov eax, cs\nmov ebx, ss",
        "CS; EBX: SS",
        "CS and SS, whose low bits say ring 0.",
        "The low bits say which ring it really runs in.",
    ),
)

EXHIBIT: Final = {exhibit.mnemonic: exhibit for exhibit in EXHIBITS}


@dataclass(frozen=True, slots=True)
class Measured:
    """What a probe did in one ring.

    Attributes:
        ring: Where it ran.
        vector: Exception it raised; None if it came to its end in silence.
        error: The exception's error code.
        eax: What it saw.
        ebx: The same, where the exhibit says so.
        eflags: Flags at its end, or of the exception's frame.
        cs: Code selector there.
    """

    ring: int
    vector: int | None
    error: int | None
    eax: int
    ebx: int
    eflags: int
    cs: int

    @property
    def silent(self) -> bool:
        """No exception: a VMM is not told."""
        return self.vector is None

    @property
    def exception(self) -> str:
        """Such as `#GP(0x38)`; empty if there was none."""
        if self.vector is None:
            return ""
        return spelled(self.vector) + ("" if self.error is None else f"({self.error:#x})")

    def same_as(self, other: Measured) -> bool:
        """Whether software sees the same; the ring itself, in CS, is what differs anyway."""
        return (self.vector, self.error, self.eax, self.ebx) == (other.vector, other.error, other.eax, other.ebx)


@cache
def measure(exhibit: Exhibit) -> tuple[Measured, ...]:
    """Execute an exhibit's probe in each of `RINGS`, each time on a fresh machine."""
    source = f"bits 32\norg {CODE}\nstart:\n{exhibit.probe}\nint {DONE}\n"
    code = assemble(source, f"{exhibit.mnemonic}.asm", second_opinion=False).data
    return tuple(_run(code, ring, interrupts=exhibit.interrupts) for ring in RINGS)


def _run(code: bytes, ring: int, *, interrupts: bool) -> Measured:
    machine = Machine("gallery", _RAM, Recorder())
    cpu, write = machine.cpu, machine.memory.write_bytes
    segments = _segments()
    write(GDT, b"".join(segment.pack() for segment in segments))
    write(IDT, b"".join(_gate(vector).pack() for vector in range(DONE + 2)))
    write(STUBS, b"".join(_stub(vector) for vector in range(DONE + 2)))
    write(TSS + tss_esp(0), INNER_STACK.to_bytes(4, "little"))
    write(TSS + tss_ss(0), segments[2].selector.to_bytes(4, "little"))
    write(CODE, code)
    here = 1 + 2 * RINGS.index(ring)
    cpu.gdtr = TableRegister(GDT, 8 * len(segments) - 1)
    cpu.idtr = TableRegister(IDT, 8 * (DONE + 2) - 1)
    cpu.ldtr, cpu.tr = segments[LDT_SELECTOR >> 3], segments[TASK >> 3]
    cpu.segs[:] = [segments[here + 1]] * 6
    cpu.segs[CS], cpu.segs[SS] = segments[here], segments[here + 1]
    cpu.cpl = ring
    cpu.cr0 = CR0_PE | CR0_ET
    cpu.eflags = RESERVED_ONE | (IF if interrupts else 0)
    cpu.eip, cpu.regs[ESP] = CODE, STACK
    cpu.restored()
    for _ in range(_LONGEST):
        if cpu.halted:
            break
        cpu.step()
    frame = [machine.memory.read(cpu.regs[ESP] + 4 * index, 4) for index in range(5)]
    vector, error, _eip, cs, eflags = frame
    if vector == DONE:
        return Measured(ring, None, None, cpu.regs[EAX], cpu.regs[EBX], eflags, cs & 0xFFFF)
    coded = VECTORS[vector].has_error_code
    return Measured(ring, vector, error if coded else None, cpu.regs[EAX], cpu.regs[EBX], eflags, cs & 0xFFFF)


def _segments() -> tuple[Segment, ...]:
    """Flat code and data of each ring, a small data segment of ring 0, the local table, the task."""
    flat = [make(8 * (1 + 2 * at + kind) | ring, ring) for at, ring in enumerate(RINGS) for kind, make in _FLAT]
    small = Segment(RING0_DATA, 0, 0x1_2345, access_word(type_=WRITABLE | ACCESSED, granular=False))
    table = Segment(LDT_SELECTOR, LDT_BASE, 15, access_word(type_=LDT, s=False, big=False, granular=False))
    task = Segment(TASK, TSS, TSS_LIMIT_MINIMUM, access_word(type_=TSS_32_BUSY, s=False, big=False, granular=False))
    return (null_segment(), *flat, small, table, task)


_FLAT: Final = ((0, flat_code), (1, flat_data))


def _gate(vector: int) -> Gate:
    return Gate(8, STUBS + vector * _STUB_BYTES, INTERRUPT_GATE_32, 3 if vector == DONE else 0)


def _stub(vector: int) -> bytes:
    """Push a zero where the processor pushes no error code, push the vector, halt; the open gate just returns."""
    if vector == OPEN_GATE:
        code = b"\xcf"
    else:
        known = VECTORS.get(vector)
        padding = b"" if known is not None and known.has_error_code else b"\x6a\x00"
        code = padding + bytes((0x6A, vector, 0xF4))
    return code.ljust(_STUB_BYTES, b"\xcc")
