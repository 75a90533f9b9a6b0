"""The same guest on bare metal beside it: the first thing a guest could see that differs, and why.

Both worlds complete one guest instruction at a time. Interrupts fall due after equally many instructions in both, so
any difference in registers, flags or memory is one the technique made. The observer stands outside both machines: no
VMM could notice what it finds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from teachvm.guest import library
from teachvm.host.bare import BareGuest
from teachvm.isa.decode import MAX_LENGTH, DecodeError, decode
from teachvm.isa.flags import STATUS
from teachvm.isa.operands import CS
from teachvm.isa.paging import PAGE_SHIFT, PAGE_SIZE, A
from teachvm.isa.row import InstructionClass
from teachvm.isa.text import row_text
from teachvm.machine.events import HandlerEntered
from teachvm.machine.mmu import Access
from teachvm.trace.moment import Moment
from teachvm.vmm.addresses import Gfn, Gva
from teachvm.vmm.changes import changes
from teachvm.vmm.events import Change
from teachvm.vmm.memory.walk import PagingMode, look
from teachvm.vmm.techniques import Technique
from teachvm.vmm.view import GuestState, state_of
from teachvm.vmm.vm import Vm
from teachvm.world.build import build
from teachvm.world.spec import SpecError, WorldSpec
from teachvm.world.world import World


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first guest-visible difference from bare metal.

    Attributes:
        moment: Boundary after the instruction, in the compared world.
        instructions: How many the guest had completed then, this one included.
        eip: Where the instruction stands.
        place: The same by name, such as `sched_unlock+0xb`; empty if it has none.
        text: What it says.
        differences: (name, on bare metal, in the compared world).
        memory: Lowest guest-physical address whose contents differ, or None.
        why: The reason, in one or two sentences.
    """

    moment: Moment
    instructions: int
    eip: int
    place: str
    text: str
    differences: tuple[Change, ...]
    memory: int | None
    why: str

    def __str__(self) -> str:
        """One paragraph for people."""
        place = f" ({self.place})" if self.place else ""
        seen = ", ".join(
            f"{name} is {_value(real)} on bare metal, {_value(here)} here" for name, real, here in self.differences
        )
        if self.memory is not None:
            seen = ", ".join(filter(None, (seen, f"memory differs at gPA {self.memory:#x}")))
        return f"First difference from bare metal: {self.text} at {self.eip:#010x}{place}: {seen}. {self.why}"


