"""The hardware in the translation cache: its instructions one by one, and what each of them counts for.

Every instruction of the cache is one of the processor's; some complete one of the guest's, and those at the head of a
fragment say how often it was executed. Where nothing but registers and memory changes, they are executed from the
processor's fetch window with no more than this counting in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from teachvm.isa.alu import DivideError
from teachvm.isa.exceptions import Vector
from teachvm.isa.paging import PAGE_SHIFT
from teachvm.machine.exceptions import Fault
from teachvm.machine.operation import Operation
from teachvm.vmm.engines.translate.precise import Place
from teachvm.vmm.engines.translate.records import Origin

if TYPE_CHECKING:
    from teachvm.vmm.engines.translate.engine import BinaryTranslation

LONGEST_BURST: Final = 1_024
"""Instructions of the cache executed without asking anybody: a millisecond or two."""
LONGEST_CYCLES: Final = 4_096
"""... and cycles, since one repeated string instruction can take as long as many."""
LONGEST_LOOP: Final = 1 << 14
"""... and of a compiled loop."""
HOT: Final = 64
"""Jumps backwards to an instruction, without leaving the cache in between, before a loop is compiled from it."""
COMPILED: Final = -1
"""Instead of a number of jumps: a loop is compiled there."""
NOTICED: Final = (8, HOT, COMPILED)
"""Jumps backwards after which to look whether a loop is compiled there, or can be."""
PER_UNIT: Final = 4
"""Instructions executed from the fetch window that take as long as one executed by itself."""


class CacheRunner:
    """Executes translated code on the hardware; what it counts is the engine's and the VM's."""

    def __init__(self, engine: BinaryTranslation) -> None:
        self._engine = engine
        self._cache = engine.cache
        self._vm = engine.vm
        self._host = engine.host
        self._clock = engine.clock
        self._hardware = engine.hardware
        self._board = engine.host.machine.board

    def burst(self, limit: int, *, through: bool) -> int:
        """Execute instructions of the cache up to a call, a device that is due, or somebody's turn.

        Args:
            limit: Most instructions.
            through: Go on behind one that records facts.

        Returns:
            How many were completed.
        """
        clock, hardware, board, counts = self._clock, self._hardware, self._board, self._cache.counts
        first, log, left = clock.n, self._host.recorder.log, LONGEST_BURST
        cursor, late = log.cursor, clock.cycles + LONGEST_CYCLES
        heat: dict[int, int] = {}
        while left > 0 and clock.n - first < limit:
            if hardware.eip not in counts or clock.cycles >= board.timer.due or board.pic.pending:
                self.one()
                break
            before, room = clock.n, min(limit - clock.n + first, board.timer.due - clock.cycles)
            if hardware.open_window() and not self._from_window(min(room, left), heat):
                break
            if clock.n == before and not self.one():
                break
            left -= clock.n - before
            # Whoever waits for a fact is asked after the unit that records one.
            if (log.cursor != cursor and not through) or clock.cycles >= late:
                break
            if heat.get(hardware.eip, 0) in NOTICED:
                self._compiled(min(limit - clock.n + first, board.timer.due - clock.cycles, LONGEST_LOOP), heat)
        return clock.n - first

    def _compiled(self, limit: int, heat: dict[int, int]) -> None:
        """Execute a loop compiled, at most `limit` instructions of it, if it can be."""
        hardware, tiers, clock, cache = self._hardware, self._hardware.tiers, self._clock, self._cache
        if tiers is None or limit <= 0 or hardware.eip not in cache.counts:
            return
        eip = hardware.eip
        region = tiers.tallied(make=heat[eip] == HOT)
        if region is None:
            return
        heat[eip] = COMPILED
        clock.retire_all(tiers.run_tallied(region, limit))
        for way, times in region.went():
            for address in way:
                if address in cache.executed:
                    cache.executed[address] += times
            completes = times * sum([cache.counts[address] for address in way])
            if completes:
                self._vm.time += completes
                self._engine.completed += completes
                self._vm.vcpu.retired = True

    def one(self) -> int:
        """Accept an interrupt, or execute one instruction of the cache; cycles, or 0 where none was completed."""
        clock, hardware, board = self._clock, self._hardware, self._board
        if clock.cycles >= board.timer.due:
            board.service()
        place = self._cache.places[hardware.eip]
        cycles = hardware.step()
        if cycles:
            self._executed(place, cycles)
        if self._host.caught is not None:
            self._engine.left(place)
            if cycles:
                clock.retire(cycles)
            return 0
        if cycles:
            clock.retire(cycles)
        return cycles

    def _executed(self, place: Place, cycles: int) -> None:
        """Count an instruction of the cache, and the guest instructions complete with it."""
        insn = place.insn
        if insn.address == place.fragment and (insn.origin is not Origin.COPIED or self._hardware.eip != insn.address):
            self._cache.executed[place.fragment] += 1
        if insn.completes:
            # A repeated string instruction takes a cycle for each iteration; an elided jump takes none.
            self._vm.time += cycles + insn.completes - 1
            self._engine.completed += insn.completes
            self._vm.vcpu.retired = True

    def _from_window(self, limit: int, heat: dict[int, int]) -> bool:
        """Execute instructions from the fetch window as long as each is an ordinary one; at most `limit`.

        The last may be one that is not: that takes several cycles, records facts, or faults.

        Args:
            limit: Most instructions.
            heat: Where jumps backwards have led, and how often; it ends where that is worth a look.

        Returns:
            Whether the hardware is in the cache still: nothing faulted.
        """
        hardware, clock, engine, vm, cache = self._hardware, self._clock, self._engine, self._vm, self._cache
        ops, origin, counts, executed = hardware.window, hardware.window_origin, cache.counts, cache.executed
        first, eip = clock.n, hardware.eip
        try:
            for _ in range(limit):
                operation = ops.get(eip - origin) or self._fetched(eip)
                if operation is None:
                    break
                hardware.next_eip = eip + operation.length
                cycles = operation.execute(hardware) or 1
                hardware.eip = following = hardware.next_eip
                if cycles != 1 or following == eip or clock.phase:
                    self._executed(cache.places[eip], cycles)
                    clock.retire(cycles)
                    break
                if eip in executed:
                    executed[eip] += 1
                if completes := counts[eip]:
                    vm.time += completes
                    engine.completed += completes
                    vm.vcpu.retired = True
                clock.n += 1
                clock.cycles += 1
                if following not in counts or hardware.window is not ops:
                    break
                if following < eip and self._notable(following, heat):
                    break
                eip = following
        except (Fault, DivideError) as error:
            hardware.faulted(error if isinstance(error, Fault) else Fault(Vector.DE))
            engine.left(cache.places[eip])
            return False
        finally:
            clock.units += (clock.n - first) // PER_UNIT
        return True

    def _fetched(self, eip: int) -> Operation | None:
        """An instruction of the window's page that is not decoded; None for one of another page."""
        hardware = self._hardware
        return hardware.fetch(eip) if eip >> PAGE_SHIFT == hardware.window_origin >> PAGE_SHIFT else None

    @staticmethod
    def _notable(target: int, heat: dict[int, int]) -> bool:
        """Count a jump backwards; whether it is time to look for a loop there."""
        times = heat.get(target, 0)
        if times != COMPILED:
            heat[target] = times = times + 1
        return times in NOTICED
