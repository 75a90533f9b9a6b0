"""A VM with a small guest of a test's own, and its world: what the tests of the VMM run on.

Guest-physical memory: GDT 0x1000, page directory 0x2000, page table 0x3000 (the first megabyte at its own address),
TSS 0x5000, IDT 0x6000 with a handler of `hlt` for every vector at 0x8000 + 16 * vector, code 0x10000, stacks below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import TypeVar

from teachvm.host.host import Host
from teachvm.host.scheduler import RoundRobin
from teachvm.isa.assembler import Assembly, assemble
from teachvm.isa.control import CR0_ET, CR0_PE, CR0_PG, CR0_WP
from teachvm.isa.descriptors import (
    INTERRUPT_GATE_32,
    TSS_32,
    TSS_32_BUSY,
    Gate,
    Segment,
    TableRegister,
    access_word,
    flat_code,
    flat_data,
    null_segment,
)
from teachvm.isa.operands import CS, ESP
from teachvm.machine.computer import Machine
from teachvm.machine.cpu import Cpu
from teachvm.machine.memory import Memory
from teachvm.trace.events import Event
from teachvm.trace.recorder import Recorder
from teachvm.trace.state import Registry
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.events import VmmEntered
from teachvm.vmm.memory.shadow import LEAST_BUDGET
from teachvm.vmm.techniques import Paging, ShadowPolicy, Technique, Translation
from teachvm.vmm.vm import Vm

MIB = 1 << 20
GDT, DIRECTORY, TABLE, TSS, IDT, HANDLERS, CODE = 0x1000, 0x2000, 0x3000, 0x5000, 0x6000, 0x8000, 0x1_0000
KERNEL_STACK, USER_STACK, INNER_STACK = 0x4_0000, 0x4_8000, 0x4_4000
KERNEL_CODE, KERNEL_DATA, USER_CODE, USER_DATA, TASK, SPARE_TASK = 0x08, 0x10, 0x1B, 0x23, 0x28, 0x30
UNTOUCHED_DATA, CONFORMING = 0x38, 0x40
"""Kernel data with the accessed bit clear; conforming code of ring 0."""

E = TypeVar("E", bound=Event)


@cache
def assembled(source: str) -> Assembly:
    return assemble(f"bits 32\norg {CODE}\nstart:\n{source}\n", second_opinion=False)


def task(selector: int, type_: int) -> Segment:
    return Segment(selector, TSS, 0x67, access_word(type_=type_, s=False, big=False, granular=False))


def descriptors() -> bytes:
    untouched = flat_data(UNTOUCHED_DATA)
    return b"".join(
        segment.pack()
        for segment in (
            null_segment(),
            flat_code(KERNEL_CODE),
            flat_data(KERNEL_DATA),
            flat_code(USER_CODE, 3),
            flat_data(USER_DATA, 3),
            task(TASK, TSS_32_BUSY),
            task(SPARE_TASK, TSS_32),
            Segment(UNTOUCHED_DATA, 0, untouched.limit, untouched.access & ~1),
            Segment(CONFORMING, 0, 0xFFFF_FFFF, access_word(type_=0xF)),
        )
    )


GDT_LIMIT = len(descriptors()) - 1


def furnish(write: Callable[[int, bytes], None], source: str) -> None:
    """Put tables, handlers and code into a guest's physical memory."""
    write(GDT, descriptors())
    write(
        IDT,
        b"".join(Gate(KERNEL_CODE, handler(v), INTERRUPT_GATE_32, 3 if v == 0x80 else 0).pack() for v in range(256)),
    )
    write(HANDLERS, (b"\xf4" + b"\xcc" * 15) * 256)
    write(DIRECTORY, (TABLE | 0x67).to_bytes(4, "little"))
    write(TABLE, b"".join((gfn << 12 | 0x67).to_bytes(4, "little") for gfn in range(256)))
    task_state = bytearray(0x68)
    task_state[4:12] = INNER_STACK.to_bytes(4, "little") + KERNEL_DATA.to_bytes(4, "little")
    task_state[0x66:0x68] = (0x68).to_bytes(2, "little")
    write(TSS, bytes(task_state))
    write(CODE, assembled(source).data)


