"""The lesson page: rail, stage and timeline around one session; it asks the session and paints, nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QApplication, QFileDialog, QHBoxLayout, QVBoxLayout, QWidget

from teachvm.app.control import Direction, Notice
from teachvm.app.laboratory import Laboratory
from teachvm.app.lesson_session import LessonSession
from teachvm.app.presentation import Actor, ActorsView, CardView, Instant, Link, Place
from teachvm.app.session import Session
from teachvm.app.wording import Command, Editable
from teachvm.trace.moment import START, Moment
from teachvm.ui.bridge import SessionBridge
from teachvm.ui.theme.look import Look
from teachvm.ui.widgets.canvas import Canvas, announce
from teachvm.ui.widgets.code_list import CodeList
from teachvm.ui.widgets.table import Table
from teachvm.ui.window.actions import Actions
from teachvm.ui.window.banner import Banner
from teachvm.ui.window.dock import TimelineDock
from teachvm.ui.window.lab_panel import LabPanel
from teachvm.ui.window.presenter import Veil
from teachvm.ui.window.rail import Rail
from teachvm.ui.window.stage import Stage
from teachvm.ui.window.until_bar import UntilBar

SLIM_BELOW = 1400
"""Window width, in layout pixels, below which the rail is slim."""
LOW_BELOW = 780
"""Page height below which the timeline is lower."""
CHOOSE_FIRST = "Point at a register, a flag, a byte or a page table entry first, or go to it with Tab and arrow keys."
WHO, TIME = "who-is-running", "timeline"


class LessonPage(QWidget):
    """Shows one session at a time. `actor_changed` carries who runs, for the header."""

    actor_changed = Signal(object)

    def __init__(self, look: Look, actions: Actions) -> None:
        super().__init__()
        self.look = look
        self.setObjectName("lesson-page")
        self.bridge: SessionBridge | None = None
        self._lifted = ""
        """The prediction before which the presenter showed the machine all the same."""
        self.rail = Rail(look)
        self.panel = LabPanel(look)
        self.panel.hide()
        self.rail_wanted = True
        self.banner = Banner(look)
        self.until = UntilBar(look)
        self.stage = Stage(look)
        self.veil = Veil(look)
        self.veil.lifted.connect(self._lift)
        self.dock = TimelineDock(look, actions)
        self._views: dict[str, CardView] = {}
        self._announced = START
        self._connect()
        self._lay_out()
        look.changed.connect(self.arrange)
        self.stage.changed.connect(self.arrange)

    def _connect(self) -> None:
        self.stage.followed.connect(self.follow)
        self.stage.sought.connect(self._seek)
        self.stage.break_toggled.connect(self._toggle_breakpoint)
        self.stage.typed.connect(self._type)
        self.stage.edited.connect(self._edit)
        self.stage.valued.connect(self._change_value)
        self.stage.wondered.connect(self._find_origin)
        self.panel.asked.connect(self._ask)
        self.panel.removed.connect(self._remove_stop)
        self.panel.sized.connect(self._set_memory)
        self.stage.changed.connect(self._stage_changed)
        self.dock.sought.connect(self._seek)
        self.dock.taken.connect(self._take_up)
        self.until.asked.connect(self._run_until)

    def _lay_out(self) -> None:
        middle = QVBoxLayout()
        middle.setSpacing(0)
        middle.addWidget(self.until)
        self._banner_row = QHBoxLayout()
        self._banner_row.addWidget(self.banner)
        middle.addLayout(self._banner_row)
        middle.addWidget(self.stage, 1)
        middle.addWidget(self.veil, 1)
        across = QHBoxLayout()
        across.setSpacing(0)
        across.addWidget(self.rail)
        across.addWidget(self.panel)
        across.addLayout(middle, 1)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        rows.addLayout(across, 1)
        rows.addWidget(self.dock)

    @property
    def session(self) -> Session | None:
        """The session on the page."""
        return self.bridge.session if self.bridge else None

    @property
    def laboratory(self) -> Laboratory | None:
        """The laboratory on the page; None in a lesson."""
        return self.session if isinstance(self.session, Laboratory) else None

    def open(self, bridge: SessionBridge) -> None:
        """Show another session."""
        self._views.clear()
        self._lifted = ""
        self.banner.clear()
        self.bridge = bridge

    # --- painting ------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Ask the session for everything in sight, and paint what differs."""
        session = self.session
        if session is None:
            return
        if isinstance(session, LessonSession):
            self.rail.show_rail(session.rail())
        elif isinstance(session, Laboratory):
            self.panel.show_panel(session.panel(), session.symbols())
        self._show_veil()
        self.stage.show_cards(session.stage)
        self.paint_cards()
        self._say(session)

    def paint_cards(self) -> None:
        """Show the cards in sight, the timeline, and who runs."""
        session = self.session
        if session is None:
            return
        for card in self.stage.in_sight():
            view = session.card(card)
            lit = self.look.hall and self._views.get(card, view) != view
            self._views[card] = view
            self.stage.show_view(card, view, lit=lit)
        self.dock.show_view(session.card(TIME))
        who = session.card(WHO)
        self.actor_changed.emit(_running(who))
        self._announce(session, who)

    def _show_veil(self) -> None:
        """In a hall, hide the machine until the room has predicted what it will do; only where the question is seen."""
        asked = "" if self.laboratory else self.rail.view.predicting
        self._lifted = self._lifted if asked == self._lifted else ""
        readable = self.rail_wanted and not self.stage.maximised
        veiled = self.look.hall and readable and asked not in ("", self._lifted)
        focus = QApplication.focusWidget()
        if veiled and focus is not None and (self.stage.isAncestorOf(focus) or focus is self.stage):
            self.veil.setVisible(True)
            self.veil.setFocus()
        self.stage.setVisible(not veiled)
        self.dock.setVisible(not veiled)
        self.veil.setVisible(veiled)

    def _lift(self) -> None:
        self._lifted = self.rail.view.predicting
        self.arrange()

    def _announce(self, session: Session, who: CardView) -> None:
        """Have a trap read out, once per moment, and not while something runs: then only where it came to."""
        if session.position != self._announced and self.bridge is not None and not self.bridge.running:
            self._announced = session.position
            announce(self.dock, who.announce)

    def scroll_home(self) -> None:
        """Show every card and the timeline as if they had just been opened: no trace of the way here."""
        for frame in self.stage.frames.values():
            frame.body.scroll_home()
        self.dock.lanes.forget_window()

    def _say(self, session: Session) -> None:
        notice = session.notice
        if notice is None:
            self.banner.clear()
        else:
            self.banner.say(notice.text, "error" if notice.failure else "info")

    # --- what the student does on a card -------------------------------------------------------------------------

    def follow(self, link: Link) -> None:
        """Go where a value points: to a moment, to memory, to a walk; or do what it names."""
        session, bridge = self.session, self.bridge
        if session is None or bridge is None:
            return
        if isinstance(link, Instant):
            bridge.seek(link.moment)
            return
        if isinstance(link, Command):
            self.stage.asked.emit(link.action)
            return
        focus = session.control.focus
        card = "memory" if isinstance(link, Place) else "guest-walk"
        focus = replace(focus, cards=focus.cards if card in focus.cards else (*focus.cards, card))
        if isinstance(link, Place):
            focus = replace(focus, memory=link.address, space=link.space)
        else:
            focus = replace(focus, walk=link.linear)
        session.look(focus)
        bridge.poke()

    def selected_address(self) -> int | None:
        """The instruction that was chosen on the code card by keyboard, else the one the guest stands at."""
        frame = self.stage.frames.get("guest-code")
        code = frame.findChild(CodeList) if frame is not None else None
        return code.selected_address() if code is not None else None

    def _seek(self, moment: object) -> None:
        if self.bridge is not None:
            self.bridge.seek(moment)  # type: ignore[arg-type]  # Qt's signals carry objects; this one a Moment

    def _take_up(self, future: int) -> None:
        bridge = self.bridge
        if bridge is not None:
            bridge.change(lambda: bridge.session.take_up(future))

    def _type(self, guest: str, text: str) -> None:
        if self.bridge is not None:
            self.bridge.type_text(guest, text)

    def _edit(self, cost: str, text: str) -> None:
        """Somebody gave a cost anew: the one kind of value a card lets people edit."""
        if self.bridge is not None:
            self.bridge.set_cost(cost, text)

    # --- the laboratory ------------------------------------------------------------------------------------------

    def _change_value(self, what: Editable, text: str) -> None:
        """Somebody wrote another value over one on a card."""
        if self.bridge is not None:
            self.bridge.stop()
            self.bridge.session.edit(what, text)
            self.bridge.resume()

    def _ask(self, verb: str, place: str) -> None:
        """Do something with a place somebody wrote or chose."""
        lab, bridge = self.laboratory, self.bridge
        if lab is None or bridge is None:
            return
        lab.control.notice = None
        match verb:
            case "moment":
                bridge.seek(Moment(int(place)))
            case "break":
                lab.break_at(place)
            case "watch" | "reads":
                lab.watch(place, reads=verb == "reads")
            case _:
                lab.go_to(place, "memory" if verb == "memory" else "")
        bridge.poke()

    def save_recording(self) -> None:
        """Ask for a file, and write what happened up to here into it."""
        if self.bridge is not None:
            self.bridge.stop()
            file, _kind = QFileDialog.getSaveFileName(self, "Save a recording", "recording.json", "Recordings (*.json)")
            if file:
                self.bridge.session.save_recording(Path(file))
                self.bridge.poke()

    def _find_origin(self, what: Editable, forward: bool) -> None:
        if self.bridge is not None:
            self.bridge.find_origin(what, Direction.FORWARD if forward else Direction.BACKWARD)

    def wonder(self, *, forward: bool) -> None:
        """Ask when the value that is pointed at, or was chosen by key, changed last, or changes next."""
        widgets: list[Canvas | Table] = [*self.stage.findChildren(Canvas), *self.stage.findChildren(Table)]
        focus = QApplication.focusWidget()
        widgets.sort(key=lambda each: focus is not None and (each is focus or each.isAncestorOf(focus)), reverse=True)
        what = next((each.pointed for each in widgets if each.isVisible() and each.pointed is not None), None)
        if what is not None:
            self._find_origin(what, forward)
        elif self.session is not None and self.bridge is not None:
            self.session.control.notice = Notice(CHOOSE_FIRST, failure=True)
            self.bridge.poke()

    def _run_until(self, text: str, direction: Direction) -> None:
        if self.bridge is not None:
            self.bridge.run_until(text, direction)

    def _remove_stop(self, key: str) -> None:
        if self.laboratory is not None and self.bridge is not None:
            self.laboratory.remove_stop(key)
            self.bridge.poke()

    def _set_memory(self, mib: int) -> None:
        if self.laboratory is not None and self.bridge is not None:
            self.bridge.stop()
            self.laboratory.set_memory(mib)
            self.bridge.poke()

    def _toggle_breakpoint(self, address: int) -> None:
        if self.session is not None and self.bridge is not None:
            self.session.toggle_breakpoint(address)
            self.bridge.poke()

    def toggle_selected_breakpoint(self) -> None:
        """Set or clear a breakpoint at the instruction chosen on the code card."""
        address = self.selected_address()
        if address is not None:
            self._toggle_breakpoint(address)

    def _stage_changed(self) -> None:
        """The student put a card on the stage, took one off, or maximised one."""
        session = self.session
        if session is None or self.bridge is None:
            return
        if session.stage != self.stage.cards:
            session.look(replace(session.control.focus, cards=self.stage.cards))
        self.bridge.poke()

    # --- layout --------------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A small window has a slim rail."""
        super().resizeEvent(event)
        self.arrange()

    def arrange(self) -> None:
        """Show the rail as wide as there is room for; a maximised card hides it."""
        px = self.look.px
        self.rail.set_slim(self.width() < px(SLIM_BELOW))
        self.dock.set_low(self.height() < px(LOW_BELOW))
        self.panel.set_slim(self.width() < px(SLIM_BELOW))
        shown, lab = self.rail_wanted and not self.stage.maximised, self.laboratory is not None
        self.rail.setVisible(shown and not lab)
        self.panel.setVisible(shown and lab)
        self._show_veil()
        self._banner_row.setContentsMargins(px(16), px(12) if self.banner.isVisibleTo(self) else 0, px(16), 0)


def _running(view: CardView) -> Actor | None:
    """The actor that holds the CPU, by the card that says so."""
    for block in view.body:
        if isinstance(block, ActorsView):
            return next((actor for actor in block.actors if actor.running), None)
    return None
