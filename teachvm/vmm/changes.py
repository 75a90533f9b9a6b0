"""What an instruction changed of a guest's state, in the words of the SDM."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from teachvm.isa.flags import Flag, iopl
from teachvm.vmm.events import Change
from teachvm.vmm.view import GuestState

REGISTERS = ("EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI")
_FLAGS: Final = tuple((str(flag.name), int(flag)) for flag in Flag)
SEGMENTS = ("ES", "CS", "SS", "DS", "FS", "GS")


def changes(before: GuestState, after: GuestState, following: int | None = None) -> tuple[Change, ...]:
    """Every register, flag and field that differs, with its old and new value.

    Args:
        before: State before the instruction.
        after: State after it.
        following: Where EIP goes if the instruction is no transfer; then it is left out.
    """
    return tuple(
        change for change in _fields(before, after) if change[1] != change[2] and change[:3:2] != _eip(following)
    )


def _eip(following: int | None) -> tuple[str, int | None]:
    return "EIP", following


def _fields(before: GuestState, after: GuestState) -> Iterator[Change]:
    """Every field that may differ; groups that are equal are passed over."""
    yield "CPL", before.cpl, after.cpl
    if before.eflags != after.eflags:
        for name, flag in _FLAGS:
            yield name, int(bool(before.eflags & flag)), int(bool(after.eflags & flag))
        yield "IOPL", iopl(before.eflags), iopl(after.eflags)
    for name in ("cr0", "cr2", "cr3", "cr4"):
        yield name.upper(), getattr(before, name), getattr(after, name)
    yield "GDTR", before.gdtr.base, after.gdtr.base
    yield "IDTR", before.idtr.base, after.idtr.base
    yield "LDTR", before.ldtr.selector, after.ldtr.selector
    yield "TR", before.tr.selector, after.tr.selector
    if before.segs != after.segs:
        for index, name in enumerate(SEGMENTS):
            yield name, before.segs[index].selector, after.segs[index].selector
    for index, name in enumerate(REGISTERS):
        yield name, before.regs[index], after.regs[index]
    if before.dr != after.dr:
        for index in (0, 1, 2, 3, 6, 7):
            yield f"DR{index}", before.dr[index], after.dr[index]
    yield "halted", int(before.halted), int(after.halted)
    yield "EIP", before.eip, after.eip
