"""Small lessons with guests of their own, opened as the window opens them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from teachvm.app.lesson_session import LessonSession
from teachvm.lesson.loader import load

HEAD = """---
format: 1
id: small
title: A small lesson
summary: It shows one thing.
teaching: 6
exercises: 3
show: [guest-code, vcpu-and-cpu]
vms:
  - {{name: alpha, guest: {guest}, memory: 1 MiB, technique: {technique}}}
---

"""

KERNEL = """
        bits    32
        org     0x10000
start:  mov     esp, 0x18000
        mov     ecx, 20
count:  dec     ecx
        jnz     count
first:  cli
        mov     eax, 1
second: cli
        mov     eax, 2
third:  cli
        mov     eax, 3
print:  mov     dx, 0x3F8
        mov     al, 'x'
        out     dx, al
end:    hlt
"""
"""Counts down from 20, executes `cli` three times, prints one character, and halts with interrupts off."""

FOR_EVER = "bits 32\norg 0x10000\nstart: inc eax\n jmp start\n"
TRIPLE_FAULT = "bits 32\norg 0x10000\nstart: mov eax, 1\n lidt [nothing]\n ud2\nnothing: dw 0\n dd 0\n"
FLOOD = "bits 32\norg 0x10000\nstart: mov dx, 0x3F8\nagain: mov al, 'x'\n out dx, al\n jmp again\n"


def opened(
    folder: Path,
    body: str,
    source: str = KERNEL,
    *,
    technique: str = "trap-and-emulate",
    saved: Mapping[str, Any] | None = None,
) -> LessonSession:
    """A session of a lesson with this body and guest; what begins by itself has not been worked on yet."""
    folder.mkdir(exist_ok=True)
    (folder / "guest.asm").write_text(source, encoding="ascii")
    (folder / "lesson.md").write_text(HEAD.format(guest="guest.asm", technique=technique) + body, encoding="utf-8")
    return LessonSession(load(folder), saved)


def settled(session: LessonSession) -> LessonSession:
    """Let everything that goes on by itself come to rest."""
    for _ in range(10_000):
        if not session.work(lambda: True):
            return session
    raise AssertionError("it never comes to rest")


def ready(folder: Path, body: str, source: str = KERNEL, *, technique: str = "trap-and-emulate") -> LessonSession:
    """The same, at rest."""
    return settled(opened(folder, body, source, technique=technique))
