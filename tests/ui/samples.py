"""Card contents as a presenter might give them: every kind of block, filled as a lesson would fill it."""

from teachvm.app.presentation import (
    Actor,
    ActorsView,
    Arrow,
    Badge,
    Bar,
    BarPart,
    BarsView,
    BitBox,
    BitField,
    CardView,
    Cell,
    Chip,
    ChipsView,
    CodeLabel,
    CodeLine,
    CodeView,
    Column,
    ConsoleView,
    Crossing,
    DiagramView,
    Fragment,
    FragmentRow,
    HexMark,
    HexRow,
    HexView,
    Label,
    Lane,
    LanesView,
    Notch,
    NoteView,
    Pair,
    PairSection,
    PairsView,
    PhaseBlock,
    PhaseStep,
    Share,
    Span,
    Stat,
    StatsView,
    Stretch,
    TableRow,
    TableView,
    Tip,
)
from teachvm.app.rail import (
    AskView,
    CheckView,
    HeaderView,
    HintView,
    LibraryEntry,
    PrimaryAction,
    RailView,
    Said,
    TaskView,
    TechniqueView,
)
from teachvm.trace.moment import Moment

SILENT = Badge(
    "sensitive · never traps", "vmm", "silent", Tip("Sensitive, unprivileged", "It does something else in ring 1.")
)
IOPL = Badge("needs IOPL · #GP(0)", "trap", "lock")
PRIVILEGED = Badge("privileged", "trap", "lock", Tip("Privileged", "Traps outside ring 0.", "SDM Vol. 3, 5.9"))


def who(running: int = 2, traps: str = "14") -> CardView:
    actors = (
        Actor("Guest program", "U", "program", (Span("ring 3 · runs directly", "dim"),), running == 0),
        Actor("Guest kernel", "K", "kernel", (Span("thinks ring 0 · really ring 1", "dim"),), running == 1),
        Actor(
            "VMM",
            "V",
            "vmm",
            (Span("ring 0 · emulating ", "dim"), Span("cli", "dim", code=True)),
            running == 2,
            Tip("Virtual machine monitor", "It runs only when something traps.", "Popek & Goldberg 1974"),
        ),
        Actor("Hardware CPU", "H", "hardware", (Span("IF = 1 · CR3 = 0040 3000", "dim", code=True),), running == 3),
    )
    crossing = Crossing(1, "#GP · trap") if running == 2 else None
    stats = StatsView(
        (
            Stat("Traps so far", traps),
            Stat("Instructions", "2\u202f318"),
            Stat("Cycles in VMM", "92\u202f%", "vmm"),
        ),
        (Share("program", 0.05, "program"), Share("kernel", 0.03, "kernel"), Share("VMM", 0.92, "vmm", True)),
    )
    return CardView((), (ActorsView(actors, crossing), stats))


def code(current: int = 0x100242, phase: int = 4) -> CardView:
    def line(address: int, data: str, mnemonic: str, operands: str = "", badge: Badge | None = None) -> CodeLine:
        now = address == current
        spans = (Span(operands),) if operands else ()
        return CodeLine(address, data, mnemonic, spans, badge, now, now and badge is not None, address == 0x100260)

    progress = ["done"] * (phase - 1) + ["now"] + ["ahead"] * 4
    texts = (
        (
            Span("CPL 1 > IOPL 0: the CPU raises "),
            Span("#GP(0)", strong=True),
            Span(" at "),
            Span("0010 0242", code=True),
        ),
        (
            Span("VMM reads the byte "),
            Span("fa", code=True),
            Span(" through the guest’s tables: "),
            Span("cli", strong=True),
        ),
        (Span("VMM emulates it: "), Span("vcpu.IF ← 0", "kernel", strong=True)),
        (Span("VMM resumes the guest at "), Span("0010 0243", code=True)),
    )
    steps = tuple(PhaseStep(text, progress[at]) for at, text in enumerate(texts))
    rows = (
        CodeLabel("sched_lock"),
        line(0x100240, "9c", "pushfd", "", SILENT),
        line(0x100241, "5b", "pop", "ebx"),
        line(0x100242, "fa", "cli", "", IOPL),
        *((PhaseBlock(steps),) if current == 0x100242 else ()),
        line(0x100243, "b8 01 00 00 00", "mov", "eax, 1"),
        line(0x100248, "87 05 10 20 10 00", "xchg", "[lock], eax"),
        line(0x10024E, "85 c0", "test", "eax, eax"),
        line(0x100250, "75 f1", "jne", "sched_lock.try"),
        CodeLabel("sched_unlock"),
        line(0x100260, "c7 05 10 20 10 00 00 00 00 00", "mov", "dword [lock], 0"),
        line(0x10026A, "53", "push", "ebx"),
        line(0x10026B, "9d", "popfd", "", SILENT),
        line(0x10026C, "c3", "ret"),
        CodeLabel("idle"),
        line(0x100270, "fb", "sti", "", IOPL),
        line(0x100271, "f4", "hlt", "", PRIVILEGED),
    )
    return CardView((Span("alpha · kernel", "dim"),), (CodeView(rows),))


