"""What is compiled, when, and how it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from teachvm.isa.control import CR0_AM
from teachvm.isa.descriptors import DB_BIT, Segment
from teachvm.isa.flags import RF, TF
from teachvm.isa.operands import CS
from teachvm.machine.bound import Target
from teachvm.machine.memory import CODE, CodePage, Memory
from teachvm.machine.operation import Operation
from teachvm.machine.tiers.border import is_flat
from teachvm.machine.tiers.discovery import discover
from teachvm.machine.tiers.region import Advice, Builder, Region, UnalignedError
from teachvm.machine.tiers.specialise import Traits, traits
from teachvm.machine.tlb import Tlb

if TYPE_CHECKING:
    from teachvm.machine.cpu import Cpu

HOT: Final = 40
"""Arrivals at an address before a region is compiled there."""
OFTEN: Final = 16
"""Times one instruction leaves, for storing beside code or not aligned, before it is compiled to look closer."""
NO_BARRIERS: Final[frozenset[int]] = frozenset()
MOST_TRAITS: Final = 1 << 14
"""Instructions whose traits are remembered, and sets of segments."""
COLD: Final = -1
"""Marks an address at which nothing can be compiled."""
FIRST_FAR: Final = 0xFFC0_0000
"""First linear address that compiled code never touches: a VMM's region lies there."""
CODE_16: Final = -1
"""Mode of a code segment nothing is compiled for."""


