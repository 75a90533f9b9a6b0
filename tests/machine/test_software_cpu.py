"""The same processor with other wiring: another memory, no TLB, nobody listening. It computes the same."""

from __future__ import annotations

import random

import pytest

from teachvm.isa.descriptors import TableRegister
from teachvm.isa.row import InstructionClass
from teachvm.isa.rows import PATTERNS
from teachvm.machine.cpu import Cpu
from teachvm.machine.exceptions import CpuStopped, Interruption, Source
from teachvm.machine.memory import Memory
from teachvm.machine.mmu import Access, Mmu
from teachvm.machine.tlb import TlbEntry
from tests.machine import samples
from tests.machine.pc import CODE, DATA, DONE, RAM_BYTES, STUB_BYTES, STUBS, TABLE, Pc, Ports
from tests.machine.samples import sample


class Scattered:
    """Guest-physical memory in scattered host frames: nothing of it may be used directly."""

    ram = None

    def __init__(self, host: Memory, frames: list[int]) -> None:
        self.host = host
        self.frames = frames

    def read(self, phys: int, size: int) -> int:
        return int.from_bytes(bytes(self._byte(phys + index) for index in range(size)), "little")

    def _byte(self, phys: int) -> int:
        if phys >> 12 >= len(self.frames):
            return 0xFF
        return self.host.read8(self.frames[phys >> 12] << 12 | phys & 0xFFF)

    def set_page(self, pfn: int, content: bytes) -> None:
        self.host.set_page(self.frames[pfn], content)

    def write(self, phys: int, size: int, value: int) -> None:
        for index, byte in enumerate(value.to_bytes(size, "little")):
            where = phys + index
            if where >> 12 < len(self.frames):
                self.host.write8(self.frames[where >> 12] << 12 | where & 0xFFF, byte)


def software_copy(pc: Pc, seed: int = 0) -> tuple[Cpu, Scattered, Ports]:
    """A processor without TLB and recorder over scattered memory, in the same state as a PC's."""
    count = RAM_BYTES >> 12
    frames = random.Random(seed).sample(range(count + 16), count)
    memory = Scattered(Memory(RAM_BYTES + 0x10000), frames)
    for pfn in range(count):
        memory.set_page(pfn, pc.memory.page(pfn))
    ports = Ports()
    ports.values.update(pc.ports.values)
    cpu = Cpu("software", memory, ports, None, None)
    copy_state(pc.cpu, cpu)
    return cpu, memory, ports


def copy_state(source: Cpu, target: Cpu) -> None:
    for name in Cpu.STATE:
        value = getattr(source, name)
        setattr(target, name, list(value) if isinstance(value, list) else value)


def snapshot(cpu: Cpu) -> dict[str, object]:
    return {name: tuple(value) if isinstance(value := getattr(cpu, name), list) else value for name in Cpu.STATE}


def test_it_executes_through_another_memory_and_its_own_ports() -> None:
    pc = Pc()
    pc.identity_paging()
    pc.load("mov eax, [0x18000]\ninc eax\nmov [0x19ffe], eax\nout 0x42, al\nint 0x30")
    pc.memory.write32(DATA, 0x41)
    cpu, memory, ports = software_copy(pc)
    for _ in range(5):
        cpu.step()
    assert cpu.eip == STUBS + STUB_BYTES * DONE
    assert memory.read(0x19FFE, 4) == 0x42
    assert ports.log == [("out", 0x42, 1, 0x42)]
    assert pc.ports.log == []
    assert pc.memory.read32(0x19FFE) == 0


def test_without_a_tlb_every_access_sees_the_tables_as_they_are() -> None:
    pc = Pc()
    pc.identity_paging()
    pc.load("mov eax, [0x18000]\nmov eax, [0x18000]")
    cpu, memory, _ = software_copy(pc)
    assert cpu.step() == 1
    memory.write(TABLE + 4 * (DATA >> 12), 4, 0)
    taken: list[Interruption] = []
    cpu.deliver = lambda _, interruption: taken.append(interruption)
    assert cpu.step() == 0
    assert (taken[0].vector, taken[0].error, taken[0].cr2) == (14, 0, DATA)


