"""Values as cells and chips: what changed since the moment shown before stands beside what is now."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from teachvm.app.notation import hex32
from teachvm.app.presentation import Cell, Chip, ChipsView, Pair
from teachvm.app.wording import Editable, Link, Place, Role, Tip
from teachvm.isa.control import CR0_NAMES, CR4_NAMES
from teachvm.isa.descriptors import Segment
from teachvm.isa.flags import IOPL_MASK, Flag, iopl
from teachvm.isa.operands import REGISTER_NAMES, SEGMENT_NAMES
from teachvm.machine.register_loads import DEBUG

REGISTER_ORDER: Final = (0, 3, 1, 2, 6, 7, 5, 4)
"""EAX EBX ECX EDX ESI EDI EBP ESP, as people read them; numbers as ModRM has them."""
REGISTERS: Final = tuple(name.upper() for name in REGISTER_NAMES[32])
SEGMENTS: Final = tuple(name.upper() for name in SEGMENT_NAMES)
SHOWN_FLAGS: Final = (Flag.CF, Flag.PF, Flag.AF, Flag.ZF, Flag.SF, Flag.TF, Flag.IF, Flag.DF, Flag.OF)

FLAG_TIPS: Final = {
    Flag.CF: "Carry: the unsigned result did not fit.",
    Flag.PF: "Parity: the low byte of the result has an even number of ones.",
    Flag.AF: "Auxiliary carry: out of the low four bits.",
    Flag.ZF: "Zero: the result was zero.",
    Flag.SF: "Sign: the result was negative.",
    Flag.TF: "Trap: a #DB after each instruction.",
    Flag.IF: "Interrupt enable: external interrupts are accepted.",
    Flag.DF: "Direction: string instructions go downwards.",
    Flag.OF: "Overflow: the signed result did not fit.",
}
_SDM_FLAGS: Final = "Intel SDM Vol. 1, §3.4.3"

REGISTER_TIPS: Final = {
    "EAX": "General register: accumulator.",
    "EBX": "General register: base.",
    "ECX": "General register: count of rep and loop.",
    "EDX": "General register: port of in and out, high half of products.",
    "ESI": "General register: source of string instructions.",
    "EDI": "General register: destination of string instructions.",
    "EBP": "General register: base of a stack frame.",
    "ESP": "Stack pointer: offset of the top of the stack in SS.",
    "EIP": "Instruction pointer: offset of the next instruction in CS.",
    "CPL": "Current privilege level, the ring: 0 may do everything, 3 is for programs.",
    "IF": FLAG_TIPS[Flag.IF],
    "IOPL": "The least privileged ring that may use cli, sti, in and out.",
    "CR0": "Control register 0: the switches for protection, paging and write protection.",
    "CR2": "The linear address of the last page fault.",
    "CR3": "Physical address of the page directory.",
    "CR4": "Control register 4: extensions.",
    "GDTR": "Where the global descriptor table is: its segments.",
    "IDTR": "Where the interrupt descriptor table is: the handlers of exceptions and interrupts.",
    "LDTR": "Selector of the local descriptor table.",
    "TR": "Selector of the task state segment: where a trap to ring 0 finds its stack.",
    **{f"DR{index}": "Debug register: address of a breakpoint, if DR7 enables it." for index in range(4)},
    "DR6": "Debug status: why the last #DB came.",
    "DR7": "Debug control: which breakpoints are on, and for what.",
    "CS": "Code segment; its low two bits are the CPL.",
    "SS": "Stack segment.",
    "DS": "Data segment.",
    "ES": "Extra segment, destination of string instructions.",
    "FS": "Data segment without a fixed use.",
    "GS": "Data segment without a fixed use.",
}
_SOURCES: Final = {
    "CR0": "Intel SDM Vol. 3A, §2.5",
    "CR2": "Intel SDM Vol. 3A, §2.5",
    "CR3": "Intel SDM Vol. 3A, §2.5",
    "CR4": "Intel SDM Vol. 3A, §2.5",
    "GDTR": "Intel SDM Vol. 3A, §2.4",
    "IDTR": "Intel SDM Vol. 3A, §2.4",
    "LDTR": "Intel SDM Vol. 3A, §2.4",
    "TR": "Intel SDM Vol. 3A, §2.4",
    **dict.fromkeys(DEBUG, "Intel SDM Vol. 3B, §17.2"),
    "CPL": "Intel SDM Vol. 3A, §5.5",
    "IF": _SDM_FLAGS,
    "IOPL": _SDM_FLAGS,
}


def tip(name: str) -> Tip:
    """What a register is, and where to read about it."""
    return Tip(name, REGISTER_TIPS.get(name, ""), _SOURCES.get(name, "Intel SDM Vol. 1, §3.4"))


def cell(
    text: str,
    value: int,
    was: str | None,
    role: Role = "text",
    *,
    strong: bool = False,
    lit: bool = False,
    tip: Tip | None = None,
    link: Link | None = None,
) -> Cell:
    """A value; `was` is its text at the moment shown before, or None if that is not known.

    Args:
        text: As people read it.
        value: For copying and other radixes.
        was: Its text before.
        role: Its colour.
        strong: Emphasised.
        lit: The lesson wants it seen.
        tip: What it is.
        link: Where it leads.
    """
    changed = was is not None and was != text
    shown: Role = "now" if lit and role in ("text", "dim") else role
    return Cell(text, shown, strong or lit, was if changed else None, changed or lit, value, tip, link)


def hex_pair(name: str, value: int, before: int | None, vm: str = "", *, lit: bool = False) -> Pair:
    """A 32-bit register that may be an address."""
    was = None if before is None else hex32(before)
    link = Place("linear", value, vm)
    edit = Editable("register", name, vm)
    return Pair(name, (replace(cell(hex32(value), value, was, lit=lit, link=link), alters=edit),), tip(name))


def selector_tip(name: str, segment: Segment) -> Tip:
    """A segment register: its selector taken apart, and the hidden part the processor holds."""
    selector = segment.selector
    table = "LDT" if selector & 4 else "GDT"
    hidden = f"base {hex32(segment.base)}, limit {hex32(segment.limit)}, DPL {segment.dpl}"
    text = f"{REGISTER_TIPS[name]} Entry {selector >> 3} of the {table}, RPL {selector & 3}; {hidden}."
    return Tip(name, text, "Intel SDM Vol. 3A, §3.4")


def bits_tip(name: str, value: int) -> Tip:
    """CR0 or CR4 with the names of the bits that are set."""
    table = CR0_NAMES if name == "CR0" else CR4_NAMES
    names = " ".join(bit for bit, mask in table.items() if value & mask) or "none"
    return Tip(name, f"{REGISTER_TIPS[name]} Set: {names}.", _SOURCES[name])


def flag_chips(
    eflags: int,
    before: int | None,
    *,
    hardware: int | None = None,
    lit: frozenset[str] = frozenset(),
    vm: str = "",
) -> ChipsView:
    """EFLAGS as chips.

    Args:
        eflags: The guest's.
        before: The guest's at the moment shown before, or None.
        hardware: What the hardware holds while the guest runs, if IF and IOPL differ there.
        lit: Names the lesson wants seen.
        vm: Whose they are.
    """
    changed = 0 if before is None else eflags ^ before
    chips = []
    for flag in SHOWN_FLAGS:
        name = str(flag.name)
        hint = Tip(name, FLAG_TIPS[flag], _SDM_FLAGS)
        on = bool(eflags & flag)
        if flag is Flag.IF and hardware is not None:
            name = f"IF {int(on)}|{int(bool(hardware & flag))}"
            text = f"{FLAG_TIPS[flag]} Left: what the guest sees. Right: what the hardware holds while the guest runs."
            hint = Tip("IF", text, _SDM_FLAGS)
        differs = bool(changed & flag) or str(flag.name) in lit
        role: Role = "kernel" if flag is Flag.IF else "text"
        chips.append(Chip(name, on, differs, role, hint, int(on), Editable("flag", str(flag.name), vm)))
    level = iopl(eflags)
    name = f"IOPL {level}" if hardware is None else f"IOPL {level}|{iopl(hardware)}"
    hint = Tip("IOPL", REGISTER_TIPS["IOPL"], _SDM_FLAGS)
    differs = bool(changed & IOPL_MASK) or "IOPL" in lit
    chips.append(Chip(name, bool(level), differs, "text", hint, level, Editable("flag", "IOPL", vm)))
    return ChipsView("EFLAGS", tuple(chips))
