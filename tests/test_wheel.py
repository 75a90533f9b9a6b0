"""An installed wheel is as complete as the source tree."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a wheel would put into site-packages."""
    pytest.importorskip("hatchling", reason="builds the wheel; the lock installs it")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(build, cwd=TREE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def files(folder: Path) -> set[str]:
    shipped = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {path for path in shipped if not path.startswith(".") and "__pycache__" not in path}


@pytest.mark.parametrize("folder", ["lessons", "assets"])
def test_lessons_and_assets_travel_inside(installed: Path, folder: str) -> None:
    assert files(TREE / folder) <= files(installed / "teachvm" / "_data" / folder)


def test_every_module_travels_and_the_tests_stay_at_home(installed: Path) -> None:
    assert {path for path in files(TREE / "teachvm") if path.endswith(".py")} <= files(installed / "teachvm")
    assert not (installed / "tests").exists()


def test_the_installed_package_finds_its_own_lessons_and_runs(installed: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "teachvm", "lesson", "check", "6"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith((installed / "teachvm" / "_data" / "lessons").as_posix())