class Tiers:
    """Runs one CPU's code compiled where that is possible; everything else is left to the CPU itself.

    All of it is a cache: dropping it, or setting `enabled` to False, changes nothing but speed.

    Attributes:
        enabled: Compiled code is used.
    """

    def __init__(self, cpu: Cpu, tlb: Tlb, ram: Memory) -> None:
        self.enabled = True
        self._cpu = cpu
        self._tlb = tlb
        self._ram = ram
        ram.guarded = tlb.forget_near_writes
        self._maps = tuple(zip(tlb.near_reads, tlb.near_writes, tlb.near_code, strict=True))
        self._views = (ram.bytes_, ram.halves, ram.words)
        self._missed: list[Exception] = []
        self._beside: dict[int, int] = {}
        self._unaligned: dict[int, int] = {}
        self._barriers = NO_BARRIERS
        self._segs: list[Segment] = []
        self._mode = CODE_16
        self._modes: dict[tuple[object, ...], int] = {}
        self._noted: dict[tuple[int, ...], tuple[list[Segment], int]] = {}
        """By the identities of segments, which are kept here: themselves and their mode."""
        self._traits: dict[tuple[Operation, int], Traits | None] = {}

    def run(self, limit: int, barriers: frozenset[int] = NO_BARRIERS) -> int:
        """Execute compiled code.

        Args:
            limit: Most instructions.
            barriers: Linear addresses of instructions that may only be come to, not executed, after the first.

        Returns:
            Instructions completed, each in one cycle; the CPU stands at an instruction boundary, and what comes next
            is for tier 0.
        """
        cpu = self._cpu
        if cpu.eflags & (TF | RF) or cpu.shadow or cpu.trap_pending or cpu.halted or cpu.cr0 & CR0_AM:
            return 0
        if not self.enabled or cpu.stopped is not None or cpu.break_at:
            return 0
        if cpu.segs != self._segs or barriers is not self._barriers:
            self._note(barriers)
        maps = self._maps[cpu.cpl]
        done = 0
        while True:
            region = self._region(cpu.eip)
            if region is None or limit - done < region.need:
                return done
            count, cpu.eip, cpu.eflags = region.run(limit - done, cpu.regs, cpu.eflags, *maps, *self._views)
            done += count
            if self._missed:
                if not self._looked_up(self._missed.pop()):
                    return done
            elif not count or cpu.eip in self._barriers:
                return done

    # ---- leaving -------------------------------------------------------------------------------

    def _looked_up(self, error: Exception) -> bool:
        """Enter the page a compiled access missed, if tier 0's maps have it; else tier 0 will bring it there.

        Returns:
            Whether compiled code can go on now.
        """
        if isinstance(error, UnalignedError):
            self._left_often(self._unaligned)
        if not isinstance(error, KeyError):
            return False
        vpn = error.args[0]
        if vpn >= FIRST_FAR >> 12:
            return False
        cpl, tlb = self._cpu.cpl, self._tlb
        frame = tlb.reads[cpl].get(vpn)
        entered = frame is not None and vpn not in tlb.near_reads[cpl]
        if frame is not None:
            tlb.near_reads[cpl][vpn] = frame - (vpn << 12)
        frame = tlb.writes[cpl].get(vpn)
        if frame is None:
            return entered
        guard = self._ram.guard[frame >> 12]
        if not guard:
            entered |= vpn not in tlb.near_writes[cpl]
            tlb.near_writes[cpl][vpn] = tlb.near_code[cpl][vpn] = frame - (vpn << 12)
        elif guard == CODE:
            entered |= vpn not in tlb.near_code[cpl]
            tlb.near_code[cpl][vpn] = frame - (vpn << 12)
            self._left_often(self._beside)
        return entered

    def _left_often(self, counts: dict[int, int]) -> None:
        """An instruction left compiled code for a reason it can be compiled for, if that happens often."""
        eip = self._cpu.eip
        count = counts[eip] = counts.get(eip, 0) + 1
        frame = self._tlb.reads[self._cpu.cpl].get(eip >> 12)
        if count == OFTEN and frame is not None:
            self._ram.code_page(frame >> 12).regions.clear()

    # ---- finding -------------------------------------------------------------------------------

    def _note(self, barriers: frozenset[int]) -> None:
        """The circumstances changed: code is compiled for what the segments allow, not for what they hold."""
        segs = self._cpu.segs
        if barriers is not self._barriers or len(self._noted) >= MOST_TRAITS:
            self._noted.clear()
        self._barriers = barriers
        key = tuple(map(id, segs))
        if key not in self._noted:
            self._noted[key] = list(segs), self._mode_of(segs, barriers)
        self._segs, self._mode = self._noted[key]

    def _mode_of(self, segs: list[Segment], barriers: frozenset[int]) -> int:
        code = segs[CS]
        if not is_flat(code) or not code.access & DB_BIT:
            return CODE_16
        allows = [(is_flat(seg), seg.readable, seg.writable, seg.access & DB_BIT) for seg in segs]
        return self._modes.setdefault((barriers, code.limit, *allows), len(self._modes))

    def _region(self, eip: int) -> Region | None:
        mode = self._mode
        if mode < 0 or eip >= FIRST_FAR:
            return None
        frame = self._tlb.reads[self._cpu.cpl].get(eip >> 12)
        if frame is None:
            return None
        page = self._ram.code_page(frame >> 12)
        found = page.regions.get((eip, mode))
        if isinstance(found, Region):
            return found
        if found == COLD:
            return None
        heat = page.regions[eip, mode] = (found or 0) + 1
        if heat < HOT:
            return None
        made = self._compile(eip, frame, page)
        page.regions[eip, mode] = COLD if made is None else made
        return made

    def _compile(self, eip: int, frame: int, page: CodePage) -> Region | None:
        origin = eip & ~0xFFF

        def fetch(address: int) -> Operation | None:
            offset = address - origin
            operation: Operation | None = page.ops[1].get(offset)
            if operation is None:
                operation = self._cpu.operation_at(frame | offset, 0x1000 - offset)
                if operation is not None:
                    page.ops[1][offset] = operation
                    self._ram.remember_code(frame | offset, operation.length)
            return operation

        segments = tuple(self._cpu.segs)
        blocks = discover(eip, fetch, self._traits_of, self._barriers)
        if eip not in blocks:
            return None
        beside, unaligned = (
            frozenset(address for address, count in counts.items() if count >= OFTEN)
            for counts in (self._beside, self._unaligned)
        )
        advice = Advice(beside, unaligned, self._barriers)
        return Builder(eip, blocks, segments, advice, self._ram.holds_code).build(self._missed)

    def _traits_of(self, operation: Operation, next_eip: int) -> Traits | None:
        """The traits of an instruction, remembered unless they depend on where it is."""
        segments = tuple(self._cpu.segs)
        if any(isinstance(operand, Target) for operand in operation.operands):
            return traits(operation, next_eip, segments)
        key = operation, self._mode
        if key not in self._traits:
            if len(self._traits) >= MOST_TRAITS:
                self._traits.clear()
            self._traits[key] = traits(operation, next_eip, segments)
        return self._traits[key]
