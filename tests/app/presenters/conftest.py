"""Worlds that were run to their end once and are only moved about afterwards."""

from collections.abc import Callable

import pytest

from teachvm.app.control import Control
from teachvm.app.focus import Focus
from teachvm.trace.moment import START, Moment
from tests.app.presenters.worlds import bare, finish, tinyos, until

At = Callable[..., Control]
"""`at(label, offset)`: the control, standing before the instruction there for the first time."""


@pytest.fixture(scope="session")
def whole_run() -> Control:
    """tinyos under trap and emulate, all of it recorded; tests seek to where they look."""
    control = tinyos()
    finish(control)
    return control


@pytest.fixture(scope="session")
def whole_bare_run() -> Control:
    """tinyos on bare metal, all of it recorded."""
    control = bare()
    finish(control)
    return control


@pytest.fixture(scope="session")
def two_runs() -> Control:
    """Two VMs that take turns, all of it recorded."""
    control = tinyos(vms=("alpha", "beta"))
    finish(control)
    return control


def _goes(control: Control, known: dict[tuple[str, int], Moment]) -> At:
    def at(label: str, offset: int = 0) -> Control:
        control.look(Focus())
        if (label, offset) in known:
            control.seek(known[label, offset])
        else:
            control.seek(START)
            until(control, label, offset)
            known[label, offset] = control.position
        control.snapshot()
        return control

    return at


@pytest.fixture(scope="session")
def at(whole_run: Control) -> At:
    """Go to a label of tinyos under trap and emulate."""
    return _goes(whole_run, {})


@pytest.fixture(scope="session")
def bare_at(whole_bare_run: Control) -> At:
    """Go to a label of tinyos on bare metal."""
    return _goes(whole_bare_run, {})
