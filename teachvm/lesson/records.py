"""Values of the machine as records: processor, flags, page-table entry, TLB entry, milestone."""

from __future__ import annotations

from collections.abc import Callable

from teachvm.isa import paging
from teachvm.isa.control import CR0_PG
from teachvm.isa.descriptors import TableRegister
from teachvm.isa.flags import IOPL_MASK, IOPL_SHIFT, Flag
from teachvm.lesson.happenings import Happening
from teachvm.lesson.names import FIELD
from teachvm.lesson.scope import Record, Value
from teachvm.machine.tlb import TlbEntry
from teachvm.vmm.memory.walk import GuestWalk
from teachvm.vmm.view import GuestState
from teachvm.world.gallery import Measured

_GENERAL = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")
_SELECTORS = ("es", "cs", "ss", "ds", "fs", "gs")
_PLAIN = ("eip", "eflags", "cpl", "cr0", "cr2", "cr3", "cr4", "halted")


def _always(value: Value) -> Callable[[], Value]:
    return lambda: value


def processor(state: GuestState) -> Record:
    """A CPU's or a VCPU's registers."""
    readers = {name: _always(state.regs[index]) for index, name in enumerate(_GENERAL)}
    readers |= {name: _always(state.segs[index].selector) for index, name in enumerate(_SELECTORS)}
    readers |= {name: _always(getattr(state, name)) for name in _PLAIN}
    readers["flags"] = lambda: flags(state.eflags)
    readers["paging"] = lambda: bool(state.cr0 & CR0_PG)
    readers["gdtr"] = lambda: _table(state.gdtr)
    readers["idtr"] = lambda: _table(state.idtr)
    readers["ldtr"] = lambda: state.ldtr.selector
    readers["tr"] = lambda: state.tr.selector
    return Record("cpu", readers)


def flags(eflags: int) -> Record:
    """EFLAGS, a field for each flag."""
    readers = {str(flag.name): _always(int(bool(eflags & flag))) for flag in Flag}
    readers["IOPL"] = lambda: (eflags & IOPL_MASK) >> IOPL_SHIFT
    return Record("flags", readers)


def _table(register: TableRegister) -> Record:
    return Record("table", {"base": lambda: register.base, "limit": lambda: register.limit})


def entry(address: int, value: int) -> Record:
    """A page-directory or page-table entry."""
    return Record(
        "entry",
        {
            "address": lambda: address,
            "value": lambda: value,
            "present": lambda: bool(value & paging.P),
            "writable": lambda: bool(value & paging.RW),
            "user": lambda: bool(value & paging.US),
            "accessed": lambda: bool(value & paging.A),
            "dirty": lambda: bool(value & paging.D),
            "frame": lambda: value & paging.FRAME,
        },
    )


def walk(linear: int, directory_address: int, found: GuestWalk) -> Record:
    """The two entries that translate an address, and what they amount to."""
    directory, table, offset = paging.split(linear)
    pte = found.pte
    table_address = 0 if found.table is None else (found.table << paging.PAGE_SHIFT) + table * paging.ENTRY_SIZE
    leaf_reached = found.large or pte is not None
    present = leaf_reached and bool(found.pde & (paging.P if pte is None else pte & paging.P))
    return Record(
        "walk",
        {
            "linear": lambda: linear,
            "directory": lambda: directory,
            "table": lambda: table,
            "offset": lambda: offset,
            "pde": lambda: entry(directory_address + directory * paging.ENTRY_SIZE, found.pde),
            "pte": lambda: None if pte is None else entry(table_address, pte),
            "references": lambda: 1 if pte is None else 2,
            "present": lambda: present,
            "user": lambda: present and found.user,
            "writable": lambda: present and found.writable,
            "physical": lambda: int(found.gpa) if present else None,
        },
    )


def cached(found: TlbEntry | None) -> Record:
    """What the TLB holds for one page."""
    readers: dict[str, Callable[[], Value]] = {name: _always(None) for name in FIELD["cached"]}
    readers["hit"] = lambda: found is not None
    if found is not None:
        known = found
        readers["frame"] = lambda: known.frame
        readers["writable"] = lambda: known.writable
        readers["user"] = lambda: known.user
        readers["dirty"] = lambda: known.dirty
    return Record("cached", readers)


def measured(here: Measured, in_ring_0: Measured) -> Record:
    """What an instruction of the gallery did in one ring."""
    return Record(
        "measured",
        {
            "silent": lambda: here.silent,
            "same": lambda: here.same_as(in_ring_0),
            "eax": lambda: here.eax,
            "vector": lambda: here.vector,
            "error": lambda: here.error,
        },
    )


def milestone(happening: Happening | None) -> Record:
    """A milestone that happened, or the fact that none did."""
    readers: dict[str, Callable[[], Value]] = {name: _always(None) for name in FIELD["milestone"]}
    readers["happened"] = lambda: happening is not None
    if happening is not None:
        event = happening.event
        readers["n"] = lambda: event.at.n
        readers["phase"] = lambda: event.at.phase
        readers["cycles"] = lambda: event.cycles
        readers |= {name: _always(value) for name, value in happening.facts.items()}
    return Record("milestone", readers)