def vcpu(changed: bool = True) -> CardView:
    def two(name: str, guest: str, host: str) -> Pair:
        return Pair(name, (Cell(guest, "kernel", True), Cell(host, "dim")))

    flag = Cell("0", "kernel", True, "1" if changed else None, changed, 0)
    control = (
        two("CPL", "0", "1"),
        Pair("IF", (flag, Cell("1", "dim")), Tip("Interrupt flag", "EFLAGS bit 9.", "SDM Vol. 1, 3.4.3")),
        two("CR0", "8000 0011", "8001 003b"),
        two("CR3", "0000 1000", "0040 3000"),
        two("IDTR", "0010 2800", "ffc0 1000"),
        two("GDTR", "0010 2000", "ffc0 0000"),
        two("CS", "0008", "0009"),
    )
    shared = tuple(
        Pair(name, (Cell(f"{value >> 16:04x} {value & 0xFFFF:04x}", value=value),))
        for name, value in (
            ("EAX", 1),
            ("EBX", 0x104000),
            ("ECX", 0x1C),
            ("EDX", 0),
            ("ESI", 0x10A3F0),
            ("EDI", 0),
            ("EBP", 0x10BFF0),
            ("ESP", 0x10BFEC),
            ("EIP", 0x100242),
        )
    )
    flags = ChipsView(
        "EFLAGS",
        tuple(
            Chip(name, name in ("PF", "ZF"), name == "IF 0|1" and changed, "kernel" if name == "IF 0|1" else "text")
            for name in ("CF", "PF", "AF", "ZF", "SF", "TF", "IF 0|1", "DF", "OF", "IOPL 0")
        ),
    )
    pairs = PairsView(
        (
            PairSection(control, ("guest sees", "hardware, in guest"), tint="kernel"),
            PairSection(shared, ("shared by both",)),
        )
    )
    return CardView((Span("right now the CPU is in the VMM, ring 0", "dim"),), (pairs, flags))


def walk(step: int = 3) -> CardView:
    fields = (
        BitField("dir", "directory · 10 bits", 31, 22, "0x020 · 32", "program", step >= 1),
        BitField("table", "table · 10 bits", 21, 12, "0x04a · 74", "kernel", step >= 2),
        BitField("offset", "offset · 12 bits", 11, 0, "0x3f4", "good", step >= 3),
    )

    def fragment(name: str, x: float, title: str, rows: tuple[tuple[str, str], ...], lit: str, on: bool) -> Fragment:
        made = tuple(
            FragmentRow(f"{name}{at}", index, (Span(text, code=True),), lit if at == 1 and on else None)
            for at, (index, text) in enumerate(rows)
        )
        return Fragment(name, x, 190, 232, 90, (Span(title, "dim", strong=True),), made)

    shapes = (
        Label(20, 58, 150, (Span("linear address", "dim"),), small=True),
        Label(20, 78, 150, (Span("0804 a3f4", code=True, strong=True),)),
        BitBox("word", 150, 64, 740, 38, fields, even=True),
        fragment(
            "pd",
            250,
            "Page directory · CR3 = 0000 1000",
            (("31", "not present"), ("32", "0000 3027 P W U A"), ("33", "not present")),
            "program",
            step >= 1,
        ),
        fragment(
            "pt",
            572,
            "Page table · 0000 3000",
            (("73", "0001 9067 P W U A D"), ("74", "0001 a067 P W U A D"), ("75", "0001 b025 P R U A")),
            "kernel",
            step >= 2,
        ),
        fragment(
            "pg",
            894,
            "Page · 0001 a000",
            (("3f0", "00 00 00 00"), ("3f4", "2a 00 00 00"), ("3f8", "00 00 00 00")),
            "good",
            step >= 3,
        ),
        Label(1150, 208, 110, (Span("value loaded", "dim"),), small=True),
        Label(1150, 228, 110, (Span("0000 002a", code=True, strong=True),)),
        Arrow("dir", "pd1", "bottom", "left", "program", at=0.3, lit=step >= 1),
        Arrow("pd1", "pt", "right", "left", "program", to_at=0.86, lane=0.2, lit=step >= 1),
        Arrow("table", "pt1", "bottom", "left", "kernel", at=0.6, lit=step >= 2),
        Arrow("pt1", "pg", "right", "left", "kernel", to_at=0.86, lane=0.2, lit=step >= 2),
        Arrow("offset", "pg1", "bottom", "left", "good", at=0.88, lit=step >= 3),
    )
    return CardView((Span("guest virtual → guest physical, two levels", "dim"),), (DiagramView(1280, 300, shapes),))


