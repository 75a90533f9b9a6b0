"""Whether the window survives a long session, and comes back to exactly where it was."""

import pytest
from PySide6.QtWidgets import QApplication

from teachvm.ui.window.main_window import MainWindow
from tests.ui.window.conftest import settle
from tests.ui.window.journeys import bridge_of

CARDS = ("who-is-running", "guest-code", "vcpu-and-cpu", "console")


def repeat(window: MainWindow, action: str, count: int) -> None:
    """Give a command again and again, each one painted before the next."""
    for _ in range(count):
        window.actions_by_name[action].trigger()
        QApplication.processEvents()
        QApplication.processEvents()


def there_and_back(window: MainWindow, steps: int, back: int) -> None:
    """Step, go back some of it, and the same forward again: place and state are the same."""
    window.page.stage.show_cards(CARDS)
    settle(window)
    session = bridge_of(window).session
    repeat(window, "step", steps)
    place, state = session.position, session.control.world.registry.capture()
    shown = {card: session.card(card).body for card in CARDS}
    repeat(window, "back", back)
    assert session.position < place
    repeat(window, "step", back)
    settle(window)
    assert session.position == place
    assert session.control.world.registry.capture() == state
    assert {card: session.card(card).body for card in CARDS} == shown
    assert window.isVisible()
    assert session.notice is None


def test_steps_and_steps_back_survive(opened: MainWindow) -> None:
    there_and_back(opened, 150, 50)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_5000_steps_and_500_steps_back_survive_in_one_process(opened: MainWindow) -> None:
    there_and_back(opened, 5000, 500)
