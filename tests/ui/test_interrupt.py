"""Ending the application from outside, as a terminal or a desktop does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from teachvm.ui import interrupt

TREE = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself these signals there")
@pytest.mark.parametrize("number", interrupt.SIGNALS, ids=lambda number: number.name)
def test_a_signal_closes_what_is_open_and_leaves_no_handler_behind(qapp: QApplication, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    closed: list[bool] = []
    with interrupt.closing(lambda: (closed.append(True), qapp.quit())):
        QTimer.singleShot(0, lambda: os.kill(os.getpid(), number))
        QTimer.singleShot(5_000, qapp.quit)
        qapp.exec()
    assert closed == [True]
    assert signal.getsignal(number) is before


@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
def test_ctrl_c_ends_the_whole_application_in_peace(tmp_path: Path) -> None:
    program = (
        "import os, signal; from PySide6.QtCore import QTimer; from teachvm.ui import application;"
        "application.make_application();"
        "QTimer.singleShot(0, lambda: os.kill(os.getpid(), signal.SIGINT)); raise SystemExit(application.run('3'))"
    )
    folders = {name: str(tmp_path / name) for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=TREE,
        env={**os.environ, **folders},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself these signals there")
@pytest.mark.parametrize(
    "command", [["render", "3", "-o", "picture.png"], ["bench", "--steps", "100000"]], ids=["render", "bench"]
)
def test_ctrl_c_while_the_loop_is_turned_by_hand_ends_without_a_traceback(tmp_path: Path, command: list[str]) -> None:
    program = (
        "import os, signal, sys; from PySide6.QtCore import QTimer; from teachvm.cli import main;"
        "from teachvm.ui.window import main_window; shown = main_window.MainWindow.show_library;"
        "main_window.MainWindow.show_library = lambda window: ("
        "QTimer.singleShot(0, lambda: os.kill(os.getpid(), signal.SIGINT)), shown(window))[1];"
        "main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *command],
        cwd=TREE,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
    assert not (TREE / "picture.png").exists()