def memory() -> CardView:
    rows = tuple(
        HexRow(
            0x10BFE0 + 16 * at,
            tuple(f"{(at * 37 + n * 11) & 0xFF:02x}" for n in range(16)),
            "................",
            (Span("return address", "dim"),) if at == 1 else (),
            frozenset({4, 5} if at == 2 else ()),
        )
        for at in range(8)
    )
    stack = tuple(
        HexRow(
            0x10BFEC + 4 * at,
            (f"{0x100243 + at * 4096:08x}",),
            "",
            (Span(("saved EBX", "return to idle", "")[at % 3], "dim"),),
        )
        for at in range(5)
    )
    grid = HexView(rows, marks=(HexMark(20, 8, "kernel", "frame pushed by the CPU"),), title="Bytes at ESP")
    return CardView((Span("alpha · linear", "dim"),), (grid, HexView(stack, 4, title="Stack")))


def entries() -> CardView:
    columns = (
        Column("Reason", 22, stretch=True),
        Column("Count", 6, "right", code=True),
        Column("Cycles", 9, "right", code=True),
        Column("Mean", 7, "right", code=True),
    )
    data = (
        ("Privileged instruction", "9", "12\u202f441", "1\u202f382"),
        ("Hidden page fault", "5", "8\u202f010", "1\u202f602"),
        ("Guest page-table write", "3", "3\u202f990", "1\u202f330"),
        ("Timer interrupt", "2", "2\u202f110", "1\u202f055"),
        ("System call", "1", "1\u202f480", "1\u202f480"),
    )
    rows = tuple(
        TableRow(
            name,
            (
                Cell(name),
                Cell(n, changed=at == 0),
                Cell(total, was="11\u202f059" if at == 0 else None),
                Cell(mean, "dim"),
            ),
            "vmm" if at == 0 else None,
        )
        for at, (name, n, total, mean) in enumerate(data)
    )
    return CardView((Span("alpha", "dim"),), (TableView(columns, rows, empty="Nothing has trapped yet."),))


def console() -> CardView:
    return CardView(
        (Span("COM1", "dim"),), (ConsoleView("tinyos 1\ninit: two tickers\nA1 B1 A2 B2 A3\nB3 ", 3, title="alpha"),)
    )


def bars() -> CardView:
    def cut(guest: float, vmm: float) -> tuple[BarPart, ...]:
        return (BarPart("guest", guest, "program"), BarPart("VMM", vmm, "vmm", pattern=True))

    rows = (
        Bar("Bare metal", cut(10_000, 0), cut(13_500, 0), (Span("10 k", strong=True), Span("  no VMM", "dim"))),
        Bar("Paravirtualization", cut(10_000, 17_000), cut(13_500, 50_000), (Span("27 k  14 hypercalls", "dim"),)),
        Bar("Trap and emulate", cut(9_900, 428_000), (), (Span("438 k"), Span(", and the answer is wrong", "trap"))),
        Bar("Emulation", cut(0, 200_000), (), (Span("200 k", tip=Tip("Emulation", "Interpreted.")),)),
    )
    return CardView((Span("host cycles · log axis", "dim"),), (BarsView(rows, "compute", "cycles"), BarsView(())))


