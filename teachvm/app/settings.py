"""What a user chose about the window; unknown and wrong values fall back to what they would be on a first start."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from teachvm.app import speed, store

VERSION = 1
THEMES = ("dark", "light", "contrast")


@dataclass(frozen=True, slots=True)
class Settings:
    """`zoom` is a factor, `speed` a slider position, `last_lesson` what was open, width and height are the window's."""

    theme: Literal["dark", "light", "contrast"] = "dark"
    zoom: float = 1.0
    motion: bool = True
    rail: bool = True
    speed: int = speed.USUAL
    last_lesson: str = ""
    width: int = 1600
    height: int = 1000


class SettingsStore:
    """The settings file; `problem` says what was wrong with it."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or store.config_folder() / "settings.json"
        loaded = store.load(self._path, VERSION)
        self.problem = loaded.problem
        self.now = _valid(loaded.values)

    def change(self, **values: Any) -> str:
        """Change settings and write them; returns a problem, or nothing."""
        changed = replace(self.now, **values)
        if changed == self.now:
            return ""
        self.now = changed
        return store.save(self._path, {"version": VERSION, **asdict(changed)})


def _valid(values: dict[str, Any]) -> Settings:
    """Settings from a file's values, each of which may be anything."""
    plain = Settings()
    kept: dict[str, Any] = {}
    for field in fields(Settings):
        usual, value = getattr(plain, field.name), values.get(field.name)
        if isinstance(usual, bool) is isinstance(value, bool) and isinstance(
            value, (int, float) if isinstance(usual, float) else type(usual)
        ):
            kept[field.name] = value
    made = replace(plain, **kept)
    return replace(
        made,
        theme=made.theme if made.theme in THEMES else plain.theme,
        zoom=min(max(float(made.zoom), 0.5), 3.0),
        speed=min(max(made.speed, 0), speed.MAX),
        width=min(max(made.width, 800), 8000),
        height=min(max(made.height, 600), 8000),
    )
