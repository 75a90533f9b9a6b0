"""The same guest by another technique beside it: the first thing a guest could see that differs, and why.

Usually that is bare metal, which is what a guest is to believe.

Both worlds complete one guest instruction at a time. Interrupts fall due after equally many instructions in both, so
any difference in registers, flags or memory is one the technique made. The observer stands outside both machines: no
VMM could notice what it finds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from teachvm.guest import library
from teachvm.isa.decode import DecodeError, Insn, decode
from teachvm.isa.flags import STATUS
from teachvm.isa.operands import Mem
from teachvm.isa.paging import PAGE_SHIFT, PAGE_SIZE, A
from teachvm.isa.row import InstructionClass
from teachvm.isa.text import row_text
from teachvm.trace.moment import Moment
from teachvm.vmm.addresses import Gva
from teachvm.vmm.changes import changes
from teachvm.vmm.events import Change
from teachvm.vmm.techniques import Technique
from teachvm.vmm.view import GuestState
from teachvm.world.build import build
from teachvm.world.observed import observe
from teachvm.world.spec import SpecError, WorldSpec


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first guest-visible difference from bare metal, or from another technique.

    Attributes:
        moment: Boundary after the instruction, in the compared world.
        instructions: How many the guest had completed then, this one included.
        eip: Where the instruction stands.
        place: The same by name, such as `sched_unlock+0xb`; empty if it has none.
        text: What it says.
        differences: (name, there, in the compared world).
        memory: Lowest guest-physical address whose contents differ, or None.
        why: The reason, in one or two sentences.
        against: What the world was compared with.
    """

    moment: Moment
    instructions: int
    eip: int
    place: str
    text: str
    differences: tuple[Change, ...]
    memory: int | None
    why: str
    against: Technique = Technique.BARE_METAL

    def __str__(self) -> str:
        """One paragraph for people."""
        place = f" ({self.place})" if self.place else ""
        where, there = self.against.sentence, self.against.label.lower()
        seen = [f"{name} is {_value(real)} {where}, {_value(here)} here" for name, real, here in self.differences]
        if self.memory is not None:
            seen.append(f"memory differs at gPA {self.memory:#x}")
        return f"First difference from {there}: {self.text} at {self.eip:#010x}{place}: {', '.join(seen)}. {self.why}"


