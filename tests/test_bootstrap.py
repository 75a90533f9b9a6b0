"""The environment of a source tree, without making one: that takes half a minute and a network."""

import subprocess
import sys
from pathlib import Path

import pytest

from teachvm import bootstrap

TREE = Path(__file__).resolve().parent.parent
MINE = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source tree of its own: the lock and the project file only."""
    for name in ("constraints.txt", "pyproject.toml"):
        (tmp_path / name).write_bytes((TREE / name).read_bytes())
    monkeypatch.setattr(bootstrap, "_TREE", tmp_path)
    monkeypatch.setattr(bootstrap, "_LOCK", tmp_path / "constraints.txt")
    return tmp_path


def make_environment(folder: Path, version: str, stamp: str | None) -> None:
    folder.mkdir()
    (folder / "pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {version}.2\n", encoding="utf-8")
    python = bootstrap.interpreter(folder)
    python.parent.mkdir(parents=True)
    python.touch()
    if stamp is not None:
        (folder / "teachvm-installed").write_text(stamp, encoding="utf-8")


def test_the_first_python_gets_the_plain_name_and_another_version_one_of_its_own(tree: Path) -> None:
    assert bootstrap.environment_folder() == tree / ".venv"
    make_environment(tree / ".venv", "3.9", None)
    assert bootstrap.environment_folder() == tree / f".venv-{MINE}"


def test_an_environment_counts_as_installed_only_while_lock_and_dependencies_stay_as_they_are(tree: Path) -> None:
    folder = tree / ".venv"
    make_environment(folder, MINE, bootstrap.fingerprint())
    assert bootstrap.is_installed(folder)
    with (tree / "constraints.txt").open("a", encoding="utf-8") as lock:
        lock.write("another==1.0\n")
    assert not bootstrap.is_installed(folder)


def test_an_interrupted_installation_does_not_count(tree: Path) -> None:
    make_environment(tree / ".venv", MINE, None)
    assert not bootstrap.is_installed(tree / ".venv")


def test_a_change_of_style_or_tests_needs_no_new_installation(tree: Path) -> None:
    before = bootstrap.fingerprint()
    with (tree / "pyproject.toml").open("a", encoding="utf-8") as project:
        project.write("\n[tool.other]\nx = 1\n")
    assert bootstrap.fingerprint() == before


def test_this_interpreter_lacks_nothing_and_a_missing_dependency_is_named(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bootstrap.absent(("test",)) == []
    project = (tree / "pyproject.toml").read_text(encoding="utf-8")
    (tree / "pyproject.toml").write_text(project.replace('"click>', '"no-such-thing>'), encoding="utf-8")
    assert bootstrap.absent() == ["no-such-thing"]


def test_where_everything_is_installed_nothing_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_arguments: object, **_named: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr("os.execv", never)
    monkeypatch.setattr(subprocess, "run", never)
    bootstrap.enter("tests", "test")


def test_an_old_python_is_told_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "OLDEST_PYTHON", (4, 0))
    with pytest.raises(SystemExit) as ended:
        bootstrap.enter("teachvm")
    assert ended.value.code == 4
    assert capsys.readouterr().err == f"teachvm: needs Python 4.0 or newer; this one is {sys.version.split()[0]}\n"


def test_a_failing_installation_is_one_line_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        bootstrap._run([sys.executable, "-c", "raise SystemExit('first\\nERROR: no such hash\\nlast')"], "installing")
    assert ended.value.code == 4
    assert "installing failed: ERROR: no such hash" in capsys.readouterr().err


def test_it_imports_the_standard_library_only() -> None:
    blocked = "import sys; sys.path = [p for p in sys.path if 'site-packages' not in p]; import teachvm.bootstrap"
    done = subprocess.run([sys.executable, "-S", "-c", blocked], cwd=TREE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
