"""Guests of the tests of worlds that need nothing but the machine: a small kernel of chosen pieces, or any bytes."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from teachvm.trace.timeline import Timeline
from teachvm.vmm.techniques import Technique
from teachvm.world.build import build
from teachvm.world.spec import HostSpec, ProgramSpec, VmSpec, WorldSpec
from teachvm.world.world import World

MIB = 1 << 20
BARE, TRAP, TRANSLATE = Technique.BARE_METAL, Technique.TRAP_AND_EMULATE, Technique.BINARY_TRANSLATION

HEAD = """
        bits    32
        org     0x10000
DIRECTORY equ 0x20000
TABLE   equ table - $$ + 0x10000
KSTACK  equ 0x18000
USTACK  equ 0x1A000
%macro recover_at 1
        mov     dword [recover], %1
%endmacro
start:
        mov     esp, KSTACK
        lgdt    [gdt_register]
        lidt    [idt_register]
        mov     eax, 0x28
        ltr     ax
        mov     dword [DIRECTORY], TABLE | 0x67
        mov     eax, DIRECTORY
        mov     cr3, eax
        mov     eax, cr0
        or      eax, 0x80010000
        mov     cr0, eax
        mov     al, 0x11
        out     0x20, al
        mov     al, 0x20
        out     0x21, al
        mov     al, 4
        out     0x21, al
        mov     al, 1
        out     0x21, al
        mov     al, 0xEE
        out     0x21, al
        mov     al, 0x34
        out     0x43, al
        mov     al, {count} & 0xFF
        out     0x40, al
        mov     al, {count} >> 8
        out     0x40, al
        mov     al, 1
        mov     dx, 0x3F9
        out     dx, al                          ; an interrupt for each byte that comes
        mov     al, 8
        mov     dx, 0x3FC
        out     dx, al
        mov     dword [rounds], {rounds}
body:
"""

TAIL = """
        dec     dword [rounds]
        jnz     body
        mov     esp, KSTACK
        cli
        hlt
        jmp     $ - 1

fault:  mov     esp, KSTACK                     ; whatever it was: go on behind it
        mov     ax, 0x10
        mov     ds, ax
        mov     es, ax
        inc     dword [faults]
        jmp     [recover]

tick:   push    eax
        push    edx
        inc     dword [ticks]
        mov     dx, 0x3FD
        in      al, dx
        test    al, 1
        jz      .done
        mov     dx, 0x3F8
        in      al, dx
        xor     [typed], al
        out     dx, al                          ; echo
.done:  mov     al, 0x20
        out     0x20, al
        pop     edx
        pop     eax
        iretd

        align   8, db 0
gdt:    dd      0, 0
        dd      0x0000FFFF, 0x00CF9B00, 0x0000FFFF, 0x00CF9300
        dd      0x0000FFFF, 0x00CFFB00, 0x0000FFFF, 0x00CFF300
        dw      0x67, (tss - $$) & 0xFFFF
        db      1, 0x89, 0, 0
gdt_register: dw $ - gdt - 1
        dd      gdt
idt_register: dw 0x7FF
        dd      idt
recover: dd     0
faults: dd      0
ticks:  dd      0
rounds: dd      0
typed:  dd      0
spot:   times 64 db 0
        align   8, db 0
tss:    dd      0, KSTACK, 0x10
        times   25 dd 0
%macro gates 2                                  ; as many gates for ring 3 and 0 that lead there
        times   %1 dd 0x00080000 + (%2 - $$), 0x0001EE00
%endmacro
        align   4096, db 0
idt:    gates   32, fault
        gates   16, tick
        gates   208, fault
        align   4096, db 0
