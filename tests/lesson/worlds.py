"""Small worlds and lessons for the tests of this folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from teachvm.lesson.anchors import compile_anchor
from teachvm.lesson.expressions import Known, compile_expression
from teachvm.lesson.journey import Arrival, Journey
from teachvm.lesson.milestones import Stop
from teachvm.lesson.reading import WorldScope
from teachvm.lesson.scope import Value
from teachvm.trace.timeline import Timeline
from teachvm.vmm.techniques import Paging, Technique
from teachvm.world.build import build
from teachvm.world.spec import HostSpec, ProgramSpec, VmSpec, WorldSpec

HEAD = """---
format: 1
id: small
title: A small lesson
summary: It shows one thing.
vms:
  - {name: alpha, guest: tinyos, programs: [hello]}
---

"""


class Room:
    """A world with what a lesson needs to move and to read it."""

    def __init__(
        self,
        *names: str,
        technique: Technique = Technique.TRAP_AND_EMULATE,
        paging: Paging = Paging.SHADOW,
        program: str = "hello",
        kernel: Path | None = None,
    ) -> None:
        """Build it: with tinyos and a program, or with the source of a kernel."""
        spec = VmSpec("", "tinyos", technique=technique, paging=paging, programs=(ProgramSpec(program),))
        if kernel is not None:
            spec = VmSpec("", kernel.name, technique=technique)
        vms = tuple(replace(spec, name=name) for name in names)
        self.world = build(WorldSpec(HostSpec(vms=vms, quantum=20_000)), kernel.parent if kernel is not None else None)
        self.timeline = Timeline(self.world)
        self.scope = WorldScope(self.world)
        self.known = Known(vms=names)

    def value(self, text: str) -> Value:
        """An expression's value now."""
        return compile_expression(text, self.known).value(self.scope)

    def journey(self, text: str, stop: Stop | None = None, limit: int = 100_000) -> Journey:
        """A run to an anchor, not begun."""
        anchor = compile_anchor(text, self.known)
        self.scope.mark()
        return Journey(self.world, self.timeline, self.scope, anchor, stop or anchor.stop, limit)

    def go(self, text: str, stop: Stop | None = None, limit: int = 100_000) -> Arrival:
        """Run to an anchor."""
        arrival = self.journey(text, stop, limit).advance()
        assert arrival is not None
        return arrival


def write_lesson(folder: Path, body: str, head: str = HEAD) -> Path:
    """A lesson's folder with this text in it."""
    (folder / "lesson.md").write_text(head + body, encoding="utf-8")
    return folder
