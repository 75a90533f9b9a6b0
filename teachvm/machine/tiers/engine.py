"""What is compiled, when, and how it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from teachvm.isa.control import CR0_AM
from teachvm.isa.flags import RF, TF
from teachvm.isa.operands import CS
from teachvm.machine.memory import CODE, CodePage
from teachvm.machine.operation import Operation
from teachvm.machine.tiers.border import FLAT_LIMIT
from teachvm.machine.tiers.region import MOST_INSTRUCTIONS, Builder, Region, UnalignedError, discover

if TYPE_CHECKING:
    from teachvm.machine.cpu import Cpu

HOT: Final = 40
"""Arrivals at an address before a region is compiled there."""
OFTEN: Final = 16
"""Times one instruction leaves, for storing beside code or not aligned, before it is compiled to look closer."""
COLD: Final = -1
"""Marks an address at which nothing can be compiled."""
NEAR_END: Final = 0xFFC0_0000 >> 12
"""First linear page that compiled code never touches: a VMM's region lies there."""


class Tiers:
    """Runs one CPU's code compiled where that is possible; everything else is left to the CPU itself."""

    def __init__(self, cpu: Cpu) -> None:
        self._cpu = cpu
        self._missed: list[Exception] = []
        assert cpu.tlb is not None
        self._tlb = cpu.tlb
        ram = cpu.memory.ram
        assert ram is not None
        self._ram = ram
        ram.guarded = cpu.tlb.forget_near_writes
        tlb = cpu.tlb
        self._maps = tuple(zip(tlb.near_reads, tlb.near_writes, tlb.near_code, strict=True))
        self._beside: dict[int, int] = {}
        self._unaligned: dict[int, int] = {}
        self._views = (ram.bytes_, ram.halves, ram.words)

    def run(self, limit: int) -> int:
        """Execute compiled code.

        Args:
            limit: Most instructions.

        Returns:
            Instructions completed; the CPU stands at an instruction boundary, and what comes next is for tier 0.
        """
        cpu = self._cpu
        if cpu.eflags & (TF | RF) or cpu.shadow or cpu.trap_pending or cpu.halted or cpu.cr0 & CR0_AM:
            return 0
        done = 0
        while True:
            region = self._region(cpu.eip)
            if region is None or limit - done < region.need:
                return done
            maps = self._maps[cpu.cpl]
            count, cpu.eip, cpu.eflags = region.run(limit - done, cpu.regs, cpu.eflags, *maps, *self._views)
            done += count
            if self._missed:
                self._look_up(self._missed.pop())
                return done
            if not count:
                return done

    def _look_up(self, error: Exception) -> None:
        """Enter the page a compiled access missed, if tier 0's maps have it; else tier 0 will bring it there."""
        if isinstance(error, UnalignedError):
            self._left_often(self._unaligned)
        if not isinstance(error, KeyError):
            return
        vpn = error.args[0]
        if vpn >= NEAR_END:
            return
        cpl = self._cpu.cpl
        frame = self._tlb.reads[cpl].get(vpn)
        if frame is not None:
            self._tlb.near_reads[cpl][vpn] = frame - (vpn << 12)
        frame = self._tlb.writes[cpl].get(vpn)
        if frame is None:
            return
        guard = self._ram.guard[frame >> 12]
        if not guard:
            self._tlb.near_writes[cpl][vpn] = self._tlb.near_code[cpl][vpn] = frame - (vpn << 12)
        elif guard == CODE:
            self._tlb.near_code[cpl][vpn] = frame - (vpn << 12)
            self._left_often(self._beside)

    def _left_often(self, counts: dict[int, int]) -> None:
        """An instruction left compiled code for a reason it can be compiled for, if that happens often."""
        eip = self._cpu.eip
        count = counts[eip] = counts.get(eip, 0) + 1
        frame = self._tlb.reads[self._cpu.cpl].get(eip >> 12)
        if count == OFTEN and frame is not None:
            self._ram.code_page(frame >> 12).regions.clear()

    def _region(self, eip: int) -> Region | None:
        cpu = self._cpu
        code = cpu.segs[CS]
        if code.base or code.limit < FLAT_LIMIT:
            return None
        frame = self._tlb.reads[cpu.cpl].get(eip >> 12)
        if frame is None:
            return None
        page = self._ram.code_page(frame >> 12)
        found = page.regions.get((eip, cpu.segs[2], cpu.segs[3]))
        if isinstance(found, Region):
            return found
        if found == COLD:
            return None
        heat = (found or 0) + 1
        page.regions[eip, cpu.segs[2], cpu.segs[3]] = heat
        if heat < HOT:
            return None
        made = self._compile(eip, frame, page)
        page.regions[eip, cpu.segs[2], cpu.segs[3]] = COLD if made is None else made
        return made

    def _compile(self, eip: int, frame: int, page: CodePage) -> Region | None:
        cpu = self._cpu
        origin = eip & ~0xFFF

        def fetch(address: int) -> Operation | None:
            offset = address - origin
            operation = page.ops[1].get(offset)
            if operation is None:
                operation = cpu.operation_at(frame | offset, 0x1000 - offset)
                if operation is not None:
                    page.ops[1][offset] = operation
                    self._ram.remember_code(frame | offset, operation.length)
            return operation

        segments = tuple(cpu.segs)
        blocks = discover(eip, fetch, segments, MOST_INSTRUCTIONS)
        if eip not in blocks:
            return None
        beside, unaligned = (
            frozenset(address for address, count in counts.items() if count >= OFTEN)
            for counts in (self._beside, self._unaligned)
        )
        return Builder(eip, blocks, segments, beside, unaligned, self._ram.holds_code).build(self._missed)