def enter(cpu: Cpu, *, paging: bool = True, user: bool = False, eflags: int = 2) -> None:
    """Set a processor up as a kernel would have: tables loaded, paging on, in ring 0 or in ring 3."""
    ring = 3 if user else 0
    code, data = (USER_CODE, USER_DATA) if user else (KERNEL_CODE, KERNEL_DATA)
    cpu.gdtr, cpu.idtr = TableRegister(GDT, GDT_LIMIT), TableRegister(IDT, 0x7FF)
    cpu.tr = task(TASK, TSS_32_BUSY)
    cpu.segs[:] = [flat_data(data, ring) for _ in range(6)]
    cpu.segs[CS] = flat_code(code, ring)
    cpu.cpl = ring
    cpu.cr0 = CR0_PE | CR0_ET | (CR0_PG | CR0_WP if paging else 0)
    cpu.cr3 = DIRECTORY
    cpu.eflags = eflags
    cpu.eip = CODE
    cpu.regs[ESP] = USER_STACK if user else KERNEL_STACK
    cpu.restored()


def handler(vector: int) -> int:
    return HANDLERS + 16 * vector


class Room:
    """One host with one VM (more with `add`), as a world that a timeline can move."""

    def __init__(
        self,
        source: str = "hlt",
        *,
        paging: bool = True,
        user: bool = False,
        eflags: int = 2,
        memory_bytes: int = 4 * MIB,
        budget: int = LEAST_BUDGET,
        quantum: int = 4_000,
        technique: Technique = Technique.TRAP_AND_EMULATE,
        paging_by: Paging = Paging.SHADOW,
        policy: ShadowPolicy = ShadowPolicy.CACHING,
    ) -> None:
        self.policy = policy
        self.technique = technique
        self.paging_by = paging_by
        self.recorder = Recorder()
        self.clock = self.recorder.clock
        self.machine = Machine("host", memory_bytes, self.recorder)
        self.host = Host(self.machine, self.recorder, scheduler=RoundRobin(quantum))
        self.vm = self.add("alpha", source, paging=paging, user=user, eflags=eflags, budget=budget)
        self.assembly = assembled(source)

    def add(
        self,
        name: str,
        source: str,
        *,
        paging: bool = True,
        user: bool = False,
        eflags: int = 2,
        budget: int = LEAST_BUDGET,
    ) -> Vm:
        vm = Vm(
            self.host,
            name,
            MIB,
            technique=self.technique,
            translation=Translation(self.paging_by, self.policy),
            shadow_budget=budget,
        )
        furnish(vm.memory.write_bytes, source)
        enter(vm.vcpu.cpu, paging=paging, user=user, eflags=eflags)
        return vm

    # ---- as a timeline's subject ---------------------------------------------------------------

    @property
    def registry(self) -> Registry:
        if not hasattr(self, "_registry"):
            self._registry = Registry()
            self._registry.add("clock", self.clock)
            self.machine.register(self._registry)
            self.host.register(self._registry)
            for tenant in self.host.tenants.values():
                tenant.register(self._registry)
        return self._registry

    @property
    def memories(self) -> tuple[Memory, ...]:
        return (self.machine.memory,)

    def burst(self, limit: int, barriers: frozenset[int], units: int = 0) -> int:
        return 0 if self.host.stopped is not None else self.host.burst(limit, barriers)

    def unit(self) -> bool:
        before = self.clock.n
        while self.clock.n == before:
            if self.host.stopped is not None:
                return False
            self.host.turn()
        return True

    # ---- driving and looking -------------------------------------------------------------------

    def units(self, count: int) -> Room:
        for _ in range(count):
            self.unit()
        return self

    def to_label(self, label: str, limit: int = 2_000) -> Room:
        for _ in range(limit):
            if self.vm.vcpu.state().eip == self.assembly.symbols[label]:
                return self
            self.unit()
        raise AssertionError(f"{label} was not reached; the guest is at {self.vm.vcpu.state().eip:#x}")

    def finish(self, limit: int = 20_000) -> str:
        for _ in range(limit):
            if not self.unit():
                break
        assert self.host.stopped is not None
        return self.host.stopped.text

    def events(self, *kinds: type[E]) -> list[E]:
        return list(self.recorder.log.of(kinds))

    def reasons(self) -> list[EntryReason]:
        return [event.reason for event in self.events(VmmEntered)]

    def owned(self) -> Iterator[int]:
        """Host frames that hold the guest's memory."""
        yield from self.vm.memory.pmap
