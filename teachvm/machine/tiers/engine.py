"""What is compiled, when, and how it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from teachvm.isa.control import CR0_AM
from teachvm.isa.descriptors import DB_BIT, Segment
from teachvm.isa.flags import IF, RF, TF
from teachvm.isa.operands import CS
from teachvm.machine.bound import Target
from teachvm.machine.memory import CODE, CodePage, Memory
from teachvm.machine.operation import Operation
from teachvm.machine.tiers.border import is_flat
from teachvm.machine.tiers.discovery import around, discover
from teachvm.machine.tiers.passages import INTERRUPT, PASSED, Passage, Place, interrupt_passage, led_to, return_passage
from teachvm.machine.tiers.region import Advice, Builder, Region, UnalignedError
from teachvm.machine.tiers.specialise import Traits, traits
from teachvm.machine.tlb import Tlb

if TYPE_CHECKING:
    from teachvm.machine.cpu import Cpu

HOT: Final = 40
"""Arrivals at an address before a region is compiled there."""
REST: Final = 64
"""Arrivals at code not compiled after a region was compiled until the next one may be: one takes ten milliseconds, and
whoever waits for a slice of a run to end should not wait for many."""
OFTEN: Final = 16
"""Times one instruction leaves, for storing beside code or not aligned, before it is compiled to look closer."""
Noted = tuple[list[Segment], int, tuple["Near", ...]]
"""Segments, their mode, and what is at hand by CPL."""
Near = dict[int, Region | Passage | Operation | None]
"""Regions and passages by address, where neither is the instruction: what page map and page said a moment ago."""
NO_BARRIERS: Final[frozenset[int]] = frozenset()
MOST_TRAITS: Final = 1 << 14
"""Instructions whose traits are remembered, and sets of segments."""
MOST_SINGLE: Final = 64
"""Instructions executed by tier 0 between compiled code before somebody is asked whether to go on."""
MOST_PASSAGES: Final = 128
"""The same of passages, which take less long, but record facts that somebody reads."""
COLD: Final = -1
"""Marks an address at which nothing can be compiled."""
FIRST_FAR: Final = 0xFFC0_0000
"""First linear address that compiled code never touches: a VMM's region lies there."""
CODE_16: Final = -1
"""Mode of a code segment nothing is compiled for."""