def test_an_emulated_exception_is_delivered_through_the_tables_it_sees() -> None:
    pc = Pc()
    pc.identity_paging()
    pc.enter_ring(3)
    pc.load("hlt")
    cpu, memory, _ = software_copy(pc)
    assert cpu.execute_one() == 0
    assert (cpu.eip, cpu.cpl) == (STUBS + STUB_BYTES * 13, 0)
    assert memory.read(cpu.regs[4], 4) == 0
    assert memory.read(cpu.regs[4] + 4, 4) == CODE


def test_the_walker_is_a_hook() -> None:
    pc = Pc()
    pc.identity_paging()
    pc.load("mov eax, [0x18000]")
    pc.memory.write32(0x20_0000, 0x77)
    cpu, _, _ = software_copy(pc)
    asked: list[tuple[int, Access]] = []

    def shifted(mmu: Mmu, linear: int, access: Access, user: bool) -> TlbEntry:
        asked.append((linear, access))
        frame = 0x20_0000 if linear == DATA else linear & 0xFFFF_F000
        return TlbEntry(linear >> 12, frame, 7, dirty=True, large=False)

    cpu.walker = shifted
    cpu.step()
    assert cpu.regs[0] == 0x77
    assert asked == [(CODE, Access.FETCH), (DATA, Access.READ)]


def test_a_silent_processor_stops_as_clearly() -> None:
    pc = Pc()
    pc.load("nop")
    cpu, _, _ = software_copy(pc)
    cpu.idtr = TableRegister(0, 0)
    with pytest.raises(CpuStopped, match="triple fault"):
        cpu.deliver(cpu, Interruption(13, 0, Source.FAULT, CODE))


# ---- the fast ways and the plain way -----------------------------------------------------------------


def finish(cpu: Cpu, start: int) -> int:
    """Execute one instruction to its end, however often a repeated one is cut; returns its cycles."""
    cycles = 0
    for _ in range(64):
        taken = cpu.step()
        cycles += taken
        if not taken or cpu.eip != start:
            break
    return cycles


def test_fast_paths_and_the_plain_way_agree_on_every_row() -> None:
    rng = random.Random(7)
    pc = Pc()
    pc.identity_paging()
    pc.cpu.deliver = lambda cpu, interruption: None
    cpu, memory, _ = software_copy(pc)
    cpu.deliver = pc.cpu.deliver
    completed = 0
    for pattern in PATTERNS:
        if pattern.row.klass is InstructionClass.PRIVILEGED:
            continue
        for _ in range(5):
            tried = sample(rng, pattern)
            ring = rng.choice((0, 1, 3))
            start = samples.CODE + rng.randrange(0x1000)
            content = rng.randbytes(samples.DATA_BYTES)
            pc.enter_ring(ring, tried.eflags)
            pc.cpu.regs[:] = tried.regs
            pc.cpu.eip = start
            copy_state(pc.cpu, cpu)
            pc.memory.write_bytes(samples.DATA, content)
            pc.memory.write_bytes(start, tried.code)
            for pfn in pc.memory.dirty_pages():
                memory.set_page(pfn, pc.memory.page(pfn))
            cycles = (finish(pc.cpu, start), finish(cpu, start))
            assert cycles[0] == cycles[1], str(tried)
            assert snapshot(pc.cpu) == snapshot(cpu), str(tried)
            assert same_memory(pc, memory), str(tried)
            completed += cycles[0] > 0
            pc.memory.clean()
    assert completed > 1200


def same_memory(pc: Pc, memory: Scattered) -> bool:
    """Whether every page that was written holds the same on both sides; A and D bits are set by both."""
    return all(pc.memory.page(pfn) == memory.host.page(memory.frames[pfn]) for pfn in pc.memory.dirty_pages())
