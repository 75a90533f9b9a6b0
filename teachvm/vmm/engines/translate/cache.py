"""The translation cache of one VM: fragments in host frames of the VMM's region, found by guest EIP, chained, dropped.

Code grows upwards, continuations and landings that stand elsewhere grow down from the end; when they meet, everything
is thrown away. A fragment that may not be executed any more keeps its head, which calls the translator, so whoever
still leads there needs not be found.

Source: Adams & Agesen, ASPLOS 2006, §3.2 and §3.3; Agesen et al., OSR 44(4) 2010, §3.1 and §4.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final

from teachvm.isa.paging import PAGE_SHIFT
from teachvm.vmm.deprivilege import USER_RING
from teachvm.vmm.engines.translate import sequences
from teachvm.vmm.engines.translate.code_pages import CodePages
from teachvm.vmm.engines.translate.emitter import (
    BRANCH_BYTES,
    CALL_VMM,
    CONTINUATION,
    JUMP_BYTES,
    Emitter,
    near_jump,
)
from teachvm.vmm.engines.translate.fields import BRANCHES, RETURNS, Fields
from teachvm.vmm.engines.translate.modes import CodeMode, Modes
from teachvm.vmm.engines.translate.precise import Place, Recovery, places
from teachvm.vmm.engines.translate.records import (
    CacheInsn,
    ExitState,
    Fragment,
    FragmentState,
    Landing,
    Origin,
)
from teachvm.vmm.engines.translate.store import CACHE_BASE, CACHE_END, Store
from teachvm.vmm.engines.translate.translator import MOST_BYTES, written
from teachvm.vmm.engines.translate.unit import Unit, read_unit
from teachvm.vmm.events import (
    CacheFlushed,
    TargetRemembered,
    UnitAdapted,
    UnitChained,
    UnitInvalidated,
    UnitTranslated,
)

if TYPE_CHECKING:
    from teachvm.vmm.vm import Vm

LANDING_BYTES: Final = 48
MISS_BYTES: Final = 16
LEAST_FOR_ELIDING: Final = 5
"""Guest instructions of a unit whose last jump may be elided: so code in the cache is never much faster than time."""

Link = tuple[int, int]
"""A fragment's address and the number of one of its exits."""


