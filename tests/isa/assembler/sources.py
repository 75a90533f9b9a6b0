"""Random sources in the assembler's dialect, which is NASM's: the same seed gives the same text on every machine."""

import random
from collections.abc import Callable

from teachvm.isa import conditions

R8 = ("al", "cl", "dl", "bl", "ah", "ch", "dh", "bh")
R16 = ("ax", "cx", "dx", "bx", "sp", "bp", "si", "di")
R32 = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")
SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs")
REGISTERS = {8: R8, 16: R16, 32: R32}
KEYWORDS = {8: "byte", 16: "word", 32: "dword", 64: "qword"}
CONDITIONS = tuple(
    suffix.lower() for condition in conditions.CONDITIONS for suffix in (condition.suffix, *condition.synonyms)
)
ALU = ("add", "or", "adc", "sbb", "and", "sub", "xor", "cmp")
SHIFTS = ("rol", "ror", "rcl", "rcr", "shl", "sal", "shr", "sar")
PLAIN = (
    "daa", "das", "aaa", "aas", "cbw", "cwde", "cwd", "cdq", "pusha", "pushad", "pushaw", "popa", "popad",
    "popaw", "pushf", "pushfd", "pushfw", "popf", "popfd", "popfw", "sahf", "lahf", "cmc", "clc", "stc", "cld",
    "std", "salc", "leave", "ret", "retn", "retf", "int3", "int1", "into", "iret", "iretd", "iretw", "ud2",
    "movsb", "movsw", "movsd", "cmpsb", "cmpsw", "cmpsd", "stosb", "stosw", "stosd", "lodsb", "lodsw", "lodsd",
    "scasb", "scasw", "scasd", "insb", "insw", "insd", "outsb", "outsw", "outsd", "clts", "invd", "wbinvd",
    "wrmsr", "rdmsr", "hlt", "rdtsc", "cpuid", "cli", "sti", "nop", "xlatb", "xlat", "aam", "aad", "icebp",
)  # fmt: skip
NUMBERS = (
    0,
    1,
    2,
    5,
    0x7F,
    0x80,
    0xFF,
    0x100,
    0x1234,
    0x7FFF,
    0x8000,
    0xFF80,
    0xFFFF,
    0x12345678,
    0x80000000,
    0xFFFFFFFF,
)


