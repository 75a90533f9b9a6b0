"""Recordings: the same world comes to the same end again, and a stranger's file can do nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import is_dataclass
from pathlib import Path
from random import Random
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachvm.app import recordings
from teachvm.trace.timeline import Timeline
from teachvm.vmm.techniques import ShadowPolicy
from teachvm.world import inputs
from teachvm.world.build import build
from teachvm.world.recording import RecordingError, parse
from teachvm.world.spec import WorldSpec
from teachvm.world.world import World
from tests.world.guests import KERNELS, SYSTEMS
from tests.world.kernels import BARE, TRAP, Sample, spec


def made(sample: Sample, folder: Path, asked: WorldSpec) -> tuple[World, Timeline]:
    for name, text in sample.sources:
        (folder / name).write_text(text, encoding="ascii")
    world = build(asked, folder)
    return world, Timeline(world)


def replayed(path: Path) -> tuple[Timeline, bool]:
    _world, timeline, again = recordings.open_recording(path).replay()
    while again.advance():
        pass
    return timeline, again.same


@given(st.one_of(KERNELS, SYSTEMS), st.sampled_from(((BARE, 1), (TRAP, 1), (TRAP, 2))), st.integers(0, 2**32 - 1))
@settings(max_examples=8)
def test_a_recording_replays_to_its_digest_after_the_guests_files_are_gone(
    tmp_path_factory: pytest.TempPathFactory, sample: Sample, setup: Any, seed: int
) -> None:
    random, folder = Random(seed), tmp_path_factory.mktemp("guests")
    world, timeline = made(sample, folder, spec(sample, *setup))
    for _ in range(random.randint(0, 3)):
        timeline.run(random.randint(0, 900))
        guest = random.choice(list(world.guests))
        timeline.inject(
            random.choice(
                (
                    inputs.ConsoleTyped(guest, bytes(random.choices(range(256), k=3))),
                    inputs.DerivedDropRequested(),
                    inputs.TlbFlushRequested(guest),
                    inputs.ShadowChosen(guest, random.choice(list(ShadowPolicy))),
                    inputs.MemoryEdited(guest, 0x9_0000, b"\x01\xff"),
                    inputs.RegisterEdited(guest, "EDX", 0xFFFF_FFFF),
                )
            )
        )
    timeline.run(random.randint(0, 900))
    timeline.step()
    path = tmp_path_factory.mktemp("recording") / "it.json"
    recordings.save(path, world, timeline, folder)
    for name, _ in sample.sources:
        (folder / name).unlink()
    assert recordings.is_recording(path)
    again, same = replayed(path)
    assert same
    assert (again.position, again.digest(), again.inputs) == (timeline.position, timeline.digest(), timeline.inputs)


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    sample = Sample((("guest.asm", "bits 32\norg 0x10000\n%include 'more.asm'\n"), ("more.asm", "start: jmp start\n")))
    world, timeline = made(sample, tmp_path, spec(sample, TRAP))
    timeline.run(50)
    timeline.inject(inputs.ConsoleTyped("alpha", b"\xff\x00"))
    timeline.run(50)
    recordings.save(tmp_path / "it.json", world, timeline, tmp_path)
    whole: dict[str, Any] = json.loads((tmp_path / "it.json").read_text(encoding="utf-8"))
    assert set(whole["files"]) == {"guest.asm", "more.asm"}
    return whole


def written(tmp_path: Path, document: dict[str, Any]) -> Path:
    path = tmp_path / "other.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_another_digest_is_noticed(tmp_path: Path, document: dict[str, Any]) -> None:
    document["end"]["digest"] = "0" * 32
    assert replayed(written(tmp_path, document))[1] is False


def test_another_guest_than_the_one_recorded_is_named(tmp_path: Path, document: dict[str, Any]) -> None:
    document["guests"]["alpha"] = "0" * 32
    with pytest.raises(RecordingError, match="alpha is not the one recorded"):
        replayed(written(tmp_path, document))


def changed(*path: str | int) -> Callable[[dict[str, Any], Any], None]:
    def change(document: Any, value: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        document[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "value", "said"),
    [
        (changed("version"), 2, "newer teachvm"),
        (changed("version"), 0, "version"),
        (changed("version"), "2", "version"),
        (changed("spec", "host", "costs"), [["magic", 5]], "no cost is called 'magic'"),
        (changed("files", "../evil.asm"), "", "no name of a file"),
        (changed("files", "/etc/passwd"), "", "no name of a file"),
        (changed("files", "a\\b.asm"), "", "no name of a file"),
        (changed("files", "guest.asm"), "!", "files.guest.asm"),
        (changed("spec", "host", "memory_bytes"), 1 << 60, "memory"),
        (changed("spec", "host", "memory_bytes"), -4096, "memory"),
        (changed("spec", "host", "quantum"), 0, "quantum"),
        (changed("spec", "host", "name"), "a\nb", "name of a host"),
        (changed("spec", "host", "vms"), [], "no guest"),
        (changed("spec", "extra"), 1, "spec.extra"),
        (changed("inputs", 0, "at"), 1 << 50, "inputs.0.at"),
        (changed("inputs", 0, "at"), 500, "after the end"),
        (changed("inputs", 0, "what"), "Exploded", "other fields"),
        (changed("inputs", 0, "given", "guest"), "nobody", "not there"),
        (changed("inputs", 0, "given"), {"__reduce__": "x"}, "inputs.0.given"),
        (changed("end", "n"), -1, "end.n"),
        (changed("end", "digest"), "xyz", "end.digest"),
    ],
)
def test_a_document_out_of_order_is_refused_in_one_line(
    document: dict[str, Any], change: Callable[[dict[str, Any], Any], None], value: Any, said: str
) -> None:
    change(document, value)
    with pytest.raises(RecordingError, match=said) as refused:
        parse(json.dumps(document).encode())
    assert "\n" not in str(refused.value)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_recording_or_refused(content: bytes) -> None:
    with pytest.raises(RecordingError):
        parse(content)


def test_an_edit_no_processor_takes_is_refused_when_it_comes(tmp_path: Path, document: dict[str, Any]) -> None:
    document["inputs"][0] = {
        "at": 50,
        "what": "RegisterEdited",
        "given": {"guest": "alpha", "name": "NOTHING", "value": 1},
    }
    with pytest.raises(RecordingError, match="RegisterEdited"):
        replayed(written(tmp_path, document))


def test_everything_that_can_come_from_outside_can_be_recorded() -> None:
    kinds = {kind for kind in vars(inputs).values() if is_dataclass(kind) and hasattr(kind, "apply")}
    assert kinds == set(get_args(inputs.Given))
