"""INT n and IRET between compiled code: whatever changes on the way, every event and every bit is as without it."""

from __future__ import annotations

import random
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from teachvm.cli.benchmarks import programs
from teachvm.machine.tiers.passages import Passage
from teachvm.trace.events import Event
from teachvm.trace.timeline import Timeline
from teachvm.vmm.techniques import Technique
from teachvm.world.build import build
from teachvm.world.spec import HostSpec, VmSpec, WorldSpec
from teachvm.world.world import World

KERNEL = """
%include "start.inc"
        dd      0, 0
GATES           equ 0x34000
GATES_2         equ 0x35000
SEGMENTS        equ 0x32000
SEGMENTS_2      equ 0x33000
NESTED          equ 0x81
FRAME           equ 4                   ; above the saved EAX
        align   PAGE, db 0
main:
        cld
        mov     esi, gdt                ; tables of its own, twice
        mov     edi, SEGMENTS
        mov     ecx, 12
        rep movsd
        mov     dword [edi], 0x0000FFFF ; 0x33: user code again
        mov     dword [edi + 4], 0x00CFFA00
        mov     dword [edi + 8], 0x0000FFFF     ; 0x3B: user data again
        mov     dword [edi + 12], 0x00CFF200
        mov     esi, SEGMENTS
        mov     edi, SEGMENTS_2
        mov     ecx, 16
        rep movsd
        mov     eax, 0x80
        mov     edx, handler
        call    gate
        mov     eax, NESTED
        mov     edx, nested
        call    gate
        mov     eax, 1
        mov     edx, stepped
        call    gate
        mov     eax, 13
        mov     edx, refused
        call    gate
        lgdt    [first_gdt]
        lidt    [first_idt]
        mov     eax, TASK
        ltr     ax
        push    USER_DATA
        push    USER_STACK
        push    2
        push    USER_CODE
        push    program
        iretd

gate:   mov     ebx, edx                ; a gate in both tables: EAX vector, EDX handler
        and     ebx, 0xFFFF
        or      ebx, CODE << 16
        mov     [GATES + eax*8], ebx
        mov     [GATES_2 + eax*8], ebx
        mov     bx, 0xEE00
        and     edx, 0xFFFF0000
        movzx   ebx, bx
        or      edx, ebx
        mov     [GATES + eax*8 + 4], edx
        mov     [GATES_2 + eax*8 + 4], edx
        ret

first_gdt:      dw 63
                dd SEGMENTS
second_gdt:     dw 63
                dd SEGMENTS_2
first_idt:      dw 0x82 * 8 - 1
                dd GATES
second_idt:     dw 0x82 * 8 - 1
                dd GATES_2

        align   PAGE, db 0
handler:
        push    eax
        inc     dword [ROOM + 0xF00]
        and     eax, 15
        jmp     [table + eax*4]
stepped: and    dword [esp + 8], ~0x100 ; a single step ends the stepping
        inc     dword [ROOM + 0xF04]
        iretd
refused: add    esp, 4                  ; the refused INT is two bytes long
        add     dword [esp], 2
        inc     dword [ROOM + 0xF08]
        or      byte [GATES + 0x80*8 + 5], 0x60
        or      byte [GATES_2 + 0x80*8 + 5], 0x60
        iretd
nested: iretd
other:  push    eax
        inc     dword [ROOM + 0xF0C]
        and     eax, 15
        jmp     [table + eax*4]

table:  dd      handler_out, stack_moves, stack_edge, gate_moves, flags, code_alias, unaccessed, idt_2
        dd      gdt_2, forgotten, inside, stack_alias, odd_stack, refuse, flushed, esp_moves
stack_moves:
        xor     dword [tss + 4], 0x2000
        jmp     handler_out
stack_edge:
        xor     dword [tss + 4], 8
        jmp     handler_out
gate_moves:
        mov     eax, other
        mov     [GATES + 0x80*8], ax
        jmp     handler_out
flags:  xor     [esp + FRAME + 8], ebx
        jmp     handler_out
code_alias:
        xor     dword [esp + FRAME + 4], USER_CODE ^ 0x33
        jmp     handler_out
unaccessed:
        and     byte [SEGMENTS + 0x1D], 0xFE
        and     byte [SEGMENTS + 0x35], 0xFE
        jmp     handler_out
idt_2:  lidt    [second_idt]
        jmp     handler_out
gdt_2:  lgdt    [second_gdt]
        jmp     handler_out
forgotten:
        lidt    [first_idt]
        lgdt    [first_gdt]
        mov     eax, handler
        mov     [GATES + 0x80*8], ax
        jmp     handler_out
inside: int     NESTED
        int     NESTED
        jmp     handler_out
stack_alias:
        xor     dword [esp + FRAME + 16], USER_DATA ^ 0x3B
        jmp     handler_out
odd_stack:
        sub     esp, 2
        int     NESTED
        add     esp, 2
        jmp     handler_out
refuse: and     byte [GATES + 0x80*8 + 5], 0x9F
        and     byte [GATES_2 + 0x80*8 + 5], 0x9F
        jmp     handler_out
flushed:
        mov     eax, cr3
        mov     cr3, eax
        jmp     handler_out
esp_moves:
        xor     dword [esp + FRAME + 12], 0x14
handler_out:
        pop     eax
        iretd

        align   PAGE, db 0
program:
        mov     eax, USER_DATA
        mov     ds, eax
        mov     es, eax
        mov     ebp, 0x40000
        xor     esi, esi
.next:  movzx   eax, byte [ebp + esi]
        movzx   ecx, byte [ebp + esi + 1]
        mov     ebx, [images + ecx*4]
        mov     edx, 3
.again: push    edx                     ; three calls that change nothing between two that do
        push    eax
        xor     eax, eax
        int     0x80
        pop     eax
        pop     edx
        dec     edx
        jnz     .again
        int     0x80
        add     edx, ebx
        inc     esi
        and     esi, 0xFF
        jnz     .next
        dec     dword [rounds]
        jnz     .next
finish: hlt
images: dd      0x100, 0x200, 0x400, 0x800, 0x1, 0x40, 0x3000, 0x4000, 0x10000, 0x40000, 0x200000, 0x0, 0x80, 0x8D5
        dd      0x200200, 0x300
"""
ACTIONS = 0x4_0000


