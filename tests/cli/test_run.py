import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teachvm import resources
from teachvm.guest.library import GUESTS

Command = Callable[..., Any]

LESSON = str(resources.lessons() / "03-trap-and-emulate")
HEAD = "bits 32\norg 0x10000\nstart:\n"
FOR_EVER = HEAD + "    jmp start\n"
TRIPLE_FAULT = HEAD + "    lidt [nothing]\n    ud2\nnothing: dw 0\n    dd 0\n"
FLOOD = HEAD + "    mov dx, 0x3f8\n.again:\n    mov al, 'x'\n    out dx, al\n    jmp .again\n"
ENDS = HEAD + "    mov dx, 0x3f8\n    mov al, 27\n    out dx, al\n    cli\n    hlt\n"


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Writes a source into a folder of its own and names it."""
    monkeypatch.chdir(tmp_path)

    def write(source: str) -> str:
        (tmp_path / "mine.asm").write_text(source, encoding="utf-8")
        return "mine.asm"

    return write


def data(done: Any) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(done.out)
    assert {"console", "entries", "stopped", "moment", "digest"} <= set(whole)
    assert set(whole["moment"]) == {"n", "phase"}
    return whole


def test_lesson_3_ends_by_itself_with_both_processes_and_many_reasons_to_enter_the_vmm(teachvm: Command) -> None:
    done = teachvm("run", LESSON, "--json")
    assert (done.code, done.err) == (0, "")
    whole = data(done)
    assert whole["stopped"] == "ended-well"
    assert "ticker A (pid 1): 4" in whole["console"]["alpha"]
    assert "ticker B (pid 2): 4" in whole["console"]["alpha"]
    assert "ticks: 0" in whole["console"]["alpha"]
    reasons = whole["entries"]["alpha"]
    assert len(reasons) >= 5
    assert all(row["count"] >= 1 and row["cycles"] >= row["count"] for row in reasons.values())


def test_another_process_with_other_hashes_comes_to_the_same_digest(teachvm: Command) -> None:
    here = data(teachvm("run", LESSON, "--json"))
    command = [sys.executable, "-m", "teachvm", "run", "3", "--json"]
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    other = subprocess.run(
        command, cwd=resources.lessons().parent, env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(other.stdout) == here


def test_on_bare_metal_the_guest_is_named_host_and_its_lock_counts_three_ticks(teachvm: Command) -> None:
    whole = data(teachvm("run", "tinyos", "--technique", "bare-metal", "--json"))
    assert list(whole["console"]) == ["host"]
    assert "ticks: 3" in whole["console"]["host"]
    assert whole["entries"] == {"host": {}}


def test_comparing_names_the_popfd_that_bare_metal_would_have_heeded(teachvm: Command) -> None:
    done = teachvm("run", LESSON, "--compare")
    assert done.code == 0
    assert "popfd" in done.out
    assert "IF is 1 on bare metal, 0 here" in done.out


def test_text_shows_consoles_and_entries(teachvm: Command) -> None:
    done = teachvm("run", LESSON)
    assert done.code == 0
    assert "  ticks: 0\n" in done.out
    assert "mov-cr" in done.out
    assert "digest" in done.out.splitlines()[-1]


def test_a_guest_that_triple_faults_failed(teachvm: Command, guest: Callable[[str], str]) -> None:
    done = teachvm("run", guest(TRIPLE_FAULT), "--json")
    assert done.code == 1
    assert data(done)["stopped"] == "guest-failure"
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("source", [FOR_EVER, FLOOD], ids=["silent", "printing"])
def test_a_guest_without_end_is_stopped_by_the_limit(
    teachvm: Command, guest: Callable[[str], str], source: str
) -> None:
    done = teachvm("run", guest(source), "--limit", "3000", "--json")
    assert done.code == 3
    whole = data(done)
    assert (whole["stopped"], whole["moment"]["n"]) == ("limit", 3000)


def test_a_console_cannot_steer_the_terminal(teachvm: Command, guest: Callable[[str], str]) -> None:
    done = teachvm("run", guest(ENDS))
    assert done.code == 0
    assert "\x1b" not in done.out


def test_a_guest_that_does_not_assemble_cannot_run(teachvm: Command, guest: Callable[[str], str]) -> None:
    done = teachvm("run", guest(HEAD + "    mvo eax, 1\n"))
    assert (done.code, done.out) == (2, "")
    assert done.err == "mine.asm:4:5: unknown instruction 'mvo', did you mean 'mov'?\n"


def test_until_stops_where_it_says(teachvm: Command) -> None:
    done = teachvm("run", LESSON, "--until", "trap('cli')", "--json")
    assert done.code == 0
    whole = data(done)
    assert whole["stopped"] == "until-reached"
    assert whole["entries"]["alpha"]["cli"]["count"] == 1


def test_until_knows_the_labels_and_names_of_bare_metal_too(teachvm: Command) -> None:
    for word in ("alpha", "host"):
        done = teachvm("run", LESSON, "--technique", "bare-metal", "--until", f"at('sched_unlock', vm='{word}')")
        assert done.code == 0, done.err


def test_an_until_that_never_comes_failed(teachvm: Command) -> None:
    done = teachvm("run", LESSON, "--until", "console('no such words')", "--json")
    assert done.code == 1
    assert data(done)["stopped"] == "until-missed"
    assert "was not reached" in done.err


def test_an_until_beyond_the_limit_is_the_limit(teachvm: Command) -> None:
    assert teachvm("run", LESSON, "--until", "trap('cli')", "--limit", "10").code == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--until", "tarp('cli')"], "did you mean 'trap'"),
        (["--until", "at('sched_unlok')"], "did you mean 'sched_unlock'"),
        (["--until", "__import__('os').system('true')"], "--until"),
        (["--technique", "trap-and-emulat"], "did you mean 'trap-and-emulate'"),
        (["--limit", "0"], "--limit"),
    ],
)
def test_a_wrong_option_is_one_line(teachvm: Command, arguments: list[str], said: str) -> None:
    done = teachvm("run", LESSON, *arguments)
    assert (done.code, done.out, done.err.count("\n")) == (4, "", 1)
    assert said in done.err


def test_a_word_that_fits_a_lesson_and_a_guest_is_an_error_that_names_both(
    teachvm: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tinyos").mkdir()
    (tmp_path / "tinyos" / "lesson.md").write_text("---\n---\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    done = teachvm("run", "tinyos")
    assert (done.code, done.out) == (4, "")
    assert "the lesson tinyos and a guest" in done.err


def test_a_word_that_fits_nothing_says_what_there_is(teachvm: Command) -> None:
    done = teachvm("run", "nothing-like-it")
    assert (done.code, done.err.count("\n")) == (4, 1)
    assert "trap-and-emulate" in done.err
    assert "tinyos" in done.err


def test_a_broken_lesson_is_located(teachvm: Command, tmp_path: Path) -> None:
    (tmp_path / "lesson.md").write_text("---\nformat: 1\ntitel: x\n---\n", encoding="utf-8")
    done = teachvm("run", str(tmp_path))
    assert (done.code, done.out) == (4, "")
    assert "lesson.md:3:1: " in done.err


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("tinios", "teachvm: there is no lesson or guest 'tinios'; did you mean 'tinyos'?\n"),
        ("missing.asm", "teachvm: missing.asm: there is no such file\n"),
        *(
            (
                word,
                (
                    f"teachvm: the folder '{word}' holds no lesson.md, so it is no lesson; "
                    f"guests are {', '.join(GUESTS)}, or the path of a file\n"
                ),
            )
            for word in ("empty", "./empty")
        ),
    ],
)
def test_what_is_not_there_is_named(
    teachvm: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, line: str
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    done = teachvm("run", word)
    assert (done.code, done.out, done.err) == (4, "", line)


ECHO = HEAD + (
    "    mov esp, 0x18000\n.again:\n    mov dx, 0x3fd\n.wait:\n    in al, dx\n    test al, 1\n    jz .wait\n"
    "    mov dx, 0x3f8\n    in al, dx\n    out dx, al\n    cmp al, 'q'\n    jne .again\n    cli\n    hlt\n"
)


def test_what_is_typed_comes_at_the_guests_own_moments_and_a_recording_of_it_replays(
    teachvm: Command, guest: Callable[[str], str]
) -> None:
    command = ("run", guest(ECHO), "--technique", "bare-metal", "--input", r"one\ntwo q", "--json")
    done = teachvm(*command, "--record", "it.json")
    assert done.code == 0
    whole = data(done)
    assert whole["console"]["host"] == "one\ntwo q"
    assert data(teachvm(*command)) == whole
    again = teachvm("run", "it.json", "--json")
    assert again.code == 0
    assert {**data(again), "stopped": 0, "why": 0} == {**whole, "stopped": 0, "why": 0}
    assert data(again)["stopped"] == "replayed"


def test_a_recording_that_comes_to_another_digest_fails_and_says_so(
    teachvm: Command, guest: Callable[[str], str]
) -> None:
    teachvm("run", guest(ENDS), "--record", "it.json")
    text = Path("it.json").read_text(encoding="utf-8")
    digest = json.loads(text)["end"]["digest"]
    Path("it.json").write_text(text.replace(digest, "0" * 32), encoding="utf-8")
    done = teachvm("run", "it.json")
    assert done.code == 1
    assert "came to another state than it holds" in done.out
    Path("it.json").write_text(text.replace('"version": 1', '"version": 9'), encoding="utf-8")
    done = teachvm("run", "it.json")
    assert (done.code, done.err.count("\n")) == (4, 1)
    assert "newer teachvm" in done.err
    done = teachvm("run", "it.json", "--until", "trap")
    assert (done.code, done.err.count("\n")) == (4, 1)
    assert "--until is not for it" in done.err


@pytest.mark.parametrize("paging", ["shadow", "nested", "nested-cached"])
def test_the_two_ways_of_translating_are_an_option(teachvm: Command, paging: str) -> None:
    done = teachvm("run", "tinyos", "--technique", "hardware-assist", "--paging", paging, "--json")
    entries = data(done)["entries"]["tinyos"]
    assert ("nested-violation" in entries) == (paging != "shadow")
    assert ("page-fault-hidden" in entries) == (paging == "shadow")


def test_nested_tables_without_the_hardware_for_them_are_one_line(teachvm: Command) -> None:
    done = teachvm("run", "tinyos", "--paging", "nested")
    assert done.code == 4
    assert done.err == "teachvm: tinyos: nested page tables need technique hardware-assist\n"


def test_exits_cost_what_they_did_in_a_year(teachvm: Command) -> None:
    def cycles(year: str) -> int:
        options = ("--technique", "hardware-assist", "--exits", year, "--limit", "3000", "--json")
        return sum(
            each["cycles"] for each in json.loads(teachvm("run", "tinyos", *options).out)["entries"]["tinyos"].values()
        )

    assert cycles("2005") > cycles("2006") > cycles("2013")
    assert "there are 2005, 2006, 2013" in teachvm("run", "tinyos", "--exits", "1999").err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
def test_a_recording_that_does_not_fit_on_the_disk_is_named(teachvm: Command, guest: Callable[[str], str]) -> None:
    done = teachvm("run", guest(HEAD + "    cli\n    hlt\n"), "--record", "/dev/full")
    assert (done.code, done.err) == (4, "teachvm: /dev/full: it cannot be written: No space left on device\n")