class LockStep:
    """One guest in two worlds, moved together by completed guest instructions.

    Attributes:
        here: The guest in the world to compare.
        there: The same guest under the technique it is compared with.
        instructions: How many were compared.
        divergence: What was found.
        ended: Both worlds have ended, with no difference.
    """

    def __init__(
        self, spec: WorldSpec, folder: library.Folder | None = None, *, against: Technique = Technique.BARE_METAL
    ) -> None:
        """Build both worlds.

        Args:
            spec: The world to compare.
            folder: Where its guests' files lie.
            against: The technique that runs the same guest beside it.

        Raises:
            SpecError: There are several guests, or the two are the same, or one of them makes hypercalls.
        """
        why = why_not(spec, against)
        if why:
            raise SpecError(why)
        self._against = against
        self.there = observe(build(spec.with_technique(against), folder))
        self.here = observe(build(spec, folder))
        self._symbols = next(iter(self.here.world.guests.values())).symbols
        self._before, self._code = self.there.state(), b""
        self.there.on_delivery(self._note_next)
        self.instructions = 0
        self.divergence: Divergence | None = None
        self.ended = False
        for side in (self.there, self.here):
            side.written()

    def run(self, limit: int, keep_going: Callable[[], bool] | None = None) -> Divergence | None:
        """Go on until a difference is found, both worlds end, or `limit` more instructions are complete."""
        for count in range(limit):
            if self.divergence is not None or self.ended:
                break
            if keep_going is not None and not count & 63 and not keep_going():
                break
            self._instruction()
        return self.divergence

    def _instruction(self) -> None:
        self._note_next()
        there, here = self.there, self.here
        real, virtual = there.complete(), here.complete()
        # A repeated string instruction may be complete in more or fewer parts: iterations count, as they do in time.
        while real and virtual and (ahead := here.time - there.time):
            if ahead < 0:
                virtual = here.complete()
            else:
                real = there.complete()
        if not real and not virtual:
            self.ended = True
            return
        self.instructions += 1
        seen = there.state(), here.state()
        if seen[0] != seen[1] and (here.flags_are_dead or there.flags_are_dead):
            # Translated code may lose status flags that the guest's code defines again before it can look at them.
            seen = replace(seen[0], eflags=seen[0].eflags & ~STATUS), replace(seen[1], eflags=seen[1].eflags & ~STATUS)
        differences = changes(*seen) if seen[0] != seen[1] else ()
        memory = self._memory_difference()
        if differences or memory is not None or real != virtual:
            self.divergence = self._describe(differences, memory)

    def _note_next(self) -> None:
        """Keep in mind which instruction comes next there; again where an exception or interrupt led."""
        self._before = self.there.state()
        self._code = self.there.next_code(self._before)

    def _memory_difference(self) -> int | None:
        """Compare the pages either guest wrote in the last instruction."""
        there, here = self.there, self.here
        for gfn in sorted(there.written() | here.written()):
            one, other = there.page(gfn), here.page(gfn)
            if one != other:
                offset = _first_difference(one, other, table=there.was_table(gfn) or here.was_table(gfn))
                if offset is not None:
                    return (gfn << PAGE_SHIFT) + offset
        return None

    def _describe(self, differences: tuple[Change, ...], memory: int | None) -> Divergence:
        eip = self._before.eip
        try:
            insn = decode(self._code, 32)
        except DecodeError:
            insn = None
        text = "what is no instruction" if insn is None else str(row_text(insn, eip))
        remembered = self._remembered(differences, insn)
        if remembered is not None:
            why = (
                f"The guest changed the page table entry for {remembered:#x} and has not invalidated it with INVLPG or "
                "a load of CR3. Until then a TLB may use what it remembers, as bare metal's does here, or have lost "
                "it: no guest can rely on either."
            )
        elif insn is None or insn.row.klass is InstructionClass.INNOCUOUS:
            technique = self.here.world.spec.host.vms[0].technique.label.lower()
            bare = self._against is Technique.BARE_METAL
            who = technique if bare else f"{technique} or {self._against.label.lower()}"
            why = f"The instruction itself is innocuous; {who} changed something it depends on."
        else:
            why = f"The instruction is {insn.row.klass.label}. {insn.row.reason}"
        place = self._symbols.kernel.name_at(eip) or ""
        now = self.here.world.recorder.clock.now
        return Divergence(now, self.instructions, eip, place, text, differences, memory, why, self._against)

    def _remembered(self, differences: tuple[Change, ...], insn: Insn | None) -> int | None:
        """An address the instruction went to for which a TLB remembers what the guest's tables say no more."""
        went = [address for name, *both in differences if name == "CR2" for address in both]
        operands = insn.operands if insn else ()
        went += [_linear(each, self._before) for each in operands if isinstance(each, Mem) and each.width]
        return next((a for a in went if any(side.remembers(Gva(a)) for side in (self.there, self.here))), None)


def _linear(mem: Mem, state: GuestState) -> int:
    """Where a memory operand lies."""
    offset = mem.disp
    if mem.base is not None:
        offset += state.regs[mem.base]
    if mem.index is not None:
        offset += state.regs[mem.index] * mem.scale
    return state.segs[mem.segment].base + (offset & (1 << mem.adsize) - 1) & 0xFFFF_FFFF


def why_not(spec: WorldSpec, against: Technique = Technique.BARE_METAL) -> str:
    """Why a world cannot be compared with its guest under another technique, in a sentence; empty if it can."""
    if len(spec.host.vms) != 1:
        return "Several guests share this host; only one by itself can be held against another run."
    technique = spec.host.vms[0].technique
    if technique is against:
        return f"This guest runs {technique.sentence} already; choose another technique to compare."
    if not (technique.as_built and against.as_built):
        return (
            "A paravirtual guest is another build of its kernel, so its instructions have no counterpart; compare what "
            "the two write to their consoles."
        )
    return ""


def _value(value: int) -> str:
    """A flag or a small number as such, anything larger in hexadecimal."""
    return str(value) if value < 10 else f"{value:#x}"


def _first_difference(one: bytes, other: bytes, *, table: bool) -> int | None:
    """Offset of the first differing byte; in a page table the accessed bits do not count.

    A shadow table remembers a translation for longer than a TLB, so the hardware sets A again less often.
    """
    for offset in range(PAGE_SIZE):
        differing = one[offset] ^ other[offset]
        if differing and not (table and offset & 3 == 0 and differing == A):
            return offset
    return None