class Owner(Protocol):
    """Who has to know of instructions as soon as they are complete, because the clock is theirs."""

    def completed_all(self, count: int) -> None:
        """So many instructions were completed compiled, each in one cycle."""

    def completed_unit(self) -> None:
        """One instruction that records facts was completed, in one cycle."""

    def completed_one(self, cycles: int) -> int:
        """One instruction was completed by tier 0; how much room there is now."""

    def room(self) -> int:
        """Cycles until a device is due; 0 or less if it is, or if an interrupt waits to be accepted."""


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
        self._segs: list[Segment] = list(cpu.segs)
        self._mode = CODE_16
        self._modes: dict[tuple[object, ...], int] = {}
        self._noted: dict[tuple[int, ...], Noted] = {}
        """By the identities of segments, which are kept here: themselves, their mode, and what is at hand by CPL."""
        self._by_code: dict[int, Noted] = {}
        """The last of them by the identity of CS."""
        self._near: tuple[Near, ...] = ({}, {}, {}, {})
        self._forgotten = 0
        self._enough = False
        """Something was compiled in this burst, or an interrupt may be accepted: somebody else is next."""
        self._passages = MOST_PASSAGES
        self._resting = 0
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
        return self._go(limit, barriers, None) if self._ready() else 0

    def run_through(self, limit: int, owner: Owner) -> int:
        """Execute compiled code, and in between what only tier 0 can: software interrupts, IRET, segment loads.

        Args:
            limit: Most instructions.
            owner: Is told of every instruction at once, since what tier 0 executes may record facts; says when a
                device or an interrupt wants something.

        Returns:
            Instructions completed. The last one may have left the processor inside the next unit, with an exception
            just delivered.
        """
        room = owner.room()
        return self._go(min(limit, room), NO_BARRIERS, owner) if room > 0 and self._ready() else 0

    def _ready(self) -> bool:
        """Whether instructions can be executed without a look at anything before each."""
        cpu = self._cpu
        if cpu.eflags & (TF | RF) or cpu.shadow or cpu.trap_pending or cpu.halted or cpu.cr0 & CR0_AM:
            return False
        return self.enabled and cpu.stopped is None and not cpu.break_at

    def _go(self, limit: int, barriers: frozenset[int], owner: Owner | None) -> int:
        cpu, done, singles = self._cpu, 0, MOST_SINGLE
        self._enough, self._passages = False, MOST_PASSAGES
        while True:
            count, single = self._compiled(limit - done, barriers, owner)
            done += count
            if owner is None or done >= limit or not singles or self._enough:
                return done
            singles -= 1
            left = self._leaving(single)
            cycles = cpu.execute_one(single)
            if not cycles:
                return done
            if left is not None and single is not None:
                self._passed(single, *left)
            room = owner.completed_one(cycles)
            done += 1
            if done >= limit or room <= 0 or not self._ready():
                return done
            limit = min(limit, done + room)

    def _compiled(self, limit: int, barriers: frozenset[int], owner: Owner | None) -> tuple[int, Operation | None]:
        """Execute compiled code; returns how many instructions, and the one that comes next if that is known."""
        cpu, done = self._cpu, 0
        self._settle(barriers)
        near, maps, regs, views = self._near[cpu.cpl], self._maps[cpu.cpl], cpu.regs, self._views
        while True:
            eip = cpu.eip
            found = near[eip] if eip in near else self._find(eip, near)
            if found.__class__ is Region:
                if self._enough or limit - done < found.need:
                    return done, None
                count, cpu.eip, cpu.eflags = found.run(limit - done, regs, cpu.eflags, *maps, *views)
                if count:
                    done += count
                    if owner is not None:
                        owner.completed_all(count)
                if self._missed:
                    if not self._looked_up(self._missed.pop()):
                        return done, None
                elif not count or cpu.eip in self._barriers:
                    return done, None
            elif found.__class__ is Passage:
                if owner is None or done >= limit or self._enough or not self._passes(found, owner):
                    return done, found.operation
                done += 1
                near, maps = self._near[cpu.cpl], self._maps[cpu.cpl]
            else:
                return done, found  # type: ignore[return-value]  # neither region nor passage

    # ---- code somebody counts ------------------------------------------------------------------

    def tallied(self, *, make: bool) -> Region | None:
        """The loop at EIP as a region that tallies its ways, for somebody who runs it himself, wherever it lies.

        Args:
            make: Compile it, if it has not been found that no whole loop can be.
        """
        self._settle(NO_BARRIERS)
        eip = self._cpu.eip
        frame = self._tlb.reads[self._cpu.cpl].get(eip >> 12)
        if self._mode < 0 or frame is None or not self._ready():
            return None
        page, asked = self._ram.code_page(frame >> 12), (eip, self._mode)
        found = page.regions.get(asked)
        if found is None and make:
            made = self._compile(eip, frame, page, tallied=True)
            found = page.regions[asked] = COLD if made is None else made
        return found if isinstance(found, Region) else None

    def run_tallied(self, region: Region, limit: int) -> int:
        """Execute such a region, at whose beginning the CPU stands; how many instructions were completed."""
        cpu = self._cpu
        if limit < region.need:
            return 0
        maps = self._maps[cpu.cpl]
        count, cpu.eip, cpu.eflags = region.run(limit, cpu.regs, cpu.eflags, *maps, *self._views)
        if self._missed:
            self._looked_up(self._missed.pop())
        return count

    # ---- passages ------------------------------------------------------------------------------

    def _passes(self, passage: Passage, owner: Owner) -> bool:
        """Take a passage; False if tier 0 has to execute the instruction."""
        place = passage.take()
        if place is None:
            return False
        owner.completed_unit()
        self._segs, self._mode, self._near = place.noted
        self._passages -= 1
        # Nothing becomes due on the way but what IF kept back.
        self._enough = not self._passages or (self._cpu.eflags & IF != 0 and owner.room() <= 0)
        return True

    def _leaving(self, single: Operation | None) -> tuple[int, int, Noted] | None:
        """Where the processor is, if it is about to execute something a passage can be made of."""
        if single is None or single.insn.row.mnemonic not in PASSED or single.insn.row.intercept is not None:
            return None
        return self._cpu.eip, self._cpu.cpl, (self._segs, self._mode, self._near)

    def _passed(self, operation: Operation, eip: int, cpl: int, noted: Noted) -> None:
        """An instruction at an address and in a ring was executed: the next time it may be passed through."""
        cpu = self._cpu
        self._note(self._barriers)
        place = Place((self._segs, self._mode, self._near), cpu.cpl)
        if self._mode < 0 or self._forgotten != self._ram.forgotten:
            return
        near = noted[2][cpl]
        passage = near.get(eip)
        if not isinstance(passage, Passage):
            if operation.insn.row.mnemonic == INTERRUPT:
                passage = interrupt_passage(cpu, operation, eip, cpl, place, self._tlb.near_writes[place.cpl])
            else:
                passage = return_passage(cpu, operation, noted[0], cpl, self._tlb.near_reads[cpl])
            if passage is None:
                return
            near[eip] = passage
        led_to(passage, cpl, place)

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
            self.forget_near()

    # ---- finding -------------------------------------------------------------------------------

    def _settle(self, barriers: frozenset[int]) -> None:
        """Have at hand what is true in the present circumstances."""
        segs = self._cpu.segs
        if segs[CS] is not self._segs[CS] or segs != self._segs or barriers is not self._barriers:
            self._note(barriers)
        if self._forgotten != self._ram.forgotten:
            self.forget_near()
            self._forgotten = self._ram.forgotten

    def _note(self, barriers: frozenset[int]) -> None:
        """The circumstances changed: code is compiled for what the segments allow, not for what they hold."""
        segs = self._cpu.segs
        if barriers is not self._barriers or len(self._noted) >= MOST_TRAITS:
            self._noted.clear()
            self._by_code.clear()
        self._barriers = barriers
        noted = self._by_code.get(id(segs[CS]))
        # Of two lists of the same objects only the objects are looked at.
        if noted is None or noted[0] != segs:
            key = tuple(map(id, segs))
            noted = self._noted.get(key)
            if noted is None:
                noted = self._noted[key] = list(segs), self._mode_of(segs, barriers), ({}, {}, {}, {})
            self._by_code[id(segs[CS])] = noted
        self._segs, self._mode, self._near = noted

    def _mode_of(self, segs: list[Segment], barriers: frozenset[int]) -> int:
        code = segs[CS]
        if not is_flat(code) or not code.access & DB_BIT:
            return CODE_16
        allows = [(is_flat(seg), seg.readable, seg.writable, seg.access & DB_BIT) for seg in segs]
        return self._modes.setdefault((barriers, code.limit, *allows), len(self._modes))

    def forget_near(self) -> None:
        """Look every region up again: a translation went away, or compiled code did."""
        for _, _, near in self._noted.values():
            for each in near:
                each.clear()

    def _find(self, eip: int, near: Near) -> Region | Passage | Operation | None:
        """What is at an address: a region, if there is one now or can be made, or what tier 0 has to execute there.

        It is at hand from now on, unless it may change by being come to.
        """
        mode = self._mode
        if mode < 0 or eip >= FIRST_FAR:
            return None
        frame = self._tlb.reads[self._cpu.cpl].get(eip >> 12)
        if frame is None:
            return None
        page = self._ram.code_page(frame >> 12)
        found = page.regions.get((eip, mode))
        if not isinstance(found, Region) and found != COLD:
            heat = page.regions[eip, mode] = (found or 0) + 1
            if heat < HOT or self._resting:
                self._resting = max(0, self._resting - 1)
                return None
            made = self._compile(eip, frame, page)
            self._enough, self._resting = True, REST
            found = page.regions[eip, mode] = COLD if made is None else made
        near[eip] = found if isinstance(found, Region) else page.ops[1].get(eip & 0xFFF)
        return near[eip]

    def _compile(self, eip: int, frame: int, page: CodePage, *, tallied: bool = False) -> Region | None:
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
        if tallied:
            blocks = around(eip, blocks)
        if eip not in blocks:
            return None
        beside, unaligned = (
            frozenset(address for address, count in counts.items() if count >= OFTEN)
            for counts in (self._beside, self._unaligned)
        )
        advice = Advice(beside, unaligned, self._barriers, tallied)
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
