"""Random guest kernels: real instruction mixes over tables that are sometimes right."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import ClassVar

from teachvm.isa.control import CR0_ET, CR0_PE, CR0_PG, CR0_WP, CR4_PSE, CR4_TSD
from teachvm.isa.descriptors import (
    INTERRUPT_GATE_32,
    LDT,
    TRAP_GATE_32,
    TSS_32,
    Gate,
    Segment,
    TableRegister,
    access_word,
)
from teachvm.isa.flags import IF, IOPL_MASK
from teachvm.machine.computer import Board
from teachvm.machine.cpu import Cpu
from tests.vmm.room import CODE, DIRECTORY, GDT, IDT, TABLE, TSS, enter, furnish

INSTRUCTIONS = 150
SPREAD = 400
"""Jumps and handlers lead to anywhere in the first bytes of the code."""
PSEUDO_DESCRIPTORS = 0x7E00
HANDLER_TYPES = (INTERRUPT_GATE_32, INTERRUPT_GATE_32, TRAP_GATE_32)
TIMER_ON = ((0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1), (0x21, 0), (0x43, 0x34))
SELECTORS = (0x08, 0x10, 0x18, 0x1B, 0x20, 0x23, 0x28, 0x30, 0x38, 0x40, 0x48, 0x50, 0, 3)
DESCRIPTORS = (
    0,
    0x00CF9B000000FFFF,  # 0x08 kernel code
    0x00CF93000000FFFF,  # 0x10 kernel data
    0x00CFFB000000FFFF,  # 0x18 user code
    0x00CFF3000000FFFF,  # 0x20 user data
    0x00CF92000000FFFF,  # 0x28 kernel data, not accessed yet
    0x00CF97000000FFFF,  # 0x30 kernel data, expand-down
    0x00CFFF000000FFFF,  # 0x38 user code, conforming
    0x00CF9A000000FFFF,  # 0x40 kernel code, not accessed yet
    0x004F9B000000FFFF,  # 0x48 kernel code of one megabyte
    0x00CFF2000000FFFF,  # 0x50 user data, not accessed yet
)


def system(type_: int, base: int, limit: int) -> bytes:
    return Segment(0, base, limit, access_word(type_=type_, s=False, big=False, granular=False)).pack()


def word(value: int, size: int = 4) -> bytes:
    return (value & (1 << 8 * size) - 1).to_bytes(size, "little")


class Writer:
    """Writes one random instruction after another; `DESCRIPTORS` are added to the kernel's own."""

    DESCRIPTORS: ClassVar[tuple[int, ...]] = ()
    PROGRAM: ClassVar[bool] = False
    """It begins in ring 3, with interrupts off or with the right to turn them off."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self._choices: tuple[tuple[int, Callable[[], bytes]], ...] = (
            (35, self.arithmetic),
            (10, lambda: self.one_of("50 51 58 59 60 61 40 48 99 90 f8 f9 fc fd")),
            (5, self.load_constant),
            (4, self.string),
            (4, lambda: bytes((self.pick(0x74, 0x75, 0x72, 0x73, 0xEB, 0xE2), self.random.randrange(20)))),
            (4, lambda: b"\xf7" + self.register(self.pick(4, 5, 6, 7))),
            (4, lambda: self.one_of("fa fb")),
            (2, lambda: b"\xf4"),
            (4, lambda: b"\x0f\x20" + self.register(self.pick(0, 2, 3, 4))),
            (4, self.load_control_register),
            (3, self.load_segment_register),
            (2, lambda: bytes((0xCD, self.pick(3, 0x80, 0x30, 0x31, 13, 14, 0x20)))),
            (2, lambda: b"\xea" + word(self.place()) + word(self.pick(8, 0x18, 0x1B, 0x38, 0x40, 0x48), 2)),
            (3, self.interrupt_return),
            (2, self.load_table_register),
            (2, self.load_system_segment),
            (4, lambda: bytes((self.pick(0xE6, 0xE4), self.pick(0x20, 0x21, 0x40, 0x43, 0x61)))),
            (2, lambda: self.one_of("0f31 cc ce f1 0f0b 0f06 0fa2 cb")),
            (2, lambda: b"\x6a" + bytes((self.pick(8, 0x10, 0x1B, 0x23, 0x28),)) + self.one_of("1f 07 17 0fa1")),
            (3, self.write_table),
        )

    def pick(self, *values: int) -> int:
        return self.random.choice(values)

    def one_of(self, codes: str) -> bytes:
        return bytes.fromhex(self.random.choice(codes.split()))

    def place(self) -> int:
        return CODE + self.random.randrange(SPREAD)

    def address(self) -> int:
        return self.random.randrange(DIRECTORY, 0xF_F000)

    def register(self, reg: int | None = None) -> bytes:
        chosen = self.random.randrange(8) if reg is None else reg
        return bytes((0xC0 | chosen << 3 | self.random.randrange(8),))

    def operand(self) -> bytes:
        reg = self.random.randrange(8) << 3
        return self.random.choice(
            (
                self.register(),
                bytes((reg | 5,)) + word(self.address()),
                bytes((reg | self.pick(0, 1, 2, 3, 6, 7),)),
                bytes((0x40 | reg | self.pick(0, 1, 2, 3, 6, 7), self.random.randrange(256))),
            )
        )

    def arithmetic(self) -> bytes:
        opcodes = (0x01, 0x03, 0x29, 0x2B, 0x31, 0x33, 0x39, 0x89, 0x8B, 0x85, 0x87, 0x21, 0x09)
        return bytes((self.pick(*opcodes),)) + self.operand()

    def load_segment_register(self) -> bytes:
        return b"\xb8" + word(self.pick(*SELECTORS)) + b"\x8e" + bytes((0xC0 | self.pick(0, 2, 3, 4, 5) << 3,))

    def load_table_register(self) -> bytes:
        where = self.pick(DIRECTORY, 0x4_0000, PSEUDO_DESCRIPTORS, PSEUDO_DESCRIPTORS + 8)
        return bytes((0x0F, 0x01, self.pick(0x3D, 0x15, 0x1D))) + word(where)

    def load_system_segment(self) -> bytes:
        return b"\xb8" + word(self.pick(0x58, 0x60, 0x68)) + b"\x0f\x00" + bytes((0xC0 | self.pick(2, 3) << 3,))

    def load_constant(self) -> bytes:
        values = (
            self.address(),
            self.random.randrange(300),
            self.random.getrandbits(32),
            0xFFBF_F800 + self.random.randrange(0x1000),
        )
        return bytes((self.pick(0xB8, 0xB9, 0xBA, 0xBB, 0xBE, 0xBF),)) + word(self.pick(*values))

    def string(self) -> bytes:
        if self.random.random() < 0.5:
            return self.one_of("f3ab f3a5 a4 aa 6e 6d")
        return b"\xb9" + word(self.random.randrange(100)) + self.one_of("f3ab f3a4 f3ae f36e f36c")

    def load_control_register(self) -> bytes:
        index = self.pick(3, 3, 3, 0, 2, 4)
        values = {
            0: (0x8000_0011, 0x8001_0011, 0x11, 0x8005_0011, 0x8001_0031),
            2: (self.random.getrandbits(32),),
            3: (DIRECTORY, DIRECTORY, 0x7000),
            4: (0, CR4_PSE, CR4_TSD, CR4_PSE | CR4_TSD),
        }
        return b"\xb8" + word(self.pick(*values[index])) + b"\x0f\x22" + bytes((0xC0 | index << 3,))

    def interrupt_return(self) -> bytes:
        cs = self.pick(0x08, 0x1B, 0x08, 0x1B, 0x18, 0x3B)
        stack = b""
        if cs & 3:
            esp = self.random.randrange(0x3_0000, 0x4_0000) & ~3
            stack = b"\x6a" + bytes((self.pick(0x23, 0x23, 0x23, 0x10),)) + b"\x68" + word(esp)
        flags = self.pick(2, 0x202, 0x3202, 0x302, 0x102, 0x4_0202, 0x4002, 0x1_0202)
        return stack + b"\x68" + word(flags) + b"\x6a" + bytes((cs,)) + b"\x68" + word(self.place()) + b"\xcf"

    def write_table(self) -> bytes:
        where = self.pick(
            DIRECTORY + 4 * self.random.randrange(4),
            TABLE + 4 * self.random.randrange(256),
            GDT + 8 * self.random.randrange(16) + self.pick(0, 4),
        )
        entry = self.random.randrange(260) << 12 | self.pick(0x67, 0x27, 7, 3, 0, 0x65)
        return b"\xc7\x05" + word(where) + word(self.pick(0x3067, 0x67, 0x3027, entry, self.random.getrandbits(32)))

    def code(self) -> bytes:
        weights = [weight for weight, _ in self._choices]
        chosen = self.random.choices([write for _, write in self._choices], weights, k=INSTRUCTIONS)
        return b"".join(write() for write in chosen)


class SensitiveWriter(Writer):
    """Writes a kernel that looks at its own privilege all the time, and goes everywhere by calls and returns."""

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._choices += (
            (12, lambda: self.one_of("9c 9d 9c58 509d 6a029d 6802320000 669c 669d 9c9d fa fb fafb")),
            (5, lambda: self.one_of("0e 16 58 5b 8cc8 8cd3 8ce9 8cda 668cc8 8ec0 8ed8 8ee8")),
            (4, lambda: self.one_of("0f01e0 0f00c8 0f00c3 660f01e1 0f02c1 0f03d0 0f00e1 0f00e9")),
            (3, lambda: b"\x0f\x01" + bytes((self.pick(0x05, 0x0D, 0x25),)) + word(self.address())),
            (6, lambda: b"\xe8" + word(self.random.randrange(-60, 60))),
            (6, lambda: self.one_of("c3 c3 c20400 c9 c8080000 5dc3")),
            (4, lambda: b"\xb8" + word(self.place()) + self.one_of("ffe0 ffd0 50c3 a300000200ff2500000200")),
            (3, lambda: self.one_of("658b05000002 65890500000200 2ea100000100 65ac 368b4424fc 640fb601")),
            (2, lambda: b"\x9a" + word(self.place()) + word(self.pick(8, 0x40, 0x48), 2)),
            (
                2,
                lambda: b"\x68" + word(self.pick(8, 0x40)) + b"\x68" + word(self.place()) + self.one_of("cb cb ca0400"),
            ),
            (3, lambda: b"\xbc" + word(0x3_0000 + 4 * self.random.randrange(0x2000))),
        )


class ProgramWriter(SensitiveWriter):
    """Writes a guest of which much is a program that looks at IF, may change it, or asks what it runs on."""

    PROGRAM = True

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._choices += (
            (14, self.return_to_program),
            (10, lambda: self.one_of("9c 9d 9c58 6802320000 9c9d fa fb fa9c fb90 6802000000")),
            (8, lambda: self.one_of("0f20c0 0f22d8 f4 8cc8 8cd0 8ce8 cd80 e421 e621 0f0100 0f23f8 0f21f8 cf 9c")),
        )

    def return_to_program(self) -> bytes:
        esp = self.random.randrange(0x3_0000, 0x4_0000) & ~3
        flags = self.pick(2, 0x3002, 0x3202, 0x3202, 0x202)
        stack = b"\x6a\x23\x68" + word(esp) + b"\x68" + word(flags)
        return stack + b"\x6a\x1b\x68" + word(self.place()) + b"\xcf"


class DebugWriter(Writer):
    """Writes a kernel that sets breakpoints on its own code and data, steps through it, and looks what stopped it."""

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._choices += (
            (10, self.set_breakpoint),
            (10, self.enable),
            (25, self.meet),
            (10, lambda: self.one_of("8905 8b05 0105 8705") + word(PSEUDO_DESCRIPTORS - 0x800)),
            (5, lambda: b"\x0f\x21" + bytes((0xC0 | self.pick(0, 3, 4, 5, 6, 7) << 3 | self.pick(1, 2, 3),))),
            (3, lambda: b"\x31\xc0\x0f\x23\xf0"),
            (4, lambda: b"\x68" + word(self.pick(0x102, 0x302, 2, 0x1_0102)) + b"\x9d"),
            (2, lambda: self.one_of("f1 8ed0 8ed090 16f117")),
            (6, self.interrupt_return),
        )

    def set_breakpoint(self) -> bytes:
        where = self.pick(self.place(), self.address(), PSEUDO_DESCRIPTORS - 0x800, PSEUDO_DESCRIPTORS - 0x802)
        return b"\xb8" + word(where) + b"\x0f\x23" + bytes((0xC0 | self.pick(0, 1, 2, 3) << 3,))

    def meet(self) -> bytes:
        """Go where a breakpoint is; without RF, so it is met."""
        where, number = self.place(), self.pick(0, 1, 2, 3)
        there = b"\xb8" + word(where)
        enabled = b"\xb8" + word(2 << 2 * number) + b"\x0f\x23\xf8"
        return there + b"\x0f\x23" + bytes((0xC0 | number << 3,)) + enabled + there + b"\xff\xe0"

    def enable(self) -> bytes:
        """Any of the four; half the time none is, so that translated code goes on."""
        kinds = self.pick(0, 0x3D, 0xD, 0xF0, self.random.getrandbits(16))
        dr7 = self.pick(0, 0, 0xFF, 3, 0x0C, 0x2001) | kinds << 16
        return b"\xb8" + word(dr7) + b"\x0f\x23\xf8"


class SegmentWriter(Writer):
    """Writes a kernel that loads FS, GS and DS with all kinds of segments, and reaches memory through them."""

    DESCRIPTORS = (
        0x0040_9302_0000_FFFF,  # 0x70 data of 64 KB at 0x20000
        0x0040_9102_0000_0FFF,  # 0x78 the same, a page of it, to be read only
        0x0040_9702_0000_8000,  # 0x80 the same, expanding down to 32 KB
        0x0000_9702_0000_8000,  # 0x88 the same with an end at 64 KB
        0x0040_1302_0000_FFFF,  # 0x90 not present
        0x00CF_9300_0000_FFFF,  # 0x98 all of memory
        0x00C0_F302_0000_0000,  # 0xa0 a page at 0x20000 for programs too
        0x0040_9902_0000_FFFF,  # 0xa8 code to be executed only
        0x00CF_930F_0000_FFFF,  # 0xb0 data that wraps around the top
        0xFFCF_93C0_0000_FFFF,  # 0xb8 data that begins in the VMM's region
        0x00CF_B300_0000_FFFF,  # 0xc0 data of ring 1
        0x0040_9F02_0000_FFFF,  # 0xc8 conforming code
        0x0040_9202_0000_FFFF,  # 0xd0 not accessed yet
    )
    FIRST = 0x70
    GOOD = (0x70, 0x70, 0x78, 0x80, 0x98, 0xA0, 0x10)

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._choices += (
            (70, self.through),
            (16, self.load),
            (6, self.change),
            (5, lambda: self.one_of("8ce0 8ce8 0fa0 0fa8 0fa1 0fa9 658c2500020000 658c2d00020000 648c2d00020000")),
            (3, lambda: self.one_of("65ff2500000200 2eff2500000100 65ff1504000000 64ff1504000000 65ff30 658f00")),
            (2, lambda: self.one_of("fa fb fb90 9c58")),
        )

    def segment(self) -> int:
        if self.random.random() < 0.7:
            return self.pick(*self.GOOD)
        return self.pick(*range(self.FIRST, self.FIRST + 8 * len(self.DESCRIPTORS), 8), *SELECTORS)

    def offset(self) -> bytes:
        """Near an end of a segment, or anywhere."""
        if self.random.random() < 0.8:
            return word(self.pick(PSEUDO_DESCRIPTORS - 0x800, 0x8008, self.address()) + self.random.randrange(0x7F8))
        near = self.pick(0, 0xFFC, 0x1000, 0x7FFC, 0x8000, 0xFFFC, 0x1_0000, 0xFFBF_FFFC)
        return word(near + self.random.randrange(-4, 5))

    def through(self) -> bytes:
        """An access with an override: a plain one, one of a string, a locked one, with any size."""
        override = bytes((self.pick(0x65, 0x65, 0x65, 0x64, 0x64, 0x2E, 0x36),))
        reg = self.random.randrange(8) << 3
        place = self.random.choice(
            (
                bytes((reg | 5,)) + self.offset(),
                bytes((reg | 5,)) + self.offset(),
                bytes((reg | 5,)) + self.offset(),
                bytes((reg | self.pick(0, 1, 2, 3, 6, 7),)),
                bytes((reg | 4, 0x05 | self.random.randrange(4) << 3)) + self.offset(),
            )
        )
        plain = self.pick(0x01, 0x03, 0x29, 0x2B, 0x39, 0x88, 0x89, 0x8A, 0x8B, 0x85, 0x87, 0x21, 0x84, 0xFF)
        return self.random.choice(
            (
                override + bytes((plain,)) + place,
                override + bytes((plain,)) + place,
                override + self.one_of("66 66 67 f0") + bytes((plain,)) + place,
                override + b"\x0f" + bytes((self.pick(0xB6, 0xBF, 0xAB, 0xB1, 0xC1, 0xA5, 0x94, 0xBC),)) + place,
                override + bytes((self.pick(0xA0, 0xA1, 0xA2, 0xA3),)) + self.offset(),
                override + self.one_of("ac ad a4 a5 a6 a7 d7"),
                b"\xb9" + word(self.random.randrange(12)) + b"\xf3" + override + self.one_of("a4 a5 a6 a7 ad"),
                override + b"\xc7" + bytes((place[0] & 0xC7,)) + place[1:] + word(self.random.getrandbits(32)),
                override + b"\x62" + place,
            )
        )

    def load(self) -> bytes:
        register = self.pick(3, 4, 4, 5, 5, 5)
        rpl = self.pick(*[0] * 12, 1, 2, 3)
        if self.random.random() < 0.2:
            pop = {3: b"\x1f", 4: b"\x0f\xa1", 5: b"\x0f\xa9"}[register]
            return b"\x68" + word(self.segment() | rpl) + pop
        return b"\xb8" + word(self.segment() | rpl) + b"\x8e" + bytes((0xC0 | register << 3,))

    def change(self) -> bytes:
        """Another descriptor in place of one that a register may hold."""
        other = self.pick(*self.DESCRIPTORS, *DESCRIPTORS)
        where = GDT + self.pick(*self.GOOD, self.FIRST + 8 * self.random.randrange(len(self.DESCRIPTORS)))
        half = self.pick(0, 4)
        return b"\xc7\x05" + word(where + half) + word(other >> 8 * half)


class RandomGuest:
    """One random kernel, to be put into several machines alike."""

    def __init__(self, seed: int, writer: type[Writer] = Writer) -> None:
        self.random = Random(seed)
        self.writer = writer
        self.contents: list[tuple[int, bytes]] = []
        furnish(lambda address, content: self.contents.append((address, content)), "hlt")
        self._memory()
        random = self.random
        self.user = random.random() < 0.3 or writer.PROGRAM
        self.paging = random.random() < 0.75
        self.regs = [self._register() for _ in range(8)]
        self.regs[4] = 0x3_0000 + 4 * random.randrange(0x2000)
        self.eflags = 2 | random.choice((0, 0, 0, IOPL_MASK)) | random.choice((0, IF))
        if writer.PROGRAM:
            self.eflags = random.choice((2, IOPL_MASK | 2, IOPL_MASK | 2 | IF))
        self.cr0 = CR0_PE | CR0_ET | (CR0_PG | random.choice((0, CR0_WP)) if self.paging else 0)
        self.cr4 = random.choice((0, CR4_PSE))
        self.period = random.randrange(2, 60) if random.random() < 0.6 else None

    def _register(self) -> int:
        random = self.random
        return random.choice(
            (
                random.getrandbits(32),
                random.randrange(DIRECTORY, 0xF_F000),
                random.randrange(DIRECTORY, 0xF_F000),
                random.randrange(300),
                0xFFC0_0000 + random.randrange(0x5000),
            )
        )

    def _memory(self) -> None:
        random = self.random
        put = self.contents.append
        for _ in range(32):
            put((random.randrange(0x2_0000, 0xF_F000), random.randbytes(random.randrange(64))))
        put((CODE, self.writer(random).code()))
        # The pages everything stands on are there; the others may be anything.
        firm = {1, 2, 5, 6, 7, 16}
        table = [
            (i if random.random() < 0.9 or i in firm else random.randrange(260)) << 12
            | (0x67 if i in firm else random.choice((0x67, 0x67, 0x67, 0x07, 0x03, 0x27, 0x65, 0x05, 0x63)))
            for i in range(1024)
        ]
        put((TABLE, b"".join(word(entry) for entry in table)))
        others = (0x3067, 0x3007, 0x3003, 0x3001, 0x2007, 0x87, 0xE7, 0x83, 0x40_0087)
        directory = [0x3067] + [random.choice(others) if random.random() < 0.3 else 0 for _ in range(1023)]
        put((DIRECTORY, b"".join(word(entry) for entry in directory)))
        descriptors = b"".join(word(each, 8) for each in DESCRIPTORS)
        descriptors += system(TSS_32, TSS, 0x67) + system(TSS_32, TSS, 0x167) + system(LDT, GDT, 0x3F)
        descriptors += b"".join(word(each, 8) for each in self.writer.DESCRIPTORS)
        put((GDT, descriptors.ljust(0x100, b"\0")))
        gates = (
            Gate(8, CODE + random.randrange(SPREAD), random.choice(HANDLER_TYPES), random.choice((0, 0, 3)))
            for _ in range(256)
        )
        put((IDT, b"".join(gate.pack() for gate in gates)))
        put((TSS, word(0) + word(0x3_8000) + word(0x10)))
        put((TSS + 0x66, word(0x68, 2)))
        put((PSEUDO_DESCRIPTORS, TableRegister(GDT, random.choice((0xFF, 0x5F, 0x17))).pack()))
        put((PSEUDO_DESCRIPTORS + 8, TableRegister(IDT, random.choice((0x7FF, 0x7FF, 0x17F))).pack()))

    def put_into(self, write: Callable[[int, bytes], None], cpu: Cpu, board: Board) -> None:
        """Load memory, registers and, if it has one, the timer."""
        for address, content in self.contents:
            write(address, content)
        enter(cpu, paging=self.paging, user=self.user, eflags=self.eflags)
        cpu.gdtr = TableRegister(GDT, 0xFF)
        cpu.tr = Segment(0x58, TSS, 0x67, access_word(type_=TSS_32 | 2, s=False, big=False, granular=False))
        cpu.cr0, cpu.cr4 = self.cr0, self.cr4
        cpu.regs[:] = self.regs
        cpu.restored()
        if self.period is not None:
            for port, value in (*TIMER_ON, (0x40, self.period), (0x40, 0)):
                board.ports.out(port, 1, value)
