"""Kernels in formats of the world outside, made with our own assembler and a small ELF writer."""

import struct

from teachvm.isa.assembler import assemble

BODY = """
start:
    cmp     eax, 0x2badb002
    jne     bad
    mov     esi, text
.next:
    lodsb
    test    al, al
    jz      done
    out     0xe9, al
    jmp     .next
done:
    mov     [counted], esi
    xor     eax, eax
    out     0xf4, al
bad:
    mov     al, 3
    out     0xf4, al
    hlt
text: db "hello from multiboot", 10, 0
"""

KLUDGE = f"""
bits 32
org 0x100000
header:
    dd 0x1BADB002, 0x00010003, -(0x1BADB002 + 0x00010003)
    dd header, header, image_end, image_end + 0x2000, start
{BODY}
counted: dd 0
image_end:
"""

IN_ELF = f"""
bits 32
org 0x100000
    dd 0x1BADB002, 0x00000003, -(0x1BADB002 + 0x00000003)
{BODY}
counted: dd 0
"""

PLAIN = """
bits 32
org 0x101000
start:
    mov     edx, 0x604
    mov     al, 'p'
    out     0xe9, al
    mov     ax, 0x2000
    out     dx, ax
    hlt
"""


def kludge() -> bytes:
    """A multiboot kernel whose header has the address fields."""
    return assemble(KLUDGE, "kludge.asm").data


def flat(source: str = PLAIN) -> bytes:
    """A binary with nothing around it."""
    return assemble(source, "flat.asm").data


def elf(
    source: str = IN_ELF, *, linear: int | None = None, bss: int = 0x3000, kind: int = 2, machine: int = 3
) -> bytes:
    """An ELF32 executable with one segment, an interrupted note and a symbol table.

    Args:
        source: Assembled at its physical address.
        linear: Where it is linked to run; its physical address unless given.
        bss: Bytes behind it that are not in the file.
        kind: 2 is an executable.
        machine: 3 is i386.
    """
    made = assemble(source, "kernel.asm")
    at = made.origin if linear is None else linear
    names = bytearray(b"\0")
    symbols = bytearray(16)
    for label in sorted(made.labels):
        symbols += struct.pack("<IIIBBH", len(names), made.symbols[label] - made.origin + at, 0, 0x10, 0, 1)
        names += label.encode() + b"\0"
    programs, text_at = 52, 0x1000
    symbols_at = text_at + len(made.data)
    names_at = symbols_at + len(symbols)
    sections_at = names_at + len(names)
    header = b"\x7fELF\x01\x01\x01" + bytes(9)
    entry = made.symbols["start"] - made.origin + at
    header += struct.pack("<HHIIIIIHHHHHH", kind, machine, 1, entry, programs, sections_at, 0, 52, 32, 1, 40, 3, 0)
    segment = struct.pack("<8I", 1, text_at, at, made.origin, len(made.data), len(made.data) + bss, 7, 0x1000)
    tables = bytes(40)
    tables += struct.pack("<10I", 0, 2, 0, 0, symbols_at, len(symbols), 2, 1, 4, 16)
    tables += struct.pack("<10I", 0, 3, 0, 0, names_at, len(names), 0, 0, 1, 0)
    front = (header + segment).ljust(text_at, b"\0")
    return front + made.data + bytes(symbols) + bytes(names) + tables
