"""The shape of the code: imports, sizes, docstrings, style and types, checked with everything else."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parent.parent
PACKAGE = TREE / "teachvm"
MODULES = sorted(PACKAGE.rglob("*.py"))
WITHOUT_QT = ("trace", "isa", "machine", "guest", "host", "vmm", "container", "world", "lesson", "app", "cli")
VAGUE_NAMES = {"util", "utils", "helper", "helpers", "common", "misc"}
MAX_LINES = 400
MAX_LINES_OF_ROWS = 600


def run_here(*command: str) -> None:
    """Run a Python command in the source tree; what it prints is the failure."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=TREE,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "160"},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def dotted(module: Path) -> str:
    return ".".join(module.relative_to(TREE).with_suffix("").parts).removesuffix(".__init__")


def test_every_import_follows_the_contracts() -> None:
    run_here("-c", "from importlinter.cli import lint_imports_command as lint; lint()", "--no-cache")


def test_ruff_finds_nothing() -> None:
    run_here("-m", "ruff", "check", "--no-fix", "teachvm", "tests")


def test_ruff_would_lay_nothing_out_otherwise() -> None:
    run_here("-m", "ruff", "format", "--check", "teachvm", "tests")


@pytest.mark.timeout(300)
def test_mypy_strict_finds_nothing() -> None:
    run_here("-m", "mypy")


@pytest.mark.parametrize("module", MODULES, ids=dotted)
def test_a_module_can_be_read_in_one_sitting(module: Path) -> None:
    limit = MAX_LINES_OF_ROWS if module.parent == PACKAGE / "isa" / "rows" else MAX_LINES
    assert len(module.read_text(encoding="utf-8").splitlines()) <= limit


def test_every_folder_with_code_is_a_package_that_says_its_role() -> None:
    for folder in {module.parent for module in MODULES}:
        docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
        assert docstring, folder


def test_no_module_has_a_name_that_says_nothing() -> None:
    for module in MODULES:
        assert not VAGUE_NAMES & set(dotted(module).split(".")), module


def test_everything_but_the_window_imports_without_qt() -> None:
    modules = [dotted(module) for name in WITHOUT_QT for module in sorted((PACKAGE / name).rglob("*.py"))]
    blocked = "import sys, importlib; sys.modules.update(dict.fromkeys(('PySide6', 'shiboken6', 'pyqtgraph')));"
    run_here("-c", f"{blocked} [importlib.import_module(name) for name in {modules!r}]")


def test_the_commands_start_without_the_libraries_only_some_of_them_need() -> None:
    heavy = ("PySide6", "pyqtgraph", "numpy", "capstone", "keystone", "pydantic", "ruamel.yaml", "teachvm.machine")
    run_here("-c", f"import sys, teachvm.cli; assert not set(sys.modules) & set({heavy!r}), sys.modules.keys()")


def test_the_tests_mirror_the_packages() -> None:
    packages = {dotted(module.parent / "__init__.py").removeprefix("teachvm.") for module in MODULES} | {"", "teachvm"}
    extra = {"lessons", "oracle"}
    for test in sorted((TREE / "tests").rglob("test_*.py")):
        place = ".".join(test.parent.relative_to(TREE / "tests").parts)
        assert place in packages or place.split(".")[0] in extra, test
