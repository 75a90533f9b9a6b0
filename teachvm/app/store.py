"""Small files that outlive a run: written whole or not at all, and a damaged one is kept aside, never overwritten."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

APP = "teachvm"
LARGEST = 4 << 20
"""Bytes of a file that is read at all."""


def config_folder() -> Path:
    """Where settings live."""
    return Path(platformdirs.user_config_dir(APP, appauthor=False))


def data_folder() -> Path:
    """Where progress lives."""
    return Path(platformdirs.user_data_dir(APP, appauthor=False))


def state_folder() -> Path:
    """Where logs live."""
    return Path(platformdirs.user_state_dir(APP, appauthor=False))


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a file held; `problem` is a sentence for the user when it could not be read."""

    values: dict[str, Any]
    problem: str = ""


def load(path: Path, version: int) -> Loaded:
    """Read a JSON object of a version; a damaged file is moved aside and named."""
    try:
        if path.stat().st_size > LARGEST:
            return _aside(path, "it is too large")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Loaded({})
    except (OSError, UnicodeDecodeError) as error:
        return _aside(path, "it is not text" if isinstance(error, UnicodeDecodeError) else _reason(error))
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return _aside(path, "it is damaged")
    if not isinstance(values, dict):
        return _aside(path, "it is damaged")
    found = values.get("version")
    if not isinstance(found, int) or found > version:
        return _aside(path, "it comes from a newer teachvm")
    return Loaded(values)


def save(path: Path, values: dict[str, Any]) -> str:
    """Write a JSON object beside the file, then put it in the file's place; returns a problem, or nothing."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch.open("w", encoding="utf-8") as file:
            json.dump(values, file, indent=1, sort_keys=True)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except OSError as error:
        with suppress(OSError):
            scratch.unlink()
        return f"{path.name} could not be saved in {path.parent}: {_reason(error)}"
    return ""


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _aside(path: Path, reason: str) -> Loaded:
    """Move a file that cannot be used out of the way, under a name that is free."""
    for number in range(1, 100):
        kept = path.with_name(f"{path.name}.kept-{number}")
        if not kept.exists():
            break
    try:
        path.replace(kept)
    except OSError:
        return Loaded({}, f"{path} cannot be read: {reason}.")
    return Loaded({}, f"{path.name} cannot be used, {reason}; it was kept as {kept} and a new one was begun.")
