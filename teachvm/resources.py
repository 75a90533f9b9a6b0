"""Shipped lessons and assets are found beside the package in a source tree, and inside it in an installed wheel.

Imports the standard library only, so that every package may use it.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _root() -> Path:
    """The folder that holds `lessons/` and `assets/`."""
    tree = _PACKAGE.parent
    if (tree / "pyproject.toml").is_file() and (tree / "lessons").is_dir():
        return tree
    return _PACKAGE / "_data"


def lessons() -> Path:
    """Folder of the shipped lessons, one sub-folder each."""
    return _root() / "lessons"


def assets() -> Path:
    """Folder of the shipped guests and icons."""
    return _root() / "assets"
