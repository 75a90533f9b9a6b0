"""Parts of sentences: values one can go to, vectors, paging entries and register changes, each written one way."""

from __future__ import annotations

from typing import Final

from teachvm.app.notation import count, hex32
from teachvm.app.wording import Place, Role, Span, Tip
from teachvm.isa import paging
from teachvm.isa.exceptions import VECTORS, Vector
from teachvm.vmm import events as vmm
from teachvm.vmm.entries import EntryKind, EntryReason

FLAG_NAMES: Final = frozenset(
    ("CF", "PF", "AF", "ZF", "SF", "TF", "IF", "DF", "OF", "NT", "RF", "VM", "AC", "VIF", "VIP", "ID", "IOPL", "CPL")
)
SELECTORS: Final = frozenset(("ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR"))


def words(text: str) -> Span:
    """Plain words."""
    return Span(text)


def strong(text: str, role: Role = "text") -> Span:
    """The word the sentence is about."""
    return Span(text, role, strong=True)


def value(text: str) -> Span:
    """A machine value."""
    return Span(text, code=True)


def place(address: int, vm: str = "") -> Span:
    """A linear address one can go to."""
    return Span(hex32(address), code=True, link=Place("linear", address, vm))


def physical(address: int, space: str = "guest-physical", vm: str = "") -> Span:
    """A guest-physical or host-physical address one can go to."""
    if space == "guest-physical":
        return Span(hex32(address), code=True, link=Place("guest-physical", address, vm))
    return Span(hex32(address), code=True, link=Place("host-physical", address))


def vector_name(vector: int, error: int | None) -> str:
    """`#GP(0)`, `#PF(7)`, `#UD`, `interrupt 0x20`."""
    info = VECTORS.get(vector)
    if info is None:
        return f"interrupt {vector:#x}"
    return info.mnemonic if error is None else f"{info.mnemonic}({number(error)})"


def entry_word(entered: vmm.VmmEntered) -> str:
    """What such an entry is called: `trap`, `exit`, `callout`, or `hypercall`, which is a trap that was meant."""
    return EntryReason.HYPERCALL.label if entered.reason is EntryReason.HYPERCALL else entered.kind.value


def fall(entered: vmm.VmmEntered, between: str) -> str:
    """What took the processor from a guest, and what that is called: `#GP(0) · trap`, `hlt · exit`, `cli · callout`."""
    if entered.reason is EntryReason.HYPERCALL:
        return f"int {entered.vector:#x}{between}hypercall"
    if entered.kind is EntryKind.TRAP:
        return f"{vector_name(entered.vector, entered.error)}{between}trap"
    return f"{entered.reason.label}{between}{entered.kind.value}"


def number(amount: int) -> str:
    """A small constant: decimal below ten, else hexadecimal."""
    return str(amount) if amount < 10 else f"{amount:#x}"


def vector_span(vector: int, error: int | None) -> Span:
    """A vector's name with what it means."""
    info = VECTORS.get(vector)
    name = vector_name(vector, error)
    if info is None:
        return Span(
            name, "trap", strong=True, tip=Tip(name, "Raised by a device or by int n; the vector picks a gate.")
        )
    text = f"A {info.kind.value}."
    if vector == Vector.PF and error is not None:
        text += f" {error_meaning(error)}."
    return Span(name, "trap", strong=True, tip=Tip(info.title, text, "Intel SDM Vol. 3A, ch. 6"))


def error_meaning(error: int) -> str:
    """A page-fault error code in words."""
    parts = [
        "a rights violation" if error & paging.ERROR_P else "the page is not present",
        "write" if error & paging.ERROR_WR else "read",
        "from ring 3" if error & paging.ERROR_US else "from a supervisor ring",
    ]
    if error & paging.ERROR_RSVD:
        parts.append("a reserved bit is set")
    return ", ".join(parts)


def entry_bits(entry: int, *, leaf: bool = True) -> str:
    """The flags of a paging entry by letter: `P W U A D`; a read-only or supervisor entry says R and S."""
    if not entry & paging.P:
        return "not present"
    letters = ["P", "W" if entry & paging.RW else "R", "U" if entry & paging.US else "S"]
    letters += ["A"] if entry & paging.A else []
    letters += ["D"] if entry & paging.D and (leaf or entry & paging.PS) else []
    letters += ["PS"] if entry & paging.PS and not leaf else []
    return " ".join(letters)


def entry_text(entry: int, *, leaf: bool = True) -> str:
    """A paging entry: its value and its flags."""
    return f"{hex32(entry)} {entry_bits(entry, leaf=leaf)}" if entry else "not present"


def change_text(name: str, new: int) -> str:
    """One changed register, flag or field of a VCPU: `IF ← 0`."""
    if name == "halted":
        return "halted" if new else "awake"
    if name in FLAG_NAMES:
        return f"{name} ← {new}"
    return f"{name} ← {new:04x}" if name in SELECTORS else f"{name} ← {hex32(new)}"


STATUS_NAMES: Final = frozenset(("CF", "PF", "AF", "ZF", "SF", "OF"))


def changes_span(changes: tuple[vmm.Change, ...], most: int = 3) -> Span:
    """What an instruction changed of the VCPU; status flags only when nothing else changed."""
    telling = [change for change in changes if change[0] not in STATUS_NAMES] or list(changes)
    if not telling:
        return Span("no register changes", "kernel")
    shown = ", ".join(f"vcpu.{change_text(name, new)}" for name, _, new in telling[:most])
    rest = f" and {count(len(telling) - most)} more" if len(telling) > most else ""
    full = ", ".join(f"{name} {old:#x} → {new:#x}" for name, old, new in changes)
    return Span(shown + rest, "kernel", strong=True, tip=Tip("Changes of the VCPU", full))
