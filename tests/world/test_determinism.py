"""The same world comes to the same state and tells the same story: in every process, on every supported Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.world.digests import PINNED, digests

ROOT = Path(__file__).parents[2]
INTERPRETERS = tuple(f"python3.{minor}" for minor in range(11, 20) if minor != sys.version_info.minor)


def printed_by(interpreter: str, hash_seed: str) -> str:
    """What an interpreter of its own prints, without any package installed."""
    command = [interpreter, "-B", "-S", "-m", "tests.world.digests"]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


def works(interpreter: str) -> bool:
    """Whether a name leads to an interpreter: some are placeholders of a version manager."""
    if shutil.which(interpreter) is None:
        return False
    return subprocess.run([interpreter, "-c", ""], capture_output=True, check=False, timeout=60).returncode == 0


def test_this_python_comes_to_the_pinned_digests() -> None:
    expected = PINNED.read_text(encoding="utf-8")
    assert digests() == expected, f"if the model changed on purpose, say so in {PINNED.name}: see digests.py"


def test_another_process_with_other_hashes_comes_to_the_same_digests() -> None:
    assert printed_by(sys.executable, "4711") == digests()


def test_every_other_python_at_hand_comes_to_the_same_digests() -> None:
    found = [interpreter for interpreter in INTERPRETERS if works(interpreter)]
    if not found:
        pytest.skip("no other Python from 3.11 on is installed here")
    here = digests()
    for interpreter in found:
        assert printed_by(interpreter, "1") == here, interpreter
