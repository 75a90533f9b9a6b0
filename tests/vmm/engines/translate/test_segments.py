"""What a kernel reaches through GS and CS, which are the cache's own, is reached through FS as on bare metal."""

from __future__ import annotations

from contextlib import suppress
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachvm.isa.decode import DecodeError, Insn, decode
from teachvm.isa.descriptors import DESCRIPTOR_SIZE
from teachvm.isa.flags import IF
from teachvm.isa.operands import CS, FS, GS, Mem
from teachvm.isa.text import row_text
from teachvm.vmm.engines.translate.lending import LENT_SLOTS, re_expressed, stands_for
from teachvm.vmm.engines.translate.records import Origin
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.techniques import Technique
from tests.vmm.engines.translate.duet import Duet
from tests.vmm.programs import SegmentWriter
from tests.vmm.room import GDT, Room

TABLE_AT = 0x2_8000
"""A descriptor table of the guest's with a few more segments than its own."""
SEGMENTS = {
    0x10: "flat",
    0: "null",
    0x23: "a program's",
    **{0x70 + 8 * number: f"descriptor {number}" for number in range(len(SegmentWriter.DESCRIPTORS))},
}
LOAD_TABLE = f"""
        mov     esi, 0x1000
        mov     edi, {TABLE_AT}
        mov     ecx, 0x48
        rep     movsb
        mov     esi, more
        mov     edi, {TABLE_AT + 0x70}
        mov     ecx, {8 * len(SegmentWriter.DESCRIPTORS)}
        rep     movsb
        mov     word [0x20f00], {0x70 + 8 * len(SegmentWriter.DESCRIPTORS) - 1}
        mov     dword [0x20f02], {TABLE_AT}
        lgdt    [0x20f00]
"""
MORE = "more: dq " + ", ".join(map(str, SegmentWriter.DESCRIPTORS))
ACCESSES = {
    "read": "mov ebx, [{s}:{at}]",
    "read a byte by a register": "mov ebp, {at} \n movzx ebx, byte [{s}:ebp]",
    "read by a pair": "mov ebp, {at} \n mov edx, 0 \n mov bx, [{s}:ebp + edx * 4]",
    "write": "mov [{s}:{at}], edi",
    "write a constant": "mov word [{s}:{at}], 0x1234",
    "change with the carry": "stc \n adc dword [{s}:{at}], 5 \n setc bl",
    "change under lock": "lock xadd [{s}:{at}], edi",
    "exchange": "xchg [{s}:{at}], edi",
    "push": "push dword [{s}:{at}] \n pop ebx",
    "pop": "push dword 0x4321 \n pop dword [{s}:{at}]",
    "store a selector": "mov [{s}:{at}], ds",
    "store FS": "mov [{s}:{at}], fs",
    "load a selector": "mov es, [{s}:{at}]",
    "string": "mov esi, {at} \n mov edi, 0x20100 \n mov ecx, 3 \n {s} rep movsd",
    "table of bytes": "mov ebx, {at} \n mov al, 1 \n {s} xlatb",
    "bounds": "mov ebx, 0x7fffffff \n bound ebx, [{s}:{at}]",
    "eight bytes": "mov eax, 0 \n mov edx, 0 \n mov ebx, 1 \n mov ecx, 2 \n cmpxchg8b [{s}:{at}]",
    "behind sti": "sti \n mov ebx, [{s}:{at}] \n cli",
    "jump": "mov dword [0x20200], there \n jmp [{s}:0x200] \n there: nop",
    "call": "mov dword [0x20200], there \n call [{s}:0x200] \n there: nop",
}


@pytest.mark.parametrize("register", ["gs", "cs"])
@pytest.mark.parametrize("access", ACCESSES.values(), ids=ACCESSES)
@settings(max_examples=4)
@given(
    st.sampled_from(sorted(SEGMENTS)),
    st.sampled_from(sorted(SEGMENTS)),
    st.sampled_from((0x204, 0xFFD, 0x7FFF, 0x8004, 0xFFFE, 0x2_0300, 0x1_0000)),
    st.sampled_from((None, "fs", "gs")),
)
def test_an_access_does_what_it_does_on_bare_metal(
    register: str, access: str, other: int, own: int, at: int, changed: str | None
) -> None:
    """Whatever the registers hold, and if the descriptor of one has changed since: three times, from the cache."""
    change = {"fs": own, "gs": other}.get(changed or "", 0) & 0xFFF8
    source = f"""
        {LOAD_TABLE}
        mov     eax, {own}
        mov     fs, ax
        mov     eax, {other}
        mov     gs, ax
        mov     dword [{TABLE_AT + 4} + {change}], 0x00409300
        mov     dword [0x30000], 3
again:  mov     edi, 0x11223344
        {access.format(s=register, at=at)}
        mov     ecx, fs
        mov     edx, [fs:0x204]
        push    gs
        pop     esi
        dec     dword [0x30000]
        jnz     again
        hlt
        align   8
        {MORE}
    """
    Duet(source, eflags=2).to_the_end(400)