def _world(folder: Path, seed: int) -> World:
    """The kernel with a program that asks for 256 changes chosen by a seed, most often for none."""
    guest = VmSpec("kernel", "kernel.asm", memory_bytes=programs.MEMORY_BYTES, technique=Technique.BARE_METAL)
    world = build(WorldSpec(HostSpec(memory_bytes=programs.MEMORY_BYTES, vms=(guest,))), folder)
    rng = random.Random(seed)
    often = rng.choice((0, 4, 12))
    actions = bytes(rng.choice((*range(16), *[0] * often)) for _ in range(0x101))
    world.host.machine.memory.write_bytes(ACTIONS, actions)
    return world


def _recorded(world: World) -> list[Event]:
    return list(world.recorder.log.of(Event))


def _kernel(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "start.inc").write_text((programs.FOLDER / "start.inc").read_text())
    (folder / "kernel.asm").write_text(KERNEL)
    return folder


def _same(folder: Path, seed: int, stops: list[int]) -> World:
    plain, fast = _world(folder, seed), _world(folder, seed)
    tiers = plain.host.machine.cpu.tiers
    assert tiers is not None
    tiers.enabled = False
    slow, quick = Timeline(plain), Timeline(fast)
    for stop in stops:
        slow.run(stop)
        quick.run(stop)
        assert slow.position == quick.position
        assert slow.digest() == quick.digest()
    assert _recorded(plain) == _recorded(fast)
    return fast


@settings(max_examples=12)
@given(st.integers(0, 2**32), st.lists(st.integers(1, 9_000), min_size=1, max_size=3))
def test_a_kernel_that_changes_gates_stacks_flags_and_tables_on_the_way_records_the_same(
    tmp_path_factory: object, seed: int, stops: list[int]
) -> None:
    folder = _kernel(Path(str(tmp_path_factory.getbasetemp())) / "kernel")  # type: ignore[attr-defined]
    _same(folder, seed, [4_700, *stops])


def test_system_calls_are_passed_through_and_not_executed_one_by_one(tmp_path: Path) -> None:
    world = programs.world("syscalls")
    programs.run(world, 60_000)
    tiers = world.host.machine.cpu.tiers
    assert tiers is not None
    found = [each for _, _, nears in tiers._noted.values() for near in nears for each in near.values()]
    assert sum(isinstance(each, Passage) for each in found) == 2
    cpu, executed = world.host.machine.cpu, []
    one = cpu.execute_one
    cpu.execute_one = lambda known=None: (executed.append(cpu.eip), one(known))[1]  # type: ignore[method-assign]
    programs.run(world, 60_000)
    assert len(executed) <= 8  # the limit ends inside compiled code, and the next run begins there
