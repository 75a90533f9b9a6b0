"""What work costs, given anew in an open lesson: another world, the same beat, and one line where it is no cost."""

from pathlib import Path

import pytest

from teachvm.app.rail import Said
from teachvm.app.session import Session
from teachvm.host.costs import MOST_CYCLES
from teachvm.trace.moment import Moment
from teachvm.vmm.techniques import Technique
from tests.app.lessons import ready, settled

BODY = """
## One

```{run}
until: "at('third')"
```

```{ask}
id: q-one
prompt: How many?
type: number
predict: false
answer: "count('trap')"
points: 1
```

## Two

```{run}
until: "at('print')"
```
"""


def notes(session: Session) -> list[str]:
    return [part.markdown for part in session.rail().parts if isinstance(part, Said) and part.markdown.startswith(">")]


def test_another_cost_changes_cycles_and_nothing_the_guest_sees_and_keeps_beat_and_answers(tmp_path: Path) -> None:
    session = ready(tmp_path, BODY)
    session.answer("q-one", "2")
    before, cycles = session.position, session.control.world.recorder.clock.cycles
    ledger = session.control.world.host.tenants["alpha"].ledger
    traps = sum(row.count for row in ledger.rows() if row.reason.cost == "trap")
    assert traps
    session.set_cost("trap", "5 000")
    settled(session)
    assert session.position == before
    assert session.control.world.recorder.clock.cycles == cycles + traps * (5_000 - 2_000)
    assert session.run.answers == {"q-one": "2"}
    (note,) = notes(session)
    assert "a trap, one emulated instruction and the way back" in note
    session.set_technique(Technique.BARE_METAL)
    settled(session)
    assert len(notes(session)) == 2
    session.set_technique(Technique.TRAP_AND_EMULATE)
    session.set_cost("trap", "2000")
    settled(session)
    assert notes(session) == []
    assert session.control.world.recorder.clock.cycles == cycles


@pytest.mark.parametrize("given", ["", "abc", "-1", "1.5", "1e9", str(MOST_CYCLES + 1), "9" * 24])
def test_what_is_no_cost_is_one_line_and_changes_nothing(tmp_path: Path, given: str) -> None:
    session = ready(tmp_path, BODY)
    world = session.control.world
    session.set_cost("trap", given)
    assert session.control.world is world
    assert session.notice is not None
    assert session.notice.failure
    assert "is no cost" in session.notice.text
    assert "\n" not in session.notice.text


@pytest.mark.parametrize("given", ["0", str(MOST_CYCLES)])
def test_the_cheapest_and_the_dearest_cost_leave_the_lesson_usable(tmp_path: Path, given: str) -> None:
    session = ready(tmp_path, BODY)
    session.set_cost("trap", given)
    settled(session)
    session.next_beat()
    settled(session)
    assert session.run.beat == 1
    assert session.position > Moment(0)


def test_the_cost_there_is_already_changes_nothing(tmp_path: Path) -> None:
    session = ready(tmp_path, BODY)
    world = session.control.world
    session.set_cost("trap", "2000")
    assert session.control.world is world
    assert session.notice is None
