"""A source tree becomes runnable by itself: its `.venv` is made and filled from the lock, then entered.

`python3 -m teachvm` and `python3 -m tests` pass through `enter`. It imports the standard library only and its text
parses on older interpreters, which are told what is missing. An installed wheel has nothing to prepare.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

OLDEST_PYTHON = (3, 11)
TOOL_ERROR = 4  # the exit code of "lesson or tool error"

_TREE = Path(__file__).resolve().parent.parent
_LOCK = _TREE / "constraints.txt"
_STAMP = "teachvm-installed"


def enter(module: str, *extras: str) -> None:
    """Return when this interpreter has every dependency; otherwise start `module` again in one that has.

    Args:
        module: What `-m` is to run in the environment, with the arguments of this process.
        extras: Optional dependency groups that are needed too.

    Raises:
        SystemExit: The environment cannot be made; one line on stderr says why.
    """
    if sys.version_info < OLDEST_PYTHON:
        _give_up(f"needs Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer; this one is {sys.version.split()[0]}")
    if not _LOCK.is_file():
        return  # an installed wheel: whoever installed it saw to its dependencies
    folder = environment_folder()
    here = Path(sys.prefix).resolve() == folder
    if here and is_installed(folder):
        return
    if not here and sys.prefix != sys.base_prefix and not absent(extras):
        return
    if not is_installed(folder):
        _install(folder)
    _start_again(folder, module)


def environment_folder() -> Path:
    """`.venv`, or `.venv-3.x` where `.venv` already belongs to another version of Python."""
    folder = _TREE / ".venv"
    mine = f"{sys.version_info[0]}.{sys.version_info[1]}"
    try:
        settings = (folder / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return folder
    found = re.search(r"^version(?:_info)?\s*=\s*(\d+\.\d+)", settings, re.MULTILINE)
    return folder if found is None or found[1] == mine else _TREE / f".venv-{mine}"


def interpreter(folder: Path) -> Path:
    """The Python of a virtual environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def is_installed(folder: Path) -> bool:
    """Whether the environment was filled, to the end, from the lock as it is now."""
    try:
        stamp = (folder / _STAMP).read_text(encoding="utf-8")
    except OSError:
        return False
    return stamp == fingerprint() and interpreter(folder).exists()


def fingerprint() -> str:
    """Changes when the lock, a dependency, an entry point or the build changes, and with nothing else."""
    facts = _LOCK.read_bytes()
    project = _project()
    for table in ("project", "build-system", "dependency-groups"):
        facts += repr(project.get(table)).encode()
    return hashlib.sha256(facts).hexdigest()


def absent(extras: tuple[str, ...] = ()) -> list[str]:
    """Names of the required distributions this interpreter does not have; those for some platforms only may lack."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - 30 ms the fast path does not need

    project = _project()["project"]
    wanted = list(project["dependencies"])
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    missing = []
    for requirement in wanted:
        name = re.match(r"[\w.-]+", requirement)
        if name is None or "platform_" in requirement:
            continue
        try:
            version(name[0])
        except PackageNotFoundError:
            missing.append(name[0])
    return missing


def _project() -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - older interpreters, which lack it, must get as far as being told so

    with (_TREE / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


def _install(folder: Path) -> None:
    """Make the environment and fill it with exactly what the lock names."""
    _say(f"preparing {folder.name} (once; some 560 MB) ...")
    python = interpreter(folder)
    if not _has_pip(python):
        _make(folder)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    _run([*pip, "--only-binary=:all:", "--require-hashes", "-r", str(_LOCK)], "installing the locked packages")
    _run([*pip, "--no-build-isolation", "--editable", str(_TREE)], "installing teachvm itself")
    (folder / _STAMP).write_text(fingerprint(), encoding="utf-8")


def _has_pip(python: Path) -> bool:
    """An environment whose making was interrupted, or whose interpreter was upgraded away, has none that works."""
    if not python.exists():
        return False
    return subprocess.run([python, "-m", "pip", "-V"], capture_output=True, check=False).returncode == 0


def _make(folder: Path) -> None:
    try:
        import ensurepip  # noqa: F401, PLC0415 - Debian ships it apart from Python
    except ImportError:
        _give_up(f"the Python module venv is missing; install it with: {_as_root()}apt-get install -y python3-venv")
    _run([sys.executable, "-m", "venv", "--clear", str(folder)], f"making {folder.name}")


def _as_root() -> str:
    return "" if hasattr(os, "geteuid") and os.geteuid() == 0 else "sudo "


def _run(command: list[str], doing: str) -> None:
    """Run a command in silence; when it fails, the last line of it that speaks of an error becomes ours."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        errors = [line for line in lines if re.match(r"(ERROR|error|\w*Error)\b", line)] or lines[-1:]
        _give_up(f"{doing} failed: {errors[-1] if errors else '(no reason given)'} (command: {' '.join(command)})")


def _start_again(folder: Path, module: str) -> NoReturn:
    command = [str(interpreter(folder)), "-m", module, *sys.argv[1:]]
    if os.name == "nt":  # there, exec returns to the shell before the program ends
        sys.exit(subprocess.run(command, check=False).returncode)
    os.execv(command[0], command)


def _say(text: str) -> None:
    sys.stderr.write(f"teachvm: {text}\n")
    sys.stderr.flush()


def _give_up(reason: str) -> NoReturn:
    _say(reason)
    raise SystemExit(TOOL_ERROR)