class LockStep:
    """One guest in two worlds, moved together by completed guest instructions."""

    def __init__(self, spec: WorldSpec, folder: library.Folder | None = None) -> None:
        """Build both worlds.

        Raises:
            SpecError: There are several guests, or the one there is runs on bare metal already, or makes hypercalls.
        """
        if len(spec.host.vms) != 1:
            raise SpecError("bare metal runs one operating system, so a world with several guests has no counterpart")
        if spec.host.vms[0].technique is Technique.BARE_METAL:
            raise SpecError("this guest runs on bare metal already; choose another technique to compare")
        if spec.host.vms[0].technique is Technique.PARAVIRTUAL:
            raise SpecError(
                "a paravirtual guest is another build of its kernel, so its instructions have no counterpart on bare "
                "metal; compare what the two write to their consoles"
            )
        self._reference = build(spec.with_technique(Technique.BARE_METAL), folder)
        self._world = build(spec, folder)
        bare = next(iter(self._reference.host.tenants.values()))
        vm = next(iter(self._world.host.tenants.values()))
        assert isinstance(bare, BareGuest)
        assert isinstance(vm, Vm)
        self._bare, self._vm = bare, vm
        self._symbols = self._world.guests[vm.name].symbols
        self._tables: set[int] = set()
        """Guest frames that were shadowed as page tables once; the VMM may have given them up since."""
        self._eip, self._code = 0, b""
        self._reference.recorder.log.subscribe(HandlerEntered, lambda event: self._note_next())
        self.instructions = 0
        self.divergence: Divergence | None = None
        self.ended = False
        for memory in (*self._reference.memories, *self._world.memories):
            memory.clean()

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
        bare = _complete(self._reference, lambda: self._bare.completed)
        here = _complete(self._world, lambda: self._vm.instructions)
        # A repeated string instruction may be complete in more or fewer parts: iterations count, as they do in time.
        while bare and here and (ahead := self._vm.time - self._reference.recorder.clock.cycles):
            if ahead < 0:
                here = _complete(self._world, lambda: self._vm.instructions)
            else:
                bare = _complete(self._reference, lambda: self._bare.completed)
        if not bare and not here:
            self.ended = True
            return
        self.instructions += 1
        real, virtual = state_of(self._bare.cpu), self._vm.vcpu.state()
        if real != virtual and self._vm.engine.flags_are_dead:
            # Translated code may lose status flags that the guest's code defines again before it can look at them.
            real, virtual = (replace(each, eflags=each.eflags & ~STATUS) for each in (real, virtual))
        differences = changes(real, virtual) if real != virtual else ()
        memory = self._memory_difference()
        if differences or memory is not None or bare != here:
            self.divergence = self._describe(differences, memory)

    def _note_next(self) -> None:
        """Keep in mind which instruction bare metal executes next; again where an exception or interrupt led."""
        state = state_of(self._bare.cpu)
        self._eip, self._code = state.eip, self._next_code(state)

    def _next_code(self, state: GuestState) -> bytes:
        """Bytes bare metal stands at, as far as TLB and tables allow to read them; neither is touched."""
        cpu, memory, user = self._bare.cpu, self._reference.memories[0], state.cpl == 3
        mode = PagingMode(state.cr0, state.cr3, state.cr4)
        linear = state.segs[CS].base + state.eip & 0xFFFF_FFFF
        code = b""
        while len(code) < MAX_LENGTH:
            here = Gva(linear + len(code) & 0xFFFF_FFFF)
            if cpu.resident(here, Access.FETCH, user):
                phys = cpu.translate(here, Access.FETCH, user)
            else:
                walk = look(memory.read, mode, here)
                if walk.error(write=False, user=user, wp=mode.wp) is not None:
                    break
                phys = walk.gpa
            code += memory.read_bytes(phys, min(MAX_LENGTH - len(code), PAGE_SIZE - (here & PAGE_SIZE - 1)))
        return code

    def _memory_difference(self) -> int | None:
        """Compare the pages either guest wrote in the last instruction."""
        real, virtual = self._reference.memories[0], self._world.memories[0]
        memory = self._vm.memory
        pages = {pfn for pfn in real.dirty_pages() if memory.is_ram(Gfn(pfn))}
        for hfn in virtual.dirty_pages():
            owner = self._world.host.frames.owner(hfn)
            number = self._world.host.frames.number(hfn)
            if owner == memory.owner and number is not None:
                pages.add(number)
        real.clean()
        virtual.clean()
        for gfn in sorted(pages):
            one, other = real.page(gfn), virtual.page(memory.hfn(Gfn(gfn)))
            if one != other:
                shadow = self._vm.shadow
                self._tables.update(key.gfn for key in shadow.tables)
                self._tables.update(key.gfn for key in shadow.directories)
                offset = _first_difference(one, other, table=gfn in self._tables)
                if offset is not None:
                    return (gfn << PAGE_SHIFT) + offset
        return None

    def _describe(self, differences: tuple[Change, ...], memory: int | None) -> Divergence:
        eip = self._eip
        try:
            insn = decode(self._code, 32)
        except DecodeError:
            insn = None
        text = "what is no instruction" if insn is None else str(row_text(insn, eip))
        technique = self._world.spec.host.vms[0].technique.label.lower()
        if insn is None or insn.row.klass is InstructionClass.INNOCUOUS:
            why = f"The instruction itself is innocuous; {technique} changed something it depends on."
        else:
            why = f"The instruction is {insn.row.klass.label}. {insn.row.reason}"
        place = self._symbols.kernel.name_at(eip) or ""
        return Divergence(self._world.recorder.clock.now, self.instructions, eip, place, text, differences, memory, why)


def _complete(world: World, completed: Callable[[], int]) -> bool:
    """Let a world run until its guest has completed one more instruction; False if it ends before."""
    before = completed()
    while completed() == before:
        if not world.unit():
            return False
    return True


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