class TranslationCache:
    """Fragments, and everything that leads to them.

    State: `fragments` by address; `lookup`, the fragment of a mode and guest EIP; `landings` by mode, table and guest
    EIP; `executed`, how often each fragment was; `faults` of copied instructions, by EIP; `simulated`, instructions
    translated as calls, with how long they have been innocent; `top` and `bottom`, the free room; `number`, units
    translated so far; `flushes`, how often all was thrown away.

    Attributes:
        fields: The VCPU's fields that translated code reaches.
        modes: What the fragments were made for.
        pages: The guest pages units were read from.
        recovery: The way back to the guest's registers.
        store: The bytes themselves.
    """

    STATE: ClassVar[tuple[str, ...]] = (
        "fragments",
        "lookup",
        "landings",
        "executed",
        "simulated",
        "top",
        "bottom",
        "number",
        "flushes",
        "faults",
    )
    DERIVED: ClassVar[tuple[str, ...]] = (
        "vm",
        "fields",
        "modes",
        "pages",
        "places",
        "counts",
        "recovery",
        "misses",
        "store",
    )

    def __init__(self, vm: Vm) -> None:
        self.vm = vm
        self.fields = Fields(vm.region, vm.name)
        self.pages = CodePages(vm)
        self.store = Store(vm.region, vm.name)
        self.fragments: dict[int, Fragment] = {}
        self.lookup: dict[tuple[int, int], int] = {}
        self.landings: dict[tuple[int, int, int], Landing] = {}
        self.executed: dict[int, int] = {}
        self.simulated: dict[int, int] = {}
        self.faults: dict[int, int] = {}
        self.number = 0
        self.flushes = 0
        self.misses = {
            table: CacheInsn(CACHE_BASE + number * MISS_BYTES, CALL_VMM, -1, Origin.LOOKUP, 0, sequences.LANDED)
            for number, table in enumerate((RETURNS, BRANCHES))
        }
        """What a lookup comes to that fails, by table."""
        self.modes = Modes(self.fields, {table: miss.address for table, miss in self.misses.items()})
        self.places: dict[int, Place] = {}
        self.counts: dict[int, int] = {}
        """How many guest instructions are complete with an instruction of the cache; those that call are not here."""
        self.recovery = Recovery(self.places, self.fields.read)
        self.top = self.bottom = 0
        self._clear()

    def restored(self) -> None:
        """Find every instruction again."""
        self.places.clear()
        self.counts.clear()
        for place in places(self.misses.values(), self.fragments.values(), self.landings.values()).values():
            self._place(*place)

    def _clear(self) -> None:
        self.fragments.clear()
        self.lookup.clear()
        self.landings.clear()
        self.executed.clear()
        self.top, self.bottom = CACHE_BASE + len(self.misses) * MISS_BYTES, CACHE_END
        for miss in self.misses.values():
            self.store.write(miss.address, miss.bytes)
        self.modes.clear()
        self.restored()

    def flush(self, cause: str) -> None:
        """Throw every fragment away."""
        if self.fragments:
            self.vm.host.recorder.emit(CacheFlushed, vm=self.vm.name, fragments=len(self.fragments), cause=cause)
        self._clear()
        self.pages.clear()
        self.flushes += 1

    # ---- finding and translating ---------------------------------------------------------------

    def use(self, mode: CodeMode) -> None:
        """The guest runs in a mode."""
        if not self.modes.knows(mode):
            self.flush("segment")
        self.modes.use(mode)

    def find(self, eip: int, within: int | None = None) -> int | None:
        """Where in the cache a guest instruction begins: in a fragment it may stand in, or as the first of one."""
        if within is not None:
            fragment = self.fragments.get(within)
            if fragment is not None and fragment.valid and fragment.mode == self.modes.present:
                found = fragment.entry(eip)
                if found is not None:
                    return found
        return self.lookup.get((self.modes.present, eip))

    def covers(self, start: int, eip: int) -> bool:
        """Whether a fragment, made for the present mode, has a guest instruction."""
        found = self.fragments.get(start)
        return found is not None and found.mode == self.modes.present and eip in (each.eip for each in found.guest)

    def translate(self, eip: int, link: Link | None = None) -> int:
        """Translate the unit at an EIP of the guest's that can be fetched.

        Args:
            eip: Where it begins.
            link: The exit that led here: the fragment is placed right behind, if there is room.

        Returns:
            Its address.
        """
        vm, cpu = self.vm, self.vm.vcpu.cpu
        unit = read_unit(cpu, vm.memory, eip, self.simulated)
        assert unit is not None
        if self.top + MOST_BYTES > self.bottom:
            self.flush("full")
            link = None
        elided = link is not None and self._elide(link)
        fragment = self._write_fragment(unit)
        vm.host.clock.spend(vm.host.costs.of("translate") * len(unit.instructions))
        vm.host.recorder.mark(
            UnitTranslated,
            vm=vm.name,
            eip=fragment.eip,
            gpa=fragment.gpa,
            fragment=fragment.start,
            instructions=len(fragment.guest),
            size=fragment.end - fragment.start,
        )
        if elided:
            assert link is not None
            self._note_chain(link, fragment.start)
        return fragment.start

    def _write_fragment(self, unit: Unit) -> Fragment:
        self.pages.add(unit.linear, user=self.modes.mode.cpl == USER_RING)
        fragment = written(unit, self.top, self.bottom, self.number, self.modes.present)
        self.number += 1
        self.bottom -= len(CALL_VMM) * len(fragment.stubs)
        self.top = fragment.end
        self.store.write(fragment.start, b"".join(insn.bytes for insn in fragment.code).ljust(JUMP_BYTES, b"\xcc"))
        self.store.decode(fragment.code)
        for stub in fragment.stubs:
            self.store.write(stub.address, stub.bytes)
        self._keep(fragment)
        self.lookup[self.modes.present, fragment.eip] = fragment.start
        self.executed[fragment.start] = 0
        return fragment

    def _keep(self, fragment: Fragment) -> None:
        """Enter a fragment, or what became of it."""
        before = self.fragments.get(fragment.start)
        if before is not None:
            for insn in (*before.code, *before.stubs):
                self.places.pop(insn.address, None)
                self.counts.pop(insn.address, None)
        self.fragments[fragment.start] = fragment
        for insn in (*fragment.code, *fragment.stubs):
            self._place(insn, fragment.start)

    def _place(self, insn: CacheInsn, fragment: int | None) -> None:
        """Enter an instruction."""
        self.places[insn.address] = Place(insn, fragment)
        if not insn.bytes.startswith(CALL_VMM):
            self.counts[insn.address] = insn.completes

    # ---- chaining ------------------------------------------------------------------------------

    def exit_at(self, fragment: int, stub: int) -> int | None:
        """Number of the exit whose continuation stands at an address."""
        for index, each in enumerate(self.fragments[fragment].exits):
            if each.stub == stub:
                return index
        return None

    def leads(self, link: Link, eip: int) -> bool:
        """Whether an exit is still there, and leads to a guest EIP in the present mode."""
        fragment, number = self.fragments.get(link[0]), link[1]
        left = () if fragment is None or fragment.mode != self.modes.present else fragment.exits[number:]
        return bool(left) and left[0].target == eip

    def chain(self, link: Link, to: int) -> None:
        """Put a jump where a continuation was, or let a branch lead straight to a fragment."""
        fragment = self.fragments.get(link[0])
        if fragment is None or fragment.exits[link[1]].state is not ExitState.CONTINUATION:
            return
        site = fragment.exits[link[1]].site
        old = self.places[site].insn
        if len(old.bytes) == BRANCH_BYTES:
            content = old.bytes[:-4] + (to - old.end & 0xFFFF_FFFF).to_bytes(4, "little")
        else:
            content = near_jump(site, to)
        insn = CacheInsn(site, content, old.guest, Origin.CHAINED, old.completes, old.recover)
        self._place(insn, link[0])
        self.store.write(site, content)
        self.store.decode((insn,))
        self._note_chain(link, to, tuple([insn if each is old else each for each in fragment.code]))

    def _note_chain(self, link: Link, to: int, code: tuple[CacheInsn, ...] | None = None) -> None:
        """An exit leads to a fragment: by an instruction of the fragment's new code, or, without one, by elision."""
        start, index = link
        fragment, state = self.fragments[start], ExitState.ELIDED if code is None else ExitState.CHAINED
        exits = list(fragment.exits)
        exits[index] = replace(exits[index], state=state, to=to)
        kept = replace(fragment, code=fragment.code if code is None else code, exits=tuple(exits))
        if fragment.state is FragmentState.INVALIDATED:
            kept = replace(kept, state=FragmentState.FORWARDED, forward=to)
        self.fragments[start] = kept
        self.vm.host.recorder.mark(
            UnitChained,
            vm=self.vm.name,
            eip=exits[index].target,
            site=exits[index].site,
            fragment=to,
            elided=state is ExitState.ELIDED,
        )

    def _elide(self, link: Link) -> bool:
        """Make room where an exit stands, so that the next fragment follows without a jump; false if it cannot be."""
        fragment = self.fragments[link[0]]
        leaving = fragment.exits[link[1]]
        tail = fragment.code[-1]
        if leaving.state is not ExitState.CONTINUATION or not fragment.valid:
            return False
        if leaving.site != tail.address or tail.end != self.top or tail.address - fragment.start < JUMP_BYTES:
            return False
        code, guest = list(fragment.code[:-1]), list(fragment.guest)
        if tail.completes:
            before = code[-1]
            single = before.origin is Origin.COPIED and before.guest == tail.guest - 1 and not _repeats(before.bytes)
            if not single or len(guest) < LEAST_FOR_ELIDING:
                return False
            code[-1] = replace(before, completes=2)
            guest[-1] = replace(guest[-1], elided=True)
        self._keep(replace(fragment, code=tuple(code), guest=tuple(guest), end=tail.address))
        self.top = tail.address
        return True

    # ---- targets looked up ---------------------------------------------------------------------

    def remember(self, eip: int, table: int, body: int) -> None:
        """Let a lookup of a guest address in one of the two tables lead to its fragment."""
        landing = self.landings.get((self.modes.present, table, eip))
        if landing is None:
            self.bottom -= LANDING_BYTES
            emitter = Emitter(self.bottom)
            emitter.guest = -1
            sequences.landing(emitter, eip, self.misses[table].address, body)
            landing = Landing(eip, self.bottom, body, tuple(emitter.code))
            self.landings[self.modes.present, table, eip] = landing
            for insn in landing.code:
                self.store.write(insn.address, insn.bytes)
                self._place(insn, None)
            self.store.decode(landing.code)
        self.fields.set_target(table, eip, landing.start)
        self.vm.host.recorder.mark(
            TargetRemembered, vm=self.vm.name, eip=eip, landing=landing.start, fragment=body, returns=table == RETURNS
        )

    # ---- adapting ------------------------------------------------------------------------------

    def adapt(self, start: int, eip: int, *, simulated: bool) -> None:
        """Translate a unit anew, because one of its instructions is to be a call now, or a copy again.

        Source: Adams & Agesen, ASPLOS 2006, §3.3: a forwarding jump at the old head, and the opposite one later.
        """
        old, flushes = self.fragments[start], self.flushes
        if simulated:
            self.simulated[eip] = 0
        else:
            del self.simulated[eip]
        if not old.valid:
            return
        heads = self._retire(old)
        new = self.translate(old.eip)
        if self.flushes == flushes:
            for head in heads:
                self.chain((head, 0), new)
        self.vm.host.recorder.mark(
            UnitAdapted, vm=self.vm.name, eip=eip, before=start, fragment=new, simulated=simulated
        )

    # ---- dropping ------------------------------------------------------------------------------

    def invalidate(self, fragments: Iterable[Fragment], cause: str) -> None:
        """Let the heads of fragments call the translator; nobody can come to what stands behind them any more."""
        for fragment in fragments:
            self._retire(fragment)
            self.vm.host.recorder.emit(
                UnitInvalidated, vm=self.vm.name, eip=fragment.eip, fragment=fragment.start, cause=cause
            )

    def _retire(self, fragment: Fragment) -> list[int]:
        """Let its head and those that lead there call the translator, and return where they are.

        A head that leads to another head would make the way longer each time the same code is written.
        """
        if self.lookup.get((fragment.mode, fragment.eip)) == fragment.start:
            del self.lookup[fragment.mode, fragment.eip]
        heads = [fragment, *[each for each in self.fragments.values() if each.forward == fragment.start]]
        for each in heads:
            self.store.write(each.start, CONTINUATION)
            self._keep(each.retired(CONTINUATION))
        return [each.start for each in heads]

    def guest_wrote(self, gpa: int, size: int) -> None:
        """A store changed guest memory that units may have been read from."""
        self.invalidate([each for each in self.fragments.values() if each.valid and _overlap(each, gpa, size)], "write")
        self.pages.keep_only({each.gpa >> 12 for each in self.fragments.values() if each.valid})

    def check_mapping(self) -> None:
        """Give up what was read from pages that lie elsewhere now; a unit lies in one page, so that is all."""
        for gone in self.pages.moved():
            self.invalidate(
                [each for each in self.fragments.values() if each.valid and each.linear >> PAGE_SHIFT == gone], "remap"
            )


def _overlap(fragment: Fragment, gpa: int, size: int) -> bool:
    return fragment.gpa < gpa + size and gpa < fragment.gpa + fragment.size


def _repeats(code: bytes) -> bool:
    return code[0] in (0xF2, 0xF3)