class Statements:
    """Makes one valid statement after another from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._kinds: tuple[Callable[[], str], ...] = (
            *(self._alu,) * 4,
            *(self._mov,) * 4,
            *(self._one_operand,) * 2,
            *(self._shift,) * 2,
            self._test, self._xchg, self._multiply, self._bits, self._extend, self._conditional, self._double_shift,
            self._stack, self._stack, self._plain, self._plain, self._ports, self._segment, self._system, self._far,
            self._pointer, self._branch, self._string, self._locked,
        )  # fmt: skip

    def next(self) -> str:
        """One statement."""
        return self._pick(self._kinds)()

    def _pick(self, choices: tuple) -> object:
        return self._random.choice(choices)

    def number(self, width: int) -> str:
        """A constant that fits `width` bits, as people write them."""
        value = self._pick(NUMBERS) & (1 << width) - 1
        if value >> width - 1 and self._random.random() < 0.5:
            value -= 1 << width
        if value < 0:
            return str(value)
        return self._pick((f"{value}", f"{value:#x}", f"0{value:x}h", f"{value:b}b"))

    def register(self, width: int) -> str:
        return self._pick(REGISTERS[width])

    def memory(self, width: int = 0) -> str:
        """A memory operand, with its size in front if there is one."""
        size = f"{KEYWORDS[width]} " if width else ""
        segment = f"{self._pick(SEGMENTS)}:" if self._random.random() < 0.2 else ""
        displacement = self._pick(("", "+4", "-4", "+127", "-128", "+128", "+0x12345678", "-0x1000", "+0xfffffff0"))
        base, index = self._pick(R32), self._pick(tuple(name for name in R32 if name != "esp"))
        scale = self._pick((1, 2, 4, 8))
        shape = self._pick(("plain", "base", "base", "index", "both", "both", "sum", "16"))
        if shape == "plain":
            return f"{size}[{segment}{self._pick(NUMBERS):#x}]"
        if shape == "base":
            return f"{size}[{segment}{base}{displacement}]"
        if shape == "index":
            return f"{size}[{segment}{index}*{self._pick((1, 2, 3, 4, 5, 8, 9))}{displacement}]"
        if shape == "both":
            return f"{size}[{segment}{base}+{index}*{scale}{displacement}]"
        if shape == "sum":
            return f"{size}[{segment}{index}+{base if base != index else 'edi'}{displacement}]"
        place = self._pick(("bx", "bp", "si", "di", "bx+si", "bx+di", "bp+si", "bp+di"))
        return f"{size}[{segment}{place}{self._pick(('', '+4', '-128', '+0x1234'))}]"

    def either(self, width: int) -> str:
        """A register or sized memory."""
        return self.register(width) if self._random.random() < 0.5 else self.memory(width)

    def _width(self) -> int:
        return self._pick((8, 16, 32, 32))

    def _pair(self, word: str) -> str:
        width = self._width()
        if self._random.random() < 0.5:
            return f"{word} {self.register(width)}, {self.either(width)}"
        return f"{word} {self.either(width)}, {self.register(width)}"

    def _alu(self) -> str:
        width = self._width()
        if self._random.random() < 0.5:
            return self._pair(self._pick(ALU))
        return f"{self._pick(ALU)} {self.either(width)}, {self.number(width)}"

    def _mov(self) -> str:
        width = self._width()
        if self._random.random() < 0.6:
            return self._pair("mov")
        return f"mov {self.either(width)}, {self.number(width)}"

    def _one_operand(self) -> str:
        return f"{self._pick(('inc', 'dec', 'not', 'neg', 'mul', 'imul', 'div', 'idiv'))} {self.either(self._width())}"

    def _shift(self) -> str:
        return f"{self._pick(SHIFTS)} {self.either(self._width())}, {self._pick(('1', 'cl', '4', '31', '0'))}"

    def _test(self) -> str:
        width = self._width()
        if self._random.random() < 0.5:
            return self._pair("test")
        return f"test {self.either(width)}, {self.number(width)}"

    def _xchg(self) -> str:
        statement = self._pair("xchg")
        # NASM writes xchg eax, eax as nop, one byte shorter.
        return "xchg ebx, ecx" if statement in ("xchg eax, eax", "xchg ax, ax") else statement

    def _multiply(self) -> str:
        width = self._pick((16, 32))
        form = self._pick((2, 3, 4))
        if form == 2:
            return f"imul {self.register(width)}, {self.either(width)}"
        if form == 3:
            return f"imul {self.register(width)}, {self.either(width)}, {self.number(width)}"
        return f"{self._pick(('xadd', 'cmpxchg'))} {self.either(width)}, {self.register(width)}"

    def _bits(self) -> str:
        width = self._pick((16, 32))
        if self._random.random() < 0.3:
            return f"{self._pick(('bsf', 'bsr'))} {self.register(width)}, {self.either(width)}"
        operand = self._pick((self.register(width), str(self._pick((0, 5, 31)))))
        return f"{self._pick(('bt', 'bts', 'btr', 'btc'))} {self.either(width)}, {operand}"

    def _extend(self) -> str:
        word = self._pick(("movzx", "movsx"))
        target, source = self._pick(((32, 8), (32, 16), (16, 8)))
        return f"{word} {self.register(target)}, {self.either(source)}"

    def _conditional(self) -> str:
        condition = self._pick(CONDITIONS)
        if self._random.random() < 0.5:
            return f"set{condition} {self.either(8)}"
        width = self._pick((16, 32))
        return f"cmov{condition} {self.register(width)}, {self.either(width)}"

    def _double_shift(self) -> str:
        width = self._pick((16, 32))
        count = self._pick(("cl", "4", "31"))
        return f"{self._pick(('shld', 'shrd'))} {self.either(width)}, {self.register(width)}, {count}"

    def _stack(self) -> str:
        width = self._pick((16, 32))
        kind = self._pick(("operand", "segment", "constant", "enter"))
        if kind == "operand":
            return f"{self._pick(('push', 'pop'))} {self.either(width)}"
        if kind == "segment":
            return self._pick(
                ("push cs", *(f"{w} {s}" for w in ("push", "pop") for s in ("es", "ss", "ds", "fs", "gs")))
            )
        if kind == "constant":
            return f"push {self._pick(('', KEYWORDS[width] + ' '))}{self.number(width)}"
        return self._pick(
            ("enter 8, 0", "enter 0x1234, 1", "ret 8", "retf 0x1000", "int 0x80", "int 3", "aam 7", "aad 3")
        )

    def _plain(self) -> str:
        return self._pick(PLAIN)

    def _ports(self) -> str:
        accumulator, port = self._pick(("al", "ax", "eax")), self._pick(("dx", "0x60", "0xff"))
        return self._pick((f"in {accumulator}, {port}", f"out {port}, {accumulator}"))

    def _segment(self) -> str:
        segment = self._pick(("es", "ss", "ds", "fs", "gs"))
        return self._pick(
            (
                f"mov {segment}, {self.register(16)}",
                f"mov {segment}, {self.register(32)}",
                f"mov {self.register(16)}, {segment}",
                f"mov {self.register(32)}, {segment}",
                f"mov {self.memory()}, {segment}",
                f"mov {segment}, {self.memory()}",
            )
        )

    def _system(self) -> str:
        width = self._pick((16, 32))
        table, selector = (
            self._pick(("lgdt", "lidt", "sgdt", "sidt")),
            self._pick(("lldt", "ltr", "verr", "verw", "lmsw")),
        )
        return self._pick(
            (
                f"{table} {self.memory()}",
                f"{selector} {self.either(16)}",
                f"{self._pick(('sldt', 'str', 'smsw'))} {self.register(width)}",
                f"{self._pick(('sldt', 'str', 'smsw'))} {self.memory()}",
                f"lar {self.register(width)}, {self.register(16)}",
                f"lsl {self.register(width)}, {self.memory()}",
                f"arpl {self.either(16)}, {self.register(16)}",
                f"invlpg {self.memory()}",
                f"mov {self._pick(('cr0', 'cr2', 'cr3', 'cr4', 'dr0', 'dr7'))}, {self.register(32)}",
                f"mov {self.register(32)}, {self._pick(('cr0', 'cr2', 'cr3', 'cr4', 'dr3', 'dr6'))}",
                f"bound {self.register(width)}, {self.memory()}",
            )
        )

    def _far(self) -> str:
        word = self._pick(("jmp", "call"))
        size = self._pick(("", "", "word ", "dword "))
        offset = 0x1234 if size == "word " else 0x100000
        return self._pick((f"{word} {size}0x08:{offset:#x}", f"{word} far {size}{self.memory()}"))

    def _pointer(self) -> str:
        word = self._pick(("lea", "les", "lds", "lss", "lfs", "lgs"))
        return f"{word} {self.register(self._pick((16, 32)))}, {self.memory()}"

    def _branch(self) -> str:
        word = self._pick(("jmp", "call", *(f"j{condition}" for condition in CONDITIONS)))
        return self._pick(
            (
                f"{word} {self._pick(('', 'near '))}$$+{self._pick((0, 0x20, 0x12345))}",
                f"{self._pick(('jecxz', 'jcxz', 'loop', 'loopz', 'loopne'))} $+{self._pick((0, 9, 100))}",
                f"j{self._pick(CONDITIONS)} short $-{self._pick((0, 9, 100))}",
                f"{self._pick(('jmp', 'call'))} {self._pick((self.register(32), self.memory(), self.memory(32)))}",
            )
        )

    def _string(self) -> str:
        word = self._pick(("movsb", "movsw", "movsd", "stosb", "stosd", "lodsd", "insb", "outsd"))
        comparing = self._pick(("cmpsb", "cmpsd", "scasb", "scasw"))
        return self._pick(
            (f"rep {word}", f"{self._pick(('repe', 'repz', 'repne', 'repnz'))} {comparing}", f"es {word}")
        )

    def _locked(self) -> str:
        width = self._width()
        word = self._pick(("add", "or", "and", "sub", "xor", "xchg", "xadd", "cmpxchg"))
        return self._pick(
            (
                f"lock {word} {self.memory(width)}, {self.register(width)}",
                f"lock {self._pick(('inc', 'dec', 'not', 'neg'))} {self.memory(width)}",
                f"lock {self._pick(('bts', 'btr', 'btc'))} {self.memory(32)}, {self.register(32)}",
                f"lock cmpxchg8b {self.memory()}",
            )
        )


def statements(count: int, seed: int) -> list[str]:
    """So many valid statements."""
    made = Statements(seed)
    return [made.next() for _ in range(count)]


def program(seed: int, lines: int = 150) -> str:
    """A whole source: labels before and after their use, jumps of every distance, data, macros, conditions, padding."""
    made = Statements(seed)
    choose = random.Random(f"program {seed}")
    count = max(2, lines // 10)
    labels = [f"label_{i}" for i in range(count)]
    numbers = [f"NUMBER_{i}" for i in range(4)]
    boundary = choose.choice((16, 64, 4096))
    out = [
        "bits 32",
        f"org {choose.choice((0, 0x1000, 0x100000)):#x}",
        "%define FAR_AWAY label_0",
        "%assign turns 3",
        "%macro PAIR 2",
        "%%first: dd %1, %%second - %%first",
        "%%second: db %2, 0",
        "%endmacro",
        "%macro JUMP 1-2 label_1",
        "        test eax, eax",
        "        jz %1",
        "        jmp %2",
        "%endmacro",
        f"%if {choose.randrange(2)}",
        "EARLY equ 5",
        "%else",
        "EARLY equ 300",
        "%endif",
    ]
    placed = sorted(choose.sample(range(lines), count))
    for line in range(lines):
        if line in placed:
            name = labels[placed.index(line)]
            out += [f"{name}:", f".inner: {made.next()}"]
        target = choose.choice((*labels, *(f"{label}.inner" for label in labels)))
        other = choose.choice(labels)
        out += choose.choice(
            (
                lambda: [f"        {made.next()}"],
                lambda: [f"        {made.next()}"],
                lambda t=target: [f"        {choose.choice(('jmp', 'call', 'jz', 'jg', 'jnc'))} {t}"],
                lambda t=target: [f"        {choose.choice(('jmp', 'jz', 'jb'))} {t}"],
                lambda t=target: [f"        mov eax, {t} + {choose.randrange(9)}"],
                lambda t=target: [f"        push {t}", f"        cmp dword [ebx+4], {t}"],
                lambda t=target: [f"        add ecx, [esi+{t}]", f"        lea edx, [eax*4+{t}-4]"],
                lambda t=target, o=other: [f"        add eax, {t}-{o}", f"        mov ecx, [ebx+({t}-{o})]"],
                lambda: [
                    f"        sub esp, {choose.choice(numbers)}",
                    f"        shl eax, {choose.choice(numbers)} & 3",
                ],
                lambda t=target: [f"        dd {t}, $, $$, {t}-$, 'abcd', 'a', -1", "        dw 'abc', EARLY"],
                lambda t=target: [f"        PAIR {t}, 'text'"],
                lambda t=target: [f"        JUMP {t}", f"        JUMP label_0, {t}"],
                lambda: ["%rep turns", "        dd turns", "%assign turns turns + 1", "%endrep", "%assign turns 2"],
                lambda: [
                    f"        times {choose.randrange(40)} {choose.choice(('nop', 'db 1, 2', 'dw $-$$', 'resb 3'))}"
                ],
                lambda: [
                    f"        align {choose.choice((2, 4, 16, boundary))}{choose.choice(('', ', db 0', ', nop'))}"
                ],
                lambda: [
                    f"        resb {choose.randrange(9)}",
                    f"        times 9 - {choose.randrange(9)} db '{choose.choice('xyz')}'",
                ],
                lambda: ["        jmp 0x08:FAR_AWAY"],
            )
        )()
    out += [f"{name} equ {i * 60 + 1}" for i, name in enumerate(numbers)]
    return "\n".join(out) + "\n"
