"""What the VMM does for each hypercall; nothing a guest hands over is believed.

Addresses go through the guest's own page tables, with its kernel's rights; frames have to be the guest's; counts are
bounded. A call that asks for something else gets an error number, and changes nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from teachvm.isa import paging
from teachvm.isa.control import CR0_PG, CR0_WP
from teachvm.isa.descriptors import TableRegister
from teachvm.isa.flags import IF, IOPL_MASK
from teachvm.isa.operands import EAX, ESP, SS
from teachvm.isa.paging import ENTRIES, ENTRY_SIZE, PAGE_SHIFT, PAGE_SIZE, P
from teachvm.machine.computer import CONSOLE_PORTS, MASTER_PORTS, SLAVE_PORTS, TIMER_PORTS
from teachvm.machine.exceptions import Fault
from teachvm.machine.exceptions import StopReason as CpuStop
from teachvm.machine.selectors import TABLE_INDICATOR
from teachvm.machine.transfers import interrupt_return
from teachvm.vmm.addresses import Gfn, Gpa, Gva
from teachvm.vmm.deprivilege import KERNEL_RING
from teachvm.vmm.events import ShadowFilled
from teachvm.vmm.hypercalls import (
    E_FAULT,
    E_INVALID,
    E_NO_CALL,
    MOST_TEXT,
    MOST_TRAPS,
    MOST_UPDATES,
    TRAP_BYTES,
    UPDATE_BYTES,
    Hypercall,
)
from teachvm.vmm.memory.walk import look
from teachvm.vmm.region import DIRECTORY_INDEX, GUEST_SLOTS, VMM_BASE

if TYPE_CHECKING:
    from teachvm.vmm.engines.paravirtual import Paravirtual


@dataclass(frozen=True, slots=True)
class Served:
    """What became of a call.

    Attributes:
        result: What the guest finds in EAX; None to leave its registers as the call has made them.
        items: How many things were done that cost something each.
        ended: The guest has ended.
    """

    result: int | None
    items: int = 0
    ended: bool = False


NOTHING: Final = Served(0)


def serve(engine: Paravirtual, call: Hypercall | None, arguments: list[int]) -> Served:
    """Do what the guest's kernel asks for.

    Raises:
        CpuStopped: A return from a trap that leads nowhere.
    """
    if call is None:
        return Served(E_NO_CALL)
    try:
        return _CALLS[call](engine, *arguments)
    except Fault:
        return Served(E_FAULT)


def _set_trap_table(engine: Paravirtual, table: int) -> Served:
    entries = []
    for index in range(MOST_TRAPS + 1):
        vector, ring, selector, address = struct.unpack("<BBHI", _read(engine, table + index * TRAP_BYTES, TRAP_BYTES))
        if not address:
            break
        entries.append((vector, ring & 3, selector, address))
    else:
        return Served(E_INVALID)
    if not all(_own_selector(selector) for _, _, selector, _ in entries):
        return Served(E_INVALID)
    for entry in entries:
        engine.set_trap(*entry)
    return NOTHING


def _set_gdt(engine: Paravirtual, base: int, limit: int) -> Served:
    engine.vcpu.cpu.gdtr = TableRegister(base, limit & 0xFFFF)
    return NOTHING


def _stack_switch(engine: Paravirtual, selector: int, pointer: int) -> Served:
    if not _own_selector(selector):
        return Served(E_INVALID)
    engine.set_stack(selector, pointer)
    return NOTHING


def _set_shared_info(engine: Paravirtual, page: int) -> Served:
    if not _own_page(engine, page):
        return Served(E_INVALID)
    engine.share(Gpa(page))
    ports = engine.vm.board.ports
    for port, value in _BOARD:
        ports.out(port, 1, value)
    return NOTHING


def _set_page_table(engine: Paravirtual, directory: int) -> Served:
    if not _own_page(engine, directory):
        return Served(E_INVALID)
    cpu = engine.vcpu.cpu
    cpu.cr0 |= CR0_PG | CR0_WP
    cpu.write_cr3(directory)
    return Served(0, items=_adopt(engine, Gfn(directory >> PAGE_SHIFT)))


def _mmu_update(engine: Paravirtual, updates: int, count: int) -> Served:
    if count > MOST_UPDATES:
        return Served(E_INVALID)
    raw = _read(engine, updates, count * UPDATE_BYTES)
    asked = [struct.unpack_from("<2I", raw, index * UPDATE_BYTES) for index in range(count)]
    memory, shadow = engine.vm.memory, engine.vm.shadow
    for entry, value in asked:
        if entry % ENTRY_SIZE or not _own(engine, entry) or (value & P and not _own(engine, value)):
            return Served(E_INVALID)
    for entry, value in asked:
        memory.write(entry, ENTRY_SIZE, value)
        shadow.announced(Gfn(entry >> PAGE_SHIFT))
    _correct(engine, [entry for entry, value in asked if value & P])
    return Served(count, items=count)


def _adopt(engine: Paravirtual, directory: Gfn) -> int:
    """Check a directory that was not used before: programs' pages that were said to be used get the VMM's entries.

    The kernel's tables, which all directories share, are only linked.

    Returns:
        How many entries were written.
    """
    vm = engine.vm
    if vm.shadow.knows(directory):
        return 0
    entries: list[int] = []
    for pde in _entries(engine, directory)[:DIRECTORY_INDEX]:
        table = Gfn(pde >> PAGE_SHIFT)
        if pde & P and vm.memory.is_ram(table) and len(entries) < MOST_UPDATES:
            used = [index for index, pte in enumerate(_entries(engine, table)) if pte & P and pte & paging.A]
            shown = used if pde & paging.US else used[:1]
            entries += [(table << PAGE_SHIFT) + index * ENTRY_SIZE for index in shown]
    return _correct(engine, entries[:MOST_UPDATES])


def _entries(engine: Paravirtual, table: Gfn) -> tuple[int, ...]:
    return struct.unpack(f"<{ENTRIES}I", engine.vm.memory.read_bytes(table << PAGE_SHIFT, PAGE_SIZE))


def _correct(engine: Paravirtual, entries: list[int]) -> int:
    """Write the VMM's entry for each that belongs to the address space in use, before anybody misses it.

    Returns:
        How many were written.
    """
    vm, mode = engine.vm, engine.vcpu.mode
    directory = mode.directory
    if directory is None or not entries:
        return 0
    done = 0
    places = {pde >> PAGE_SHIFT: high for high, pde in enumerate(_entries(engine, directory)) if pde & P}
    for entry in entries:
        high = places.get(entry >> PAGE_SHIFT)
        if high is None:
            continue
        linear = Gva(paging.join(high, (entry & PAGE_SIZE - 1) // ENTRY_SIZE))
        walk = look(vm.memory.read, mode, linear)
        allowed = walk.error(write=False, user=False, wp=mode.wp) is None
        if linear < VMM_BASE and allowed and walk.accessed and vm.memory.is_ram(Gfn(walk.gpa >> PAGE_SHIFT)):
            vm.shadow.activate(mode)
            filled = vm.shadow.fill(linear, walk, write=walk.dirty and walk.writable, wp=mode.wp)
            done += 1
            engine.recorder.mark(
                ShadowFilled,
                vm=vm.name,
                linear=linear,
                gpa=walk.gpa & paging.FRAME,
                hpa=filled & paging.FRAME,
                entry=filled,
            )
    return done


def _release_table(engine: Paravirtual, table: int) -> Served:
    if not _own_page(engine, table):
        return Served(E_INVALID)
    engine.vm.shadow.forget(Gfn(table >> PAGE_SHIFT))
    return NOTHING


def _iret(engine: Paravirtual) -> Served:
    cpu = engine.vcpu.cpu
    try:
        eax, selector = cpu.top(4), cpu.top(4, 8)
        if selector & 3 == KERNEL_RING:
            # The kernel knows that it runs in ring 1; its segments are the VCPU's ring 0.
            cpu.write_linear(cpu.segs[SS].base + cpu.stack_offset() + 8 & 0xFFFF_FFFF, 4, selector & 0xFFFC)
        before = cpu.regs[ESP]
        cpu.drop(4)
        try:
            interrupt_return(cpu, 4)
        except Fault:
            cpu.regs[ESP] = before
            raise
    except Fault as fault:
        raise cpu.stop(CpuStop.TRIPLE_FAULT, f"{fault} in the return from a trap, eip {cpu.eip:#010x}") from fault
    cpu.eip = cpu.next_eip
    cpu.regs[EAX] = eax
    engine.mask(on=not cpu.eflags & IF)
    cpu.eflags = cpu.eflags & ~IOPL_MASK | IF
    return Served(None)


def _block(engine: Paravirtual) -> Served:
    engine.mask(on=False)
    engine.vcpu.cpu.halted = not engine.pending
    return NOTHING


def _deliver_events(engine: Paravirtual) -> Served:
    """Nothing to do: on its way back to the guest the VMM delivers what waits."""
    return NOTHING


def _shutdown(engine: Paravirtual) -> Served:
    return Served(None, ended=True)


def _set_timer(engine: Paravirtual, period: int) -> Served:
    if not 1 < period <= 0xFFFF:
        return Served(E_INVALID)
    ports = engine.vm.board.ports
    for port, value in ((_TIMER_CONTROL, _RATE_GENERATOR), (_COUNTER_0, period & 0xFF), (_COUNTER_0, period >> 8)):
        ports.out(port, 1, value)
    return NOTHING


def _console_write(engine: Paravirtual, text: int, count: int) -> Served:
    if count > MOST_TEXT:
        return Served(E_INVALID)
    for byte in _read(engine, text, count):
        engine.vm.board.ports.out(_SERIAL, 1, byte)
    return Served(count)


def _console_read(engine: Paravirtual, buffer: int, count: int) -> Served:
    ports, cpu = engine.vm.board.ports, engine.vcpu.cpu
    done = 0
    while done < min(count, MOST_TEXT) and ports.in_(_SERIAL_STATUS, 1) & 1:
        where = buffer + done & 0xFFFF_FFFF
        cpu.probe_linear(where, 1)
        cpu.write_linear(where, 1, ports.in_(_SERIAL, 1))
        done += 1
    return Served(done)


# ---- what a guest hands over -------------------------------------------------------------------------


def _own(engine: Paravirtual, gpa: int) -> bool:
    """Whether RAM of the guest lies at a guest-physical address."""
    return engine.vm.memory.is_ram(Gfn(gpa >> PAGE_SHIFT))


def _own_selector(selector: int) -> bool:
    """Whether a selector names a slot of the guest's in the real GDT: those behind are the VMM's own."""
    return selector >> 3 < GUEST_SLOTS and not selector & TABLE_INDICATOR


def _own_page(engine: Paravirtual, gpa: int) -> bool:
    return not gpa & PAGE_SIZE - 1 and _own(engine, gpa)


def _read(engine: Paravirtual, linear: int, count: int) -> bytes:
    """Bytes the guest's kernel can read.

    Raises:
        Fault: It cannot.
    """
    cpu = engine.vcpu.cpu
    return bytes(cpu.read_linear(linear + index & 0xFFFF_FFFF, 1) for index in range(count))


_SERIAL: Final = CONSOLE_PORTS.start
_SERIAL_STATUS: Final = _SERIAL + 5
_COUNTER_0: Final = TIMER_PORTS.start
_TIMER_CONTROL: Final = TIMER_PORTS.start + 3
_RATE_GENERATOR: Final = 0x34
_MASTER, _SLAVE = MASTER_PORTS.start, SLAVE_PORTS.start
_BOARD: Final = (
    (_MASTER, 0x11), (_MASTER + 1, 0x20), (_MASTER + 1, 4), (_MASTER + 1, 1), (_MASTER + 1, 0xFF & ~(1 << 0 | 1 << 4)),
    (_SLAVE, 0x11), (_SLAVE + 1, 0x28), (_SLAVE + 1, 2), (_SLAVE + 1, 1), (_SLAVE + 1, 0xFF),
    (_SERIAL + 3, 3), (_SERIAL + 2, 7), (_SERIAL + 4, 0x0B), (_SERIAL + 1, 1),
)  # fmt: skip
"""What the VMM sets up on the virtual board, which serves it as clock and console: timer and serial port interrupt."""

_CALLS: Final[dict[Hypercall, Callable[..., Served]]] = {
    Hypercall.SET_TRAP_TABLE: _set_trap_table,
    Hypercall.SET_GDT: _set_gdt,
    Hypercall.STACK_SWITCH: _stack_switch,
    Hypercall.SET_SHARED_INFO: _set_shared_info,
    Hypercall.SET_PAGE_TABLE: _set_page_table,
    Hypercall.MMU_UPDATE: _mmu_update,
    Hypercall.RELEASE_TABLE: _release_table,
    Hypercall.IRET: _iret,
    Hypercall.BLOCK: _block,
    Hypercall.DELIVER_EVENTS: _deliver_events,
    Hypercall.SHUTDOWN: _shutdown,
    Hypercall.SET_TIMER: _set_timer,
    Hypercall.CONSOLE_WRITE: _console_write,
    Hypercall.CONSOLE_READ: _console_read,
}
