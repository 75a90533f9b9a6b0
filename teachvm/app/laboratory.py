"""Any guest without a lesson: the same world and the same session, with a panel in place of a lesson's text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from teachvm.app import page_tables
from teachvm.app.control import Notice
from teachvm.app.edits import described
from teachvm.app.focus import Watchpoint
from teachvm.app.foreign import Foreign
from teachvm.app.headless import Wishes, alone
from teachvm.app.notation import count, hex32
from teachvm.app.panel import PanelRow, PanelView
from teachvm.app.places import PlaceError, evaluate
from teachvm.app.rail import HeaderView
from teachvm.app.scene import Scene, chosen_guest, scene_of
from teachvm.app.session import Session
from teachvm.guest.image import Boot
from teachvm.guest.library import GUESTS
from teachvm.trace.grain import Grain
from teachvm.trace.moment import START
from teachvm.world.spec import MIB

FIRST_CARDS: Final = ("guest-code", "registers", "memory", "console")
FIRST_STEPS: Final = (
    "F7 steps, F5 runs, Shift goes back. Double-click a value to change it, right-click to ask who wrote it; "
    "? shows every key."
)
MOST_SYMBOLS: Final = 20_000
"""Names the panel lists; a search goes through these."""
SIZES_MIB: Final = (2, 4, 8, 16, 32, 64, 128, 256)
"""Sizes of memory a guest can be given."""


class Laboratory(Session):
    """A guest, opened without a lesson.

    Attributes:
        guest: A shipped guest's name, or the name of its file.
        folder: Where that lies; None for a shipped one.
    """

    def __init__(self, guest: str, folder: Path | None = None, wishes: Wishes | None = None) -> None:
        """Build a world with nothing but the guest, and stand at its first instruction.

        Raises:
            SpecError, GuestError, AsmError: It cannot be run; the message is one clear line.
        """
        self.guest = guest
        self.folder = folder
        super().__init__(alone(guest, folder, wishes or Wishes()), folder)
        self.control.look(replace(self.control.focus, cards=FIRST_CARDS))
        self._names: tuple[PanelRow, ...] | None = None
        self.control.notice = Notice(FIRST_STEPS)

    # ---- looking -------------------------------------------------------------------------------

    @property
    def title(self) -> str:
        """What the guest is called."""
        return GUESTS[self.guest].title if self.guest in GUESTS else self.guest

    def header(self) -> HeaderView:
        """The guest and the technique; there are no beats."""
        return HeaderView(
            title=self.title,
            techniques=self.techniques(),
            technique=self.technique.value,
            place="Laboratory",
            pagings=page_tables.pagings(page_tables.looked_at(self.control)),
            paging=page_tables.paging(page_tables.looked_at(self.control)),
        )

    @property
    def scene(self) -> Scene | Foreign:
        """The moment, with the guest in focus in the middle."""
        now = self.control.snapshot()
        guest = chosen_guest(now)
        return Foreign(now, guest) if guest.image.riscv else scene_of(now)

    def panel(self) -> PanelView:
        """What runs, what runs stop at, what was changed."""
        spec = self.control.world.spec.host
        guests = f"{count(len(spec.vms))} VMs · " if len(spec.vms) > 1 else ""
        return PanelView(
            heading=self.title,
            kicker=f"{guests}{self._kind()} · {self.technique.label.lower()}",
            facts=self._facts(),
            memory_mib=spec.vms[0].memory_bytes // MIB,
            stops=(*self._breakpoints(), *self._watchpoints()),
            edits=tuple(
                PanelRow(f"{at.n}", described(edit), f"at {count(at.n)}" if at > START else "at the beginning")
                for at, edit in self.control.edits
            ),
            can_redo=bool(self.control.undone),
        )

    def _kind(self) -> str:
        image = next(iter(self.control.world.guests.values())).image
        if self.guest in GUESTS:
            return "shipped guest"
        if image.boot is Boot.MULTIBOOT:
            return "multiboot kernel"
        if image.symbols.kernel.assembly.pieces:
            return "assembly source"
        return "ELF executable" if image.symbols.kernel.assembly.labels else "flat binary"

    def _facts(self) -> tuple[PanelRow, ...]:
        image = next(iter(self.control.world.guests.values())).image
        size = sum(len(content) for _, content in image.segments)
        first = image.segments[0][0]
        return (
            PanelRow("entry", "starts at", hex32(image.entry)),
            PanelRow("image", "loaded at", f"{hex32(first)}, {count(size)} bytes"),
        )

    def _breakpoints(self) -> tuple[PanelRow, ...]:
        scene = self.scene
        return tuple(
            PanelRow(f"break {address:x}", scene.name_at(address) or hex32(address), f"before {hex32(address)}")
            for address in sorted(self.control.focus.breakpoints)
        )

    def _watchpoints(self) -> tuple[PanelRow, ...]:
        scene, several = self.scene, len(self.control.world.guests) > 1
        rows = []
        for at, point in enumerate(self.control.focus.watchpoints):
            how = "used" if point.reads else "written"
            whose = f"{point.vm} · " if several else ""
            name = scene.name_at(point.linear) or hex32(point.linear)
            rows.append(PanelRow(f"watch {at}", f"{whose}{name}", f"{point.size} bytes {how}"))
        return tuple(rows)

    def symbols(self) -> tuple[PanelRow, ...]:
        """Every name of the guest with its address, in the order of addresses; the key is what `go_to` understands."""
        if self._names is None:
            rows = []
            spaces = next(iter(self.control.world.guests.values())).symbols.spaces
            for space in spaces:
                prefix = "" if space is spaces[0] else f"{space.name}:"
                places = sorted((space.assembly.symbols[label], label) for label in space.assembly.labels)
                rows += [PanelRow(f"{prefix}{label}", f"{prefix}{label}", hex32(at)) for at, label in places]
            self._names = tuple(rows[:MOST_SYMBOLS])
        return self._names

    # ---- commands ------------------------------------------------------------------------------

    def place(self, text: str) -> int | None:
        """The linear address an expression names; None, and a notice, if it names none."""
        try:
            return evaluate(text, self.scene)
        except PlaceError as error:
            self.control.notice = Notice(f"Go to: {error}", failure=True)
            return None

    def go_to(self, text: str, card: str = "") -> bool:
        """Show a place: on the code card where instructions were assembled, else on the memory card, or as asked.

        Args:
            text: An address, a symbol, an expression.
            card: `guest-code`, `memory` or `guest-walk`; empty chooses.

        Returns:
            Whether there is such a place; if not, the notice says why.
        """
        linear = self.place(text)
        if linear is None:
            return False
        if not card:
            space = self.scene.space_at(linear)
            card = "guest-code" if space is not None and space.is_code(linear) else "memory"
        focus = self.control.focus
        cards = focus.cards if card in focus.cards else (*focus.cards, card)
        match card:
            case "guest-code":
                focus = replace(focus, code=f"{linear:#x}")
            case "guest-walk":
                focus = replace(focus, walk=linear)
            case _:
                focus = replace(focus, memory=linear, space="linear")
        self.look(replace(focus, cards=cards))
        return True

    def break_at(self, text: str) -> bool:
        """Set a breakpoint at a place, or clear the one there; false, and a notice, if there is no such place."""
        linear = self.place(text)
        if linear is not None:
            self.toggle_breakpoint(linear)
        return linear is not None

    def watch(self, text: str, *, size: int = 4, reads: bool = False) -> bool:
        """Stop runs when bytes at a place are written, or read too; false, and a notice, if that cannot be."""
        linear = self.place(text)
        if linear is None:
            return False
        scene = self.scene
        if isinstance(scene, Foreign):
            self.control.notice = Notice("Nobody watches the memory of an interpreter’s guest.", failure=True)
            return False
        if scene.gpa(linear) is None:
            self.control.notice = Notice(f"Nothing is mapped at {hex32(linear)}: it cannot be watched.", failure=True)
            return False
        point = Watchpoint(scene.vm, linear, size, reads)
        focus = self.control.focus
        if point not in focus.watchpoints:
            self.look(replace(focus, watchpoints=(*focus.watchpoints, point)))
        return True

    def remove_stop(self, key: str) -> None:
        """Remove the breakpoint or the watch a row of the panel names."""
        kind, _, which = key.partition(" ")
        focus = self.control.focus
        if kind == "break":
            self.look(replace(focus, breakpoints=focus.breakpoints - {int(which, 16)}))
        else:
            at = int(which)
            self.look(replace(focus, watchpoints=focus.watchpoints[:at] + focus.watchpoints[at + 1 :]))

    def set_memory(self, mib: int) -> None:
        """Give each guest another size of memory; the world begins again."""
        spec = self.control.world.spec
        first = spec.host.vms[0]
        wished = alone(self.guest, self.folder, Wishes(self.technique, mib * MIB, len(spec.host.vms), first.load_at))
        if mib * MIB != first.memory_bytes:
            self._rebuild(wished)

    def reload(self) -> None:
        """A file of the guest was saved: read it again, and begin again; a guest with a mistake changes nothing.

        What runs stop at stays where its label is now.
        """
        self.stop()
        world, focus = self.control.world, self.control.focus
        old = next(iter(world.guests.values())).symbols.kernel
        self._rebuild(world.spec)
        if self.control.world is world:
            said = self.notice.text if self.notice is not None else ""
            self.control.notice = Notice(
                f"{said}. The guest is as it was; save it again when it is mended.", failure=True
            )
            return
        new = next(iter(self.control.world.guests.values())).symbols.kernel

        def moved(linear: int) -> int:
            return new.assembly.symbols.get(old.label_at(linear) or "", linear)

        self.look(
            replace(
                focus,
                code="",
                memory=moved(focus.memory) if focus.memory is not None and focus.space == "linear" else focus.memory,
                breakpoints=frozenset(moved(each) for each in focus.breakpoints),
                watchpoints=tuple(replace(point, linear=moved(point.linear)) for point in focus.watchpoints),
            )
        )
        self.control.notice = Notice(f"{self.guest} was saved: it is read again, and begins again.")

    def step(self, grain: Grain) -> None:
        """Go forward by a grain; the code card follows the guest again."""
        self._follow()
        super().step(Grain.INSTRUCTION if grain is Grain.BEAT else grain)

    def back(self, grain: Grain) -> None:
        """Go backwards by a grain; the code card follows the guest again."""
        self._follow()
        super().back(Grain.INSTRUCTION if grain is Grain.BEAT else grain)

    def reset(self) -> None:
        """Back to the guest's first instruction."""
        self.seek(START)

    # ---- inside --------------------------------------------------------------------------------

    def _follow(self) -> None:
        if self.control.focus.code:
            self.look(replace(self.control.focus, code=""))

    def _moved(self) -> None:
        self._follow()

    def _forked(self) -> None:
        pass

    def _rebuilt(self) -> None:
        self._names = None
