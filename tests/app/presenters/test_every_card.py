"""Whatever moment a world stands at, every card has something to say about it, in words the views know."""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass

import pytest

from teachvm.app.cards import CARDS
from teachvm.app.control import Control
from teachvm.app.presenters import PRESENTERS, present
from teachvm.app.twin import twin
from teachvm.app.wording import ROLES, Badge, Span
from teachvm.resources import assets
from teachvm.trace.events import Event
from teachvm.trace.grain import Grain
from teachvm.trace.moment import Moment
from teachvm.vmm.techniques import Paging, Technique
from tests.app.presenters.worlds import bare, paging, tinyos

WORLDS: dict[str, Callable[[], Control]] = {
    "trap-and-emulate": tinyos,
    "bare-metal": bare,
    "binary-translation": lambda: tinyos(Technique.BINARY_TRANSLATION),
    "hardware-assist": lambda: tinyos(Technique.HARDWARE_ASSIST),
    "nested": lambda: tinyos(Technique.HARDWARE_ASSIST, paging_by=Paging.NESTED),
    "two-vms": lambda: tinyos(vms=("alpha", "beta")),
    "page-tables": paging,
    "page-tables-under-a-vmm": lambda: paging(Technique.TRAP_AND_EMULATE),
}
STEPS = {"trap-and-emulate": 300, "bare-metal": 300}
ICONS = {path.name.removesuffix(".svg") for path in (assets() / "icons").iterdir()}


def parts(value: object) -> Iterator[object]:
    """A value and everything in it."""
    yield value
    if is_dataclass(value):
        for field in fields(value):
            yield from parts(getattr(value, field.name))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from parts(item)


def check(control: Control, *, deeply: bool) -> None:
    for name in PRESENTERS:
        view = present(name, control.snapshot(), control.before())
        assert view.body
        if deeply:
            assert twin(view).strip()
            for part in parts(view):
                role = getattr(part, "role", None)
                assert role is None or role in ROLES
                if isinstance(part, Badge):
                    assert part.icon == "" or part.icon in ICONS
                if isinstance(part, Span):
                    assert "\n" not in part.text


def test_every_card_has_a_presenter() -> None:
    assert set(PRESENTERS) == {card.id for card in CARDS}
    with pytest.raises(KeyError):
        present("no-such-card", tinyos().snapshot())


@pytest.mark.parametrize("world", WORLDS)
def test_every_card_speaks_at_every_visible_step(world: str) -> None:
    control = WORLDS[world]()
    steps = STEPS.get(world, 100)
    for step in range(steps):
        if step == steps // 2:
            control.leave()
            control.timeline.run(5_000)
            control.leave()
        control.step(Grain.VISIBLE)
        check(control, deeply=step % 60 == 0)


@pytest.mark.parametrize("fixture", ["whole_run", "whole_bare_run", "two_runs"])
def test_every_card_speaks_at_every_kind_of_phase_and_on_the_way_back(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    control: Control = request.getfixturevalue(fixture)
    seen: set[type[Event]] = set()
    for event in list(control.world.recorder.log.of(Event)):
        if event.PHASE and type(event) not in seen:
            seen.add(type(event))
            control.seek(event.at)
            check(control, deeply=True)
            control.back(Grain.VISIBLE)
            check(control, deeply=False)
    assert len(seen) >= 5


def test_presenting_changes_nothing(whole_run: Control) -> None:
    whole_run.seek(Moment(30_000))
    digest, events = whole_run.timeline.digest(), len(whole_run.world.recorder.log)
    check(whole_run, deeply=False)
    assert (whole_run.timeline.digest(), len(whole_run.world.recorder.log)) == (digest, events)


def test_the_same_moment_is_presented_alike_whichever_way_one_came() -> None:
    control = tinyos()
    for _ in range(40):
        control.step(Grain.VISIBLE)
    forward = [twin(present(name, control.snapshot())) for name in PRESENTERS if name != "timeline"]
    control.step(Grain.VISIBLE)
    control.back(Grain.VISIBLE)
    back = [twin(present(name, control.snapshot())) for name in PRESENTERS if name != "timeline"]
    for one, other in zip(forward, back, strict=True):
        assert one.replace(" (to come)", "").splitlines()[:6] == other.replace(" (to come)", "").splitlines()[:6]
