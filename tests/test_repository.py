"""What stands beside the code agrees with it: README, lock, the command of the automatic run."""

import re
import tomllib
from pathlib import Path

import pytest
from click import Context, Group
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from teachvm.app.keys import KEYS
from teachvm.cli.entry import teachvm
from teachvm.cli.exits import ExitCode

TREE = Path(__file__).resolve().parent.parent
README = (TREE / "README.md").read_text(encoding="utf-8")
LOCK = (TREE / "constraints.txt").read_text(encoding="utf-8")
PROJECT = tomllib.loads((TREE / "pyproject.toml").read_text(encoding="utf-8"))

PLATFORMS = [
    {
        "python_version": python,
        "python_full_version": f"{python}.1",
        "sys_platform": system,
        "platform_machine": machine,
    }
    for python in ("3.11", "3.12", "3.13")
    for system, machine in (
        ("linux", "x86_64"),
        ("linux", "aarch64"),
        ("darwin", "x86_64"),
        ("darwin", "arm64"),
        ("win32", "AMD64"),
    )
]


def locked(platform: dict[str, str]) -> dict[str, str]:
    """Name -> version of what the lock installs on a platform."""
    versions: dict[str, str] = {}
    for line in LOCK.splitlines():
        if not re.match(r"[a-z]", line):
            continue
        requirement = Requirement(line.removesuffix("\\").strip())
        if requirement.marker is None or requirement.marker.evaluate(platform):
            assert requirement.name not in versions, f"{requirement.name} is locked twice"
            (specifier,) = requirement.specifier
            assert specifier.operator == "=="
            versions[canonicalize_name(requirement.name)] = specifier.version
    return versions


def wanted() -> list[Requirement]:
    project = PROJECT["project"]
    lines = project["dependencies"] + project["optional-dependencies"]["test"] + PROJECT["dependency-groups"]["build"]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: "-".join(list(platform.values())[1:]))
def test_the_lock_satisfies_every_dependency(platform: dict[str, str]) -> None:
    versions = locked(platform)
    for requirement in wanted():
        if requirement.marker is None or requirement.marker.evaluate(platform):
            assert versions[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_the_lock_names_no_host() -> None:
    assert "://" not in LOCK
    assert "--index" not in LOCK
    assert "--find-links" not in LOCK


def test_every_locked_version_has_hashes() -> None:
    for entry in re.split(r"\n(?=[a-z])", LOCK)[1:]:
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_the_lock_holds_the_qt_that_does_not_abort_on_python_before_3_12() -> None:
    assert locked(PLATFORMS[0])["pyside6-essentials"] == "6.11.3"


def test_the_automatic_run_calls_the_test_command_of_the_readme() -> None:
    script = (TREE / ".ci" / "run").read_text(encoding="utf-8")
    (command,) = re.findall(r"^exec (.+)$", script, re.MULTILINE)
    assert re.search(rf"^\s*{re.escape(command)}$", README, re.MULTILINE)
    assert (TREE / ".ci" / "run").stat().st_mode & 0o111


def test_the_readme_names_every_runtime_dependency_with_its_licence() -> None:
    licences = README.split("## Dependencies and their licences")[1]
    for line in PROJECT["project"]["dependencies"]:
        assert Requirement(line).name in licences


def test_the_readme_lists_every_command_and_exit_code() -> None:
    commands = README.split("## Commands")[1].split("##")[0]
    for name, command in teachvm.commands.items():
        if command.hidden:
            continue
        inner = command.list_commands(Context(command)) if isinstance(command, Group) else [""]
        for sub in inner:
            assert f"`teachvm {name} {sub}".rstrip() in commands
    for code in ExitCode:
        assert f"**{int(code)}**" in commands


def test_the_readme_lists_every_key() -> None:
    keys = README.split("## Keys")[1].split("##")[0]
    spelled = {"PgDown": "PgDn", "Ctrl+Right": "Ctrl+→", "Ctrl+Left": "Ctrl+←"}
    covered = {"Ctrl+=": "Ctrl+= − 0", "Ctrl++": "Ctrl+= − 0", "Ctrl+-": "Ctrl+= − 0", "Ctrl+0": "Ctrl+= − 0"}
    for key in (key for row in KEYS for key in row.keys):
        shown = spelled.get(key) or covered.get(key) or ("Alt+1 … Alt+6" if key.startswith("Alt+") else key)
        assert re.search(rf"[| ]{re.escape(shown)}[ ,]", keys), key


def test_the_readme_links_to_files_that_exist() -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", README):
        assert (TREE / target).exists(), target


def test_the_reading_order_names_modules_that_exist() -> None:
    order = re.findall(r"`([\w/]+\.(?:py|asm))`", README.split("## Read the code in this order")[1].split("\n## ")[0])
    assert len(order) >= 10
    for module in order:
        assert (TREE / module).is_file(), module