LOOP = """
        mov     eax, 0x10
        mov     gs, ax
        mov     edi, 40
again:  mov     ebx, [gs:0x20000]
        add     [gs:0x20004], edi
        mov     ecx, [cs:again]
        dec     edi
        jnz     again
        hlt
"""


def test_it_is_replaced_in_the_cache_and_calls_nobody() -> None:
    duet = Duet(LOOP).to_the_end()
    assert EntryReason.NOT_COPIED not in duet.vm.ledger.counts
    assert duet.vm.ledger.total_count < 10
    unit = duet.unit_at("again")
    replaced, copied, chained = Origin.REPLACED, Origin.COPIED, Origin.CHAINED
    assert [insn.origin for insn in unit.guest] == [replaced, replaced, replaced, copied, chained]
    first = [str(row_text(decode(insn.bytes), insn.address)) for insn in unit.code[:4]]
    assert first == [
        "mov word [gs:0x38], fs",
        "mov fs, word [gs:0x30]",
        "mov ebx, [fs:0x20000]",
        "mov fs, word [gs:0x38]",
    ]


@pytest.mark.parametrize("user", [False, True], ids=["kernel", "program"])
@pytest.mark.parametrize("change", ["5], 0", "2], 0x77", "6], 0x40", "5], 0x90", "7], 0x80"])
def test_a_stack_segment_that_the_table_holds_no_more_goes_on_being_used_in_the_cache(change: str, user: bool) -> None:
    """Gone, with another base, a smaller limit, to be read only, or elsewhere: SS holds what it held."""
    descriptor = GDT + (0x20 if user else 0x10)
    source = f"""
        mov     byte [{descriptor} + {change}
        mov     edi, 12
again:  push    edi
        call    leaf
        mov     eax, ss
        push    ss
        pop     ebx
        mov     cx, ss
        pushfd
        pop     esi
        pop     edi
        dec     edi
        jnz     again
        mov     ss, ax
        hlt
leaf:   inc     edx
        mov     ebp, [ss:esp]
        ret
    """
    duet = Duet(source, user=user, eflags=2 | IF).to_the_end(400)
    assert EntryReason.NOT_HOLDABLE not in duet.vm.ledger.counts
    assert duet.vm.translated > 100


def every_form() -> list[Insn]:
    """Instructions with an access through GS, with every opcode, and prefixes before it."""
    rest, found = bytes.fromhex("0003020011223344"), []
    for prefix, escape, opcode, slot in product(("", "66", "f0", "f3"), ("", "0f"), range(256), range(8)):
        with suppress(DecodeError):
            found.append(decode(bytes.fromhex(f"65{prefix}{escape}{opcode:02x}{slot << 3 | 5:02x}") + rest))
    return [insn for insn in found if stands_for(insn) is not None]


def test_of_every_instruction_with_a_memory_operand_only_the_segment_changes() -> None:
    forms = every_form()
    assert len(forms) > 500
    for insn in forms:
        code = re_expressed(insn)
        assert code is not None, row_text(insn, 0)
        found = decode(code)
        assert (found.mnemonic, found.opsize, found.lock, found.rep) == (
            insn.mnemonic,
            insn.opsize,
            insn.lock,
            insn.rep,
        )
        for now, was in zip(found.operands, insn.operands, strict=True):
            if isinstance(was, Mem) and was.segment == GS:
                assert isinstance(now, Mem)
                assert (now.segment, now.base, now.disp, now.width) == (FS, was.base, was.disp, was.width)
            else:
                assert now == was


@pytest.mark.parametrize("user", [False, True], ids=["kernel", "program"])
@pytest.mark.parametrize("register", [GS, CS])
def test_what_is_lent_cannot_be_loaded_by_the_guest(register: int, user: bool) -> None:
    selector = LENT_SLOTS[register] * DESCRIPTOR_SIZE
    for rpl in range(4):
        through = "mov eax, 0x23 \n mov gs, ax \n mov ebx, [gs:0x20000]"
        source = f"{through} \n mov eax, {selector | rpl} \n a: mov ds, ax \n nop \n hlt"
        room = Room(source, user=user, eflags=2 | IF, technique=Technique.BINARY_TRANSLATION)
        room.to_label("a")
        for _ in range(4):
            room.unit()
        assert room.vm.vcpu.state().eip >> 12 == 8, "the guest's handler of #GP"
