"""Hypercalls: what a guest kernel that knows of the VMM can ask it for, in one table.

A call is INT 0x82 from the guest's kernel (ring 1): number in EAX, arguments in EBX, ECX and EDX; the result comes back
in EAX, negative for an error, in Linux's numbers. Two things need no call. The kernel says whether events may reach it
with a byte in the page of shared information, so that turning interrupts off is a plain store. And a system call of a
program goes through a gate of the real IDT straight to the kernel.

Page tables: the guest's tables hold guest-physical frames and lie in its own memory; the hardware walks the VMM's
copies of them, which only ever map frames the guest owns, whatever the guest writes. The guest announces what it
changes, many entries with one call, and each directory before it is used; each entry is checked, and the copy is
corrected before the guest goes on, so that what it says it will use costs neither a write trap nor a hidden fault.

Source: Barham et al., "Xen and the Art of Virtualization", SOSP 2003, §3; the interface of Xen's 32-bit guests.
Deviation: in Xen's direct paging the guest's tables hold machine frames and the hardware walks them themselves; here
they stay readable as the guest means them, as with the paravirtual MMU that KVM once had. Our numbers are our own.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, Self

HYPERCALL_VECTOR: Final = 0x82
INSTRUCTION: Final = bytes((0xCD, HYPERCALL_VECTOR))
"""A hypercall as bytes: a guest that has them nowhere makes none."""
EVENT_VECTOR: Final = 0x20
"""The trap table's entry for events of all kinds."""

SHARED_MASK: Final = 0
"""Shared information, a byte: not zero while no event may be delivered. Delivery sets it."""
SHARED_PENDING: Final = 4
"""Shared information, 32 bits: one for each event that has come; the guest clears them."""
SHARED_FAULT: Final = 8
"""Shared information, 32 bits: linear address of the last page fault, in place of CR2."""
EVENT_TIMER: Final = 1 << 0
EVENT_CONSOLE: Final = 1 << 1

TRAP_BYTES: Final = 8
"""An entry of the trap table: vector, lowest ring that may use INT n, code selector, address (8, 8, 16, 32 bits)."""
MOST_TRAPS: Final = 256
UPDATE_BYTES: Final = 8
"""A page-table update: guest-physical address of the entry, its new value."""
MOST_UPDATES: Final = 1024
MOST_TEXT: Final = 4096

E_FAULT: Final = -14
E_INVALID: Final = -22
E_NO_CALL: Final = -38

_XEN: Final = "Barham et al., SOSP 2003"


class Hypercall(IntEnum):
    """One call: its number is its value.

    Columns: name, arguments in EBX, ECX, EDX, key of the cost table, explanation, source.
    """

    word: str
    arguments: tuple[str, ...]
    cost: str
    explanation: str
    source: str

    SET_TRAP_TABLE = (
        1,
        "set-trap-table",
        ("table",),
        "hypercall",
        "Where each exception, system call and event enters the kernel: in place of an IDT.",
        f"{_XEN}, §3.2.1 exceptions",
    )
    SET_GDT = (
        2,
        "set-gdt",
        ("base", "limit"),
        "hypercall",
        "The kernel's descriptor table; the VMM uses a copy in which the kernel's segments are ring 1's.",
        f"{_XEN}, §3.2 segmentation",
    )
    STACK_SWITCH = (
        3,
        "stack-switch",
        ("segment", "pointer"),
        "hypercall",
        "The stack on which the kernel is entered from a program: in place of a TSS.",
        f"{_XEN}, §3.2.1",
    )
    SET_SHARED_INFO = (
        4,
        "set-shared-info",
        ("page",),
        "hypercall",
        "The page that guest and VMM share; from now on events can come.",
        f"{_XEN}, §3.2 time and events",
    )
    SET_PAGE_TABLE = (
        5,
        "set-page-table",
        ("directory",),
        "update",
        "Use another page directory, which is checked the first time: in place of CR3, and of turning paging on.",
        f"{_XEN}, §3.3.3 virtual address translation",
    )
    MMU_UPDATE = (
        6,
        "mmu-update",
        ("updates", "count"),
        "update",
        "Change page-table entries, as many as were queued; each is checked.",
        f"{_XEN}, §3.3.3: updates are batched to pay for the change of rings once",
    )
    RELEASE_TABLE = (
        7,
        "release-table",
        ("table",),
        "hypercall",
        "A page is no page table any more; the VMM need not watch it.",
        f"{_XEN}, §3.3.3: frames have types, and a table is unpinned before it is used otherwise",
    )
    IRET = (
        8,
        "iret",
        (),
        "hypercall",
        "Return from a trap: EAX, then what IRET pops, from the stack; whether events may come is in its EFLAGS.",
        f"{_XEN}, §3.2.1",
    )
    BLOCK = (
        9,
        "block",
        (),
        "hypercall",
        "Let events come and wait for one: in place of STI and HLT.",
        f"{_XEN}, §3.3.1 scheduling",
    )
    DELIVER_EVENTS = (
        10,
        "deliver-events",
        (),
        "hypercall",
        "Deliver what has come while events were kept off.",
        f"{_XEN}, §3.2 events",
    )
    SHUTDOWN = (11, "shutdown", (), "hypercall", "The guest has ended.", f"{_XEN}, §3.1")
    SET_TIMER = (
        12,
        "set-timer",
        ("period",),
        "hypercall",
        "A timer event every so many clocks of 1.193 MHz: in place of the 8254.",
        f"{_XEN}, §3.3.2 time and timers",
    )
    CONSOLE_WRITE = (
        13,
        "console-write",
        ("text", "count"),
        "hypercall",
        "Send text to the console, all of it with one call: in place of the serial port.",
        f"{_XEN}, §3.2",
    )
    CONSOLE_READ = (
        14,
        "console-read",
        ("buffer", "count"),
        "hypercall",
        "Take what was typed.",
        f"{_XEN}, §3.2",
    )

    def __new__(
        cls, number: int, word: str, arguments: tuple[str, ...], cost: str, explanation: str, source: str
    ) -> Self:
        """Keep the columns beside the member; the number is its value."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.word = word
        member.arguments = arguments
        member.cost = cost
        member.explanation = explanation
        member.source = source
        return member


CALLS: Final = {int(call): call for call in Hypercall}
"""The calls by number."""
