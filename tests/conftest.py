"""What every test may rely on: the same random choices every time, no screen, nobody's home folder."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["QT_QPA_PLATFORM"] = "offscreen"  # before Qt is imported: a screen is never needed, and never used
for variable in ("QT_SCALE_FACTOR", "QT_QPA_PLATFORMTHEME", "QT_STYLE_OVERRIDE", "TEACHVM_VENV"):
    os.environ.pop(variable, None)

settings.register_profile("teachvm", derandomize=True, database=None, deadline=None, max_examples=50)
settings.load_profile("teachvm")


@pytest.fixture(autouse=True, scope="session")
def home_of_its_own() -> Iterator[Path]:
    """Settings and progress of the person who runs the tests are neither read nor written."""
    with tempfile.TemporaryDirectory(prefix="teachvm-tests-") as folder, pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(Path(folder, name.lower())))
        yield Path(folder)
