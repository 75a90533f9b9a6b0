"""The window itself: pages, actions and the session's bridge, wired together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QKeyEvent
from PySide6.QtWidgets import QApplication, QFileDialog, QMenu, QStackedWidget, QVBoxLayout, QWidget

from teachvm.app.headless import Wishes
from teachvm.app.keys import KEY_BY_ACTION
from teachvm.app.lesson_session import LessonSession
from teachvm.app.progress import ProgressStore
from teachvm.app.session import Session
from teachvm.app.settings import SettingsStore
from teachvm.app.shelf import entries
from teachvm.ui.bridge import SessionBridge
from teachvm.ui.theme.look import Look
from teachvm.ui.window.actions import Actions, is_escape, press_focused
from teachvm.ui.window.allowed import allow
from teachvm.ui.window.banner import Banner
from teachvm.ui.window.bindings import on_page
from teachvm.ui.window.header import Header
from teachvm.ui.window.key_sheet import KeySheet
from teachvm.ui.window.lesson_page import LessonPage
from teachvm.ui.window.library import Library
from teachvm.ui.window.opening import CannotOpenError, FileWatcher, open_guest, open_session
from teachvm.ui.window.presenter import NotesWindow, PressedKey
from teachvm.vmm.techniques import Technique

SAVE_AFTER_MS = 300
"""How long after the last key of an answer it is written to disk; leaving the lesson writes it at once."""


class MainWindow(QWidget):
    """One window on one lesson, or on the library; `opened` says that another session is shown."""

    opened = Signal()

    def __init__(self, look: Look, settings: SettingsStore, progress: ProgressStore) -> None:
        super().__init__()
        self.look = look
        self.settings = settings
        self.progress = progress
        self.setObjectName("window")
        self.setWindowTitle("teachvm")
        self.setMinimumSize(800, 560)
        self.actions_by_name = Actions(self)
        self.header = Header(look, self.actions_by_name)
        self.library = Library(look)
        self.page = LessonPage(look, self.actions_by_name)
        self.notice = Banner(look)
        self.notes = NotesWindow(look)
        self.notes.addActions(self.actions())
        self.pressed = PressedKey(look, self)
        self.key_sheet: KeySheet | None = None
        self.bridge: SessionBridge | None = None
        self.lesson_path: Path | None = None
        self._listening = False
        self.pages = QStackedWidget()
        self.pages.addWidget(self.library)
        self.pages.addWidget(self.page)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        for widget in (self.header, self.notice, self.pages):
            rows.addWidget(widget)
        self._watcher = FileWatcher(self)
        self._save_soon = QTimer(self, singleShot=True, interval=SAVE_AFTER_MS)
        self._connect()
        self._bind()
        self._settle()

    @property
    def lesson(self) -> LessonSession | None:
        """The open lesson; None in the library and in the laboratory."""
        session = self.bridge.session if self.bridge else None
        return session if isinstance(session, LessonSession) else None

    # --- wiring --------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        self.library.opened.connect(self.open_lesson)
        self.library.open_file.connect(self.choose_file)
        self.header.heading.acted.connect(self._heading)
        self.header.transport.speed_changed.connect(self._set_speed)
        self.header.technique.chosen.connect(self.set_technique)
        self.header.paging.chosen.connect(self.set_paging)
        self.header.rail_button.clicked.connect(self.toggle_rail)
        self.header.cards_button.clicked.connect(self.show_palette)
        self.header.theme_button.clicked.connect(self.next_theme)
        self.header.presenter_button.clicked.connect(self.toggle_presenter)
        self.header.keys_button.clicked.connect(self.show_keys)
        self.page.stage.asked.connect(lambda action: self.actions_by_name[action].trigger())
        self.page.rail.answered.connect(self.answer)
        self.page.rail.commanded.connect(self.command)
        self.page.panel.commanded.connect(self.command)
        self.library.open_guest.connect(self.choose_guest)
        self.page.actor_changed.connect(self.header.chip.show_actor)
        self._watcher.saved.connect(self.reload)
        self._save_soon.timeout.connect(self._save_progress)

    def _bind(self) -> None:
        doers: dict[str, Callable[[], object]] = {name: self._on(name, do) for name, do in on_page(self.page).items()}
        doers |= {
            "zoom-in": lambda: self._zoom(+1),
            "zoom-out": lambda: self._zoom(-1),
            "zoom-reset": lambda: self._zoom(0),
            "presenter": self.toggle_presenter,
            "key-sheet": self.show_keys,
        }
        for technique in Technique:
            doers[f"technique-{technique.value}"] = partial(self.set_technique, technique.value)
        self.actions_by_name.bind(doers)

    def _on(self, name: str, do: Callable[[SessionBridge], object]) -> Callable[[], None]:
        """An action on the open lesson; in presenter mode its key is shown."""

        def act() -> None:
            if self.bridge is not None:
                if self.look.hall:
                    key = KEY_BY_ACTION[name]
                    self.pressed.say(f"{key.keys[0]}   {key.label}")
                do(self.bridge)

        return act

    def _settle(self) -> None:
        """Take up the settings, and say what was wrong with the files."""
        now = self.settings.now
        self.header.transport.slider.setValue(now.speed)
        self.page.rail_wanted = now.rail
        self.resize(now.width, now.height)
        for problem in (self.settings.problem, self.progress.problem):
            if problem:
                self.notice.say(problem)
        self.show_library()

    # --- pages ---------------------------------------------------------------------------------------------------

    def show_library(self) -> None:
        """Go home; progress is kept."""
        self._leave()
        self.library.show_entries(entries(self.progress), self.settings.now.last_lesson)
        self.pages.setCurrentWidget(self.library)
        self.library.focus_first()
        self.header.set_lesson(False)
        self.setWindowTitle("teachvm")
        self._allow()

    def choose_file(self) -> None:
        """Ask for a lesson's folder, and open it."""
        folder = QFileDialog.getExistingDirectory(self, "Open a lesson folder")
        if folder:
            self.open_lesson(folder)

    def open_lesson(self, word: str, *, beat: int | None = None) -> bool:
        """Open a lesson by number, id or folder; a problem is one line, and what was open stays."""
        try:
            opened = open_session(word, self.progress, beat)
        except CannotOpenError as error:
            self.notice.say(str(error))
            return False
        self._leave()
        self.notice.clear()
        self._show(opened.session, opened.path)
        return True

    def choose_guest(self) -> None:
        """Ask for a guest's file, and open the laboratory."""
        file, _kind = QFileDialog.getOpenFileName(self, "Open a guest: source, ELF, multiboot kernel or flat binary")
        if file:
            self.open_laboratory(Path(file).name, Path(file).parent)

    def open_laboratory(self, guest: str, folder: Path | None = None, wishes: Wishes | None = None) -> bool:
        """Open a guest without a lesson; a problem is one line, and what was open stays."""
        try:
            session = open_guest(guest, folder, wishes)
        except CannotOpenError as error:
            self.notice.say(str(error))
            return False
        self._leave()
        self.notice.clear()
        self._show(session, None)
        return True

    def _show(self, session: Session, path: Path | None) -> None:
        self.lesson_path = path
        self.bridge = SessionBridge(session)
        self.bridge.position = self.header.transport.slider.value()
        self.bridge.moved.connect(self.refresh)
        self.page.open(self.bridge)
        self.pages.setCurrentWidget(self.page)
        self.header.set_lesson(True)
        self.setWindowTitle(f"{session.title} — teachvm")
        self._watcher.watch(session.files())
        if self.lesson is not None:
            self._keep(last_lesson=self.lesson.lesson.id)
        (self.page.rail if self.page.rail_wanted and self.lesson else self.page.stage).setFocus()
        self.refresh()
        self.bridge.resume()
        self.opened.emit()

    def reload(self) -> None:
        """A file of what is open was saved: read it again; a broken one changes nothing.

        A lesson stays at the same beat, a guest in the laboratory begins again.
        """
        path, lesson, laboratory = self.lesson_path, self.lesson, self.page.laboratory
        if path is not None and lesson is not None:
            self._save_progress()
            maximised, beat = self.page.stage.maximised, lesson.run.beat
            if self.open_lesson(str(path), beat=beat) and maximised:
                self.page.stage.maximise(maximised)
        elif laboratory is not None and self.bridge is not None:
            self.bridge.change(laboratory.reload)
            self._watcher.watch(laboratory.files())

    def _leave(self) -> None:
        """Stop the open lesson and keep its progress."""
        if self.bridge is not None:
            self.bridge.stop()
            self._save_progress()
            self.bridge.moved.disconnect(self.refresh)
            self.bridge.deleteLater()
            self.bridge = None
            self._listen(False)

    # --- painting ------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show the session as it is now."""
        bridge = self.bridge
        if bridge is None:
            return
        session = bridge.session
        self.header.show_header(session.header())
        self.header.transport.show_running(bridge.running)
        self._listen(bridge.running)
        self.page.refresh()
        self.page.arrange()
        if self.notes.isVisible():
            self.notes.show_rail(self.page.rail.view)
        self._allow()

    def _allow(self) -> None:
        allow(self.actions_by_name, self.bridge.session if self.bridge else None)

    # --- commands ------------------------------------------------------------------------------------------------

    def command(self, name: str) -> None:
        """Do what the rail's button says: an action of the key table, or a turn of the lesson."""
        if name == "home":
            self.show_library()
        elif name in KEY_BY_ACTION:
            self.actions_by_name[name].trigger()
        elif self.bridge is not None and self.lesson is not None:
            self.lesson.act()
            self.bridge.resume()
            self._save_progress()

    def answer(self, question: str, given: str) -> None:
        """Take an answer to the open question."""
        if self.bridge is not None and self.lesson is not None:
            self.lesson.answer(question, given)
            self.bridge.poke()
            self._save_soon.start()

    def set_technique(self, name: str) -> None:
        """Run the same guests another way."""
        if self.bridge is not None:
            self.bridge.change(partial(self.bridge.session.set_technique, Technique(name)))

    def set_paging(self, name: str) -> None:
        """Let somebody else translate guest-physical addresses, from this moment on."""
        if self.bridge is not None:
            self.bridge.change(partial(self.bridge.session.set_paging, name))

    def _heading(self, action: str) -> None:
        if action == "home":
            self.show_library()
        elif action.startswith("beat-") and self.bridge is not None and self.lesson is not None:
            self.bridge.stop()
            self.lesson.go_to_beat(int(action.removeprefix("beat-")))
            self.bridge.resume()

    def _set_speed(self, position: int) -> None:
        if self.bridge is not None:
            self.bridge.set_speed(position)
        self._keep(speed=position)

    # --- the look ------------------------------------------------------------------------------------------------

    def toggle_rail(self) -> None:
        """Fold the lesson's text away, or bring it back."""
        self.page.rail_wanted = not self.page.rail_wanted
        self.page.arrange()
        self._keep(rail=self.page.rail_wanted)

    def show_palette(self) -> None:
        """Every card, to be put on the stage or taken off."""
        button = self.header.cards_button
        self.palette_menu().popup(button.mapToGlobal(button.rect().bottomLeft()))

    def palette_menu(self) -> QMenu:
        """The cards as a menu; those on the stage are ticked."""
        return self.page.stage.palette_menu(self)

    def next_theme(self) -> None:
        """Dark, light, high contrast."""
        self.look.next_theme()
        self._keep(theme=self.look.theme.name)
        self.refresh()

    def _zoom(self, steps: int) -> None:
        self.look.zoom_by(steps)
        self._keep(zoom=self.look.chosen_zoom)
        self.refresh()

    def toggle_presenter(self) -> None:
        """Presenter mode: larger type, changes in a spotlight, keys on screen, notes in a second window.

        Nothing of the machine is shown before a prediction.
        """
        hall = not self.look.hall
        self.look.set_hall(hall)
        self.notes.show_rail(self.page.rail.view)
        self.notes.setVisible(hall and self.lesson is not None)
        if hall:
            self.activateWindow()
        self.header.presenter_button.setChecked(hall)
        self.refresh()

    def show_keys(self) -> None:
        """Every key on one sheet; again, and it is gone."""
        if self.key_sheet is not None and self.key_sheet.isVisible():
            self.key_sheet.close()
            return
        self.key_sheet = KeySheet(self.look, self)
        self.key_sheet.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.key_sheet.destroyed.connect(self._forget_sheet)
        self.key_sheet.show()

    def _forget_sheet(self) -> None:
        self.key_sheet = None

    # --- keeping -------------------------------------------------------------------------------------------------

    def _keep(self, **values: object) -> None:
        problem = self.settings.change(**values)
        if problem:
            self.notice.say(problem)

    def _save_progress(self) -> None:
        self._save_soon.stop()
        if self.lesson is not None:
            problem = self.progress.keep(self.lesson.lesson.id, self.lesson.saved())
            if problem:
                self.notice.say(problem)

    def _listen(self, running: bool) -> None:
        """While something runs, look at every key before anybody else does; at rest, at none: it costs time."""
        app = QApplication.instance()
        if app is not None and running != self._listening:
            self._listening = running
            (app.installEventFilter if running else app.removeEventFilter)(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Esc stops whatever runs, wherever the focus is; what else Esc does there, it does too."""
        if is_escape(event) and self.bridge is not None and self.bridge.running:
            self.bridge.stop()
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter presses the button that has the focus."""
        if not press_focused(event):
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Keep progress and the window's size."""
        self._leave()
        self._keep(width=self.width(), height=self.height())
        self.notes.close()
        super().closeEvent(event)
