"""A small guest for the laboratory: it counts in memory, calls a function, and prints a letter it keeps in memory."""

from pathlib import Path

from teachvm.app.control import Control
from teachvm.app.headless import Wishes, alone
from teachvm.vmm.techniques import Technique
from teachvm.world.build import build

SOURCE = """
bits 32
org 0x10000
start:
    mov     ecx, 40
again:
    inc     dword [counter]
    call    work
    mov     eax, [letter]
    out     0xe9, al
    loop    again
finished:
    xor     eax, eax
    out     0xf4, al
    hlt
work:
    mov     edx, 200
.spin:
    dec     edx
    jnz     .spin
    cmp     dword [counter], 30
    jne     .out
    mov     dword [rare], 0x1234
.out:
    ret
    align 4096
counter: dd 0
letter:  dd 'a'
    align 4096
rare:    dd 0
"""

BUILT = tuple(each for each in Technique if each is not Technique.PARAVIRTUAL)
"""What can run a guest that was built for a machine."""


def folder_with(folder: Path, source: str = SOURCE, name: str = "mine.asm") -> Path:
    """A folder that holds the guest's source."""
    (folder / name).write_text(source, encoding="utf-8")
    return folder


def controlled(folder: Path, technique: Technique, source: str = SOURCE) -> Control:
    """The guest alone under a person's hand."""
    folder_with(folder, source)
    return Control(alone("mine.asm", folder, Wishes(technique)), lambda spec: build(spec, folder))