def note() -> CardView:
    return CardView(
        (), (NoteView((Span("Nothing was translated yet. Step until the guest turns paging on.", "dim"),), "info"),)
    )


def lanes(now: int = 2600, count: int = 40) -> LanesView:
    names = (
        Lane("Guest program", "U", "program"),
        Lane("Guest kernel", "K", "kernel"),
        Lane("VMM", "V", "vmm"),
        Lane("Devices", "H", "hardware"),
    )
    pattern = (
        (0, 90),
        (1, 38),
        (2, 22),
        (1, 62),
        (2, 18),
        (1, 24),
        (0, 140),
        (1, 30),
        (2, 24),
        (3, 12),
        (2, 10),
        (1, 40),
    )
    stretches, notches, cycle, n = [], [], 0, 0
    for at in range(count):
        lane, length = pattern[at % len(pattern)]
        if stretches and lane == 2 and stretches[-1].lane < 2:
            notches.append(
                Notch(cycle, stretches[-1].lane, 2, Moment(n, 1), "#GP(0): cli" if at % 2 else "#PF: hidden")
            )
        stretches.append(Stretch(cycle, cycle + length, lane, Moment(n, 2 if lane > 1 else 0)))
        cycle += length
        n += length if lane < 2 else 0
    return LanesView(names, tuple(stretches), tuple(notches), min(now, cycle), cycle)


ALL = {
    "who-is-running": who,
    "guest-code": code,
    "vcpu-and-cpu": vcpu,
    "guest-walk": walk,
    "memory": memory,
    "vmm-entries": entries,
    "console": console,
    "event-log": note,
    "techniques": bars,
}


TECHNIQUES = tuple(
    TechniqueView(name, label, label, why == "", why)
    for name, label, why in (
        ("bare-metal", "Bare", "Several guests share this host; bare metal runs one operating system."),
        ("trap-and-emulate", "Trap", ""),
        ("binary-translation", "Translate", ""),
        ("hardware-assist", "VT-x", ""),
        ("paravirtual", "Para", ""),
        ("emulation", "Emulate", ""),
    )
)
HEADER = HeaderView(
    "3", "Trap and emulate", ("done", "done", "now", "ahead", "ahead", "ahead"), TECHNIQUES, "trap-and-emulate"
)
PROSE = """The guest kernel believes it runs in **ring 0**. It does not: the VMM started it in **ring 1**, so the CPU
will not let it touch the real interrupt flag.

It is about to run `cli`, a **privileged instruction**. Watch the [orange lane](role:vmm) below.

### Follow the trap

Press **Step** four times. Each press is one thing that happens: the CPU refuses, the VMM looks, the VMM acts, the
guest goes on.
"""
RAIL = RailView(
    "The guest says “no more interrupts”",
    "Beat 3 of 6 · about 2 minutes",
    (
        Said(PROSE),
        TaskView("d-cli", "**Step** through `cli`.", done=True),
        CheckView("c-if", "`vcpu.IF` is 0 while the CPU’s own IF is 1"),
        CheckView("c-no", "The CPU’s own IF is 0", passed=False, detail="`cpu.flags.IF` is 1"),
        AskView(
            "q-if",
            "After the VMM resumes the guest, what does the **hardware** IF hold?",
            options=("0: the guest cleared it", "1: only the VCPU’s copy changed", "it depends on the guest"),
        ),
    ),
    (HintView("A hint", "Look at the column **hardware, in guest**."),),
    PrimaryAction("Step", "step"),
    "Let the room vote before you press **Step**.",
)
LIBRARY = (
    LibraryEntry(
        "vcpu-and-vmm",
        "2",
        "VCPU and VMM",
        "A program, a kernel and a monitor share one CPU. Who has it now?",
        10,
        5,
        5,
    ),
    LibraryEntry(
        "trap-and-emulate",
        "3",
        "Trap and emulate",
        "A guest kernel turns interrupts off. It only thinks it did.",
        15,
        6,
        3,
        ("vcpu", "privileged instruction"),
    ),
    LibraryEntry(
        "two-level-paging",
        "6",
        "Two-level paging",
        "From a linear address to a byte in memory, in two references.",
        12,
        6,
    ),
    LibraryEntry(
        "broken", "9", "A broken lesson", "", problem="lesson.md:12:3: unknown key 'hots', did you mean 'host'?"
    ),
)
