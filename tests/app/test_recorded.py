"""A recording saved from a session and opened again stands at its end, with its past behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from teachvm.app.laboratory import Laboratory
from teachvm.app.recorded import Recorded
from teachvm.trace.grain import Grain
from teachvm.trace.moment import Moment
from teachvm.world.recording import RecordingError


def test_a_saved_session_opens_at_its_end_with_its_whole_past(tmp_path: Path) -> None:
    lab = Laboratory("tinyos")
    lab.control.seek(Moment(3_000))
    lab.type_text("tinyos", "x")
    lab.control.seek(Moment(9_000))
    lab.save_recording(tmp_path / "it.json")
    assert lab.notice is not None
    assert not lab.notice.failure
    opened = Recorded(tmp_path / "it.json")
    while opened.work(lambda: False):
        pass
    assert opened.title == "it.json"
    assert opened.notice is not None
    assert "state that was recorded" in opened.notice.text
    assert opened.position == lab.position
    assert opened.control.timeline.digest() == lab.control.timeline.digest()
    for session in (opened, lab):
        session.back(Grain.TRAP)
        session.seek(Moment(100))
    assert opened.control.timeline.digest() == lab.control.timeline.digest()


def test_a_file_that_is_no_recording_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "it.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RecordingError, match="no recording in order"):
        Recorded(tmp_path / "it.json")