table:  dd      {table}
"""

TABLE = "\n dd ".join(str(page << 12 | 0x67) for page in range(256))
"""Entries of a page table that maps the first megabyte at its own address."""

PIECES: dict[str, str] = {
    "loop": "mov ecx, {a} & 63 | 1\n.l{n}: add eax, ecx\n xor ebx, eax\n loop .l{n}",
    "say": "mov dx, 0x3F8\n mov al, 'a' + {a} % 26\n out dx, al",
    "ports": "in al, 0x40\n in al, 0x21\n mov dx, 0x3FA\n in al, dx\n in eax, 0x80",
    "off": "cli\n inc dword [spot]\n sti",
    "on": "sti\n nop",
    "wait": "sti\n hlt",
    "lost page": "recover_at .r{n}\n mov eax, [0x00800000 + {a} * 4]\n .r{n}:",
    "unmap": "recover_at .r{n}\n mov eax, [0x80000 + {p}]\n mov dword [TABLE + (0x80000 + {p}) / 1024], 0\n"
    " mov ebx, [0x80004 + {p}]\n invlpg [0x80000 + {p}]\n mov [0x80008 + {p}], ebx\n .r{n}:\n"
    " mov dword [TABLE + (0x80000 + {p}) / 1024], (0x80000 + {p}) | 0x67",
    "protect": "recover_at .r{n}\n mov dword [TABLE + (0x80000 + {p}) / 1024], (0x80000 + {p}) | 5\n"
    " invlpg [0x80000 + {p}]\n mov eax, [0x80000 + {p}]\n mov [0x80000 + {p}], eax\n .r{n}:\n"
    " mov dword [TABLE + (0x80000 + {p}) / 1024], (0x80000 + {p}) | 7",
    "reload": "mov eax, cr3\n mov cr3, eax",
    "divide": "recover_at .r{n}\n xor ecx, ecx\n div ecx\n .r{n}:",
    "undefined": "recover_at .r{n}\n ud2\n .r{n}:",
    "traps": "recover_at .r{n}\n int3\n .r{n}: recover_at .s{n}\n int 0x80\n .s{n}:",
    "flags": "pushfd\n cli\n mov eax, [esp]\n popfd",
    "registers": "mov ax, cs\n sgdt [spot]\n smsw bx\n str cx\n sldt dx\n lar esi, eax\n rdtsc",
    "modes": "mov eax, cr0\n xor eax, 0x10000\n mov cr0, eax\n mov eax, cr2\n clts",
    "fill": "mov edi, 0x90000 + {p}\n mov eax, {a}\n mov ecx, {a} & 255\n rep stosd",
    "copy": "mov esi, 0x10000\n mov edi, 0x90000 + {p}\n mov ecx, {a} & 127\n rep movsb",
    "program": "recover_at .r{n}\n push 0x23\n push USTACK\n pushfd\n or dword [esp], 0x200\n push 0x1B\n push .u{n}\n"
    "iretd\n"
    ".u{n}: inc dword [spot + 4]\n mov ecx, {a} & 31 | 1\n.v{n}: loop .v{n}\n {ring3}\n int 0x80\n.r{n}:",
    "segments": "mov ax, 0x10\n mov es, ax\n push fs\n pop gs\n recover_at .r{n}\n mov ax, {a} & 0x3F\n mov fs, ax\n"
    ".r{n}:",
    "step": "recover_at .r{n}\n pushfd\n or dword [esp], 0x100\n popfd\n nop\n nop\n .r{n}:",
    "patch": "mov byte [.p{n} + 1], {a}\n.p{n}: mov al, 0\n mov [spot + 8], al",
    "tables": "lgdt [gdt_register]\n lidt [idt_register]",
    "privilege": "recover_at .r{n}\n jmp 0x1B:.r{n}\n .r{n}:",
}
"""Pieces of kernel code; `{n}` is a number of its own, `{a}` any byte, `{p}` the offset of one of eight pages."""

RING3 = ("nop", "cli", "hlt", "mov eax, [0x00900000]", "mov eax, cr0", "out 0x80, al", "pushfd\n popfd", "mov ax, cs")


@dataclass(frozen=True)
class Sample:
    """A guest of a test: a source of its own, or tinyos with programs, of which some are sources of their own."""

    sources: tuple[tuple[str, str], ...] = ()
    programs: tuple[ProgramSpec, ...] = ()
    guest: str = "guest.asm"


def kernel(pieces: Sequence[tuple[str, int]], count: int = 400, rounds: int = 3) -> Sample:
    """A kernel that does the given pieces in turn, `rounds` times over, with a timer tick every `count` clocks."""
    body = "\n".join(
        PIECES[name].format(n=number, a=value, p=value % 8 * 4096, ring3=RING3[value % len(RING3)])
        for number, (name, value) in enumerate(pieces)
    )
    return Sample((("guest.asm", HEAD.format(count=count, rounds=rounds) + body + TAIL.replace("{table}", TABLE)),))


def bytes_of(code: bytes, origin: int) -> str:
    return f"bits 32\norg {origin}\nstart: db {', '.join(map(str, code))}\n"


def spec(sample: Sample, technique: Technique, vms: int = 1, quantum: int = 1_500) -> WorldSpec:
    names = ("alpha", "beta")[:vms]
    guests = tuple(VmSpec(name, sample.guest, MIB, technique, programs=sample.programs) for name in names)
    return WorldSpec(HostSpec(memory_bytes=(1 + vms) * MIB, quantum=quantum, vms=guests))


def world(sample: Sample, technique: Technique, vms: int = 1, quantum: int = 1_500) -> World:
    """A world in which one or two VMs run the guest, or the bare machine does."""
    with tempfile.TemporaryDirectory(prefix="teachvm-guest-") as folder:
        for name, text in sample.sources:
            Path(folder, name).write_text(text, encoding="ascii")
        return build(spec(sample, technique, vms, quantum), Path(folder))


def timeline(sample: Sample, technique: Technique, vms: int = 1, *, spacing: int = 500) -> Timeline:
    return Timeline(world(sample, technique, vms), spacing)
