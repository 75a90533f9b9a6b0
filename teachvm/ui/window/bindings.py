"""What the actions of the key table do to what is open on the page."""

from __future__ import annotations

from collections.abc import Callable
from operator import methodcaller

from teachvm.ui.bridge import SessionBridge
from teachvm.ui.window.allowed import BACK, CHANGES, COMPARISONS, FORWARD
from teachvm.ui.window.lesson_page import LessonPage


def on_page(page: LessonPage) -> dict[str, Callable[[SessionBridge], object]]:
    """By action, what is done with the bridge of the open session."""
    return {
        "run": SessionBridge.toggle_run,
        "run-back": SessionBridge.run_back,
        **{name: methodcaller("step", grain) for name, grain in FORWARD.items()},
        **{name: methodcaller("back", grain) for name, grain in BACK.items()},
        "save-recording": lambda _bridge: page.save_recording(),
        "run-until": lambda _bridge: page.until.open(),
        "find-change": lambda _bridge: page.wonder(forward=True),
        "find-change-back": lambda _bridge: page.wonder(forward=False),
        "stop": SessionBridge.stop,
        "reset": lambda bridge: bridge.change(bridge.session.reset),
        "breakpoint": lambda _bridge: page.toggle_selected_breakpoint(),
        **{name: methodcaller("compare", against) for name, against in COMPARISONS.items()},
        "measure": SessionBridge.measure,
        **{name: methodcaller("do", name) for name in CHANGES},
        "go-to": lambda _bridge: page.panel.place.setFocus(),
    }
