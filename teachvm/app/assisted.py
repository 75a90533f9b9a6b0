"""What happens in non-root mode and in nested tables, in words; see `sentences`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from teachvm.app.notation import hex32, plural
from teachvm.app.phrases import entry_bits, entry_text, physical, place, strong, value, vector_span, words
from teachvm.app.wording import Role, Span, Text, Tip
from teachvm.isa.exceptions import Vector
from teachvm.trace.events import Event
from teachvm.vmm.techniques import Paging
from teachvm.vmm.vmx import events as vmx
from teachvm.vmm.vmx.exits import ExitReason

Said = tuple[Role, str, Text]
LEVELS: Final = {"pde": "guest PDE", "pte": "guest PTE", "nested-pde": "nested PDE", "nested-pte": "nested PTE"}
"""What people call the entries of a two-dimensional walk."""


def exit_span(name: str) -> Span:
    """A basic exit reason by number and name."""
    reason = ExitReason[name]
    tip = Tip(reason.name, reason.explanation, "Intel SDM Vol. 3D, appendix C")
    return Span(f"exit {reason.value} {reason.name}", "vmm", code=True, tip=tip)


def _vm_exited(event: vmx.VmExited) -> Said:
    tip = Tip(event.reason.label, event.reason.explanation, event.reason.source)
    why = Span(event.reason.label, "vmm", strong=True, tip=tip)
    where = (words(", "), exit_span(event.name), words(" at "), place(event.eip, event.vm), words(f" in {event.vm}"))
    vector = () if event.vector < 0 else (words(" by "), vector_span(event.vector, event.error))
    return "vmm", "CPU", (words("exits to the VMM for "), why, *vector, *where)


def _nested_referenced(event: vmx.NestedReferenced) -> Said:
    nested = event.level.startswith("nested")
    what = (words("for gPA "), value(hex32(event.gpa))) if nested else (words("at gPA "), value(hex32(event.gpa)))
    shown = entry_text(event.entry, leaf=event.level.endswith("pte"))
    text = (words(f"walks for {hex32(event.linear)}: reads the {LEVELS[event.level]} "), *what)
    return "hardware", "CPU", (*text, words(f", hPA {hex32(event.host_address)}: "), value(shown))


def _nested_page_walked(event: vmx.NestedPageWalked) -> Said:
    why = {"read": "a read", "write": "a write", "fetch": "a fetch"}[event.access]
    many = plural(len(event.references), "reference")
    text = (words(f"walks both dimensions for {why} at "), place(event.linear), words(f": {many}, "))
    if event.host_frame is None or event.frame is None:
        return "hardware", "CPU", (*text, words("no translation, "), vector_span(int(Vector.PF), event.error))
    return (
        "hardware",
        "CPU",
        (
            *text,
            words("gPA "),
            value(hex32(event.frame)),
            words(" → hPA "),
            value(hex32(event.host_frame)),
        ),
    )


def _nested_filled(event: vmx.NestedFilled) -> Said:
    return (
        "vmm",
        "VMM",
        (
            words("fills the nested entry: gPA "),
            physical(event.gpa, vm=event.vm),
            words(" → hPA "),
            physical(event.hpa, "host-physical"),
            words(f", {entry_bits(event.entry)}"),
        ),
    )


def _guest_entered(event: vmx.GuestEntered) -> Said:
    tip = Tip("VM entry", f"The VMM executes vmresume. The guest is in ring {event.cpl} of non-root mode.")
    where = Span(hex32(event.eip), code=True, tip=tip, link=place(event.eip, event.vm).link)
    return "vmm", "VMM", (words("enters the guest at "), where)


def _paging_switched(event: vmx.PagingSwitched) -> Said:
    label = Paging(event.paging).label.lower()
    return "vmm", "VMM", (words(f"translates the addresses of {event.vm} by "), strong(label), words(" from now on"))


ASSISTED: Final[dict[type[Event], Callable[[Any], Said]]] = {
    vmx.VmExited: _vm_exited,
    vmx.NestedReferenced: _nested_referenced,
    vmx.NestedPageWalked: _nested_page_walked,
    vmx.NestedFilled: _nested_filled,
    vmx.GuestEntered: _guest_entered,
    vmx.PagingSwitched: _paging_switched,
}
"""Every kind of event of non-root mode, and its sentence."""
