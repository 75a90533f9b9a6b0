"""What replaces single guest instructions in the cache: short sequences on the VCPU's fields.

Each is written so that the guest's state can be had at every instruction of it: until the one that takes effect it is
the state before, from there on the state after. Registers are put aside in fields and come back at the end. Status
flags are not touched, but for CLI: there they are saved and restored, unless a later instruction defines them anyway
before anybody can look.

Source: Adams & Agesen, ASPLOS 2006, §3.2; Agesen et al., OSR 44(4) 2010, §3.1 (CLI as AND, RET by a table).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from teachvm.isa.encode import Request
from teachvm.isa.flags import IF
from teachvm.isa.operands import DS, EAX, ECX, ESP, FS, SS, Imm, Mem, Reg, Sreg
from teachvm.vmm.engines.translate.emitter import (
    CALL_VMM,
    JUMP_BYTES,
    PUSH,
    WIDE,
    Emitter,
    assembled,
    near_jump,
    with_constant,
)
from teachvm.vmm.engines.translate.fields import (
    BRANCHES,
    FLAGS,
    FLAGS_HIGH,
    KEPT,
    LENT,
    PENDING,
    RETURNS,
    SLOW,
    SPILL_EAX,
    SPILL_ECX,
    SPILL_FS,
    field,
)
from teachvm.vmm.engines.translate.records import FlagsIn, Origin, Recover

_EAX: Final = Reg(EAX, 32)
_ECX: Final = Reg(ECX, 32)
_AL: Final = Reg(0, 8)
_CL: Final = Reg(1, 8)
_AH: Final = Reg(4, 8)
_A: Final = (EAX, SPILL_EAX)
_C: Final = (ECX, SPILL_ECX)
_TOP: Final = Mem(SS, ESP, None, 1, 0, 32)
_BYTE_IF: Final = IF >> 8
_RELOAD_ECX: Final = assembled("MOV", (_ECX, field(SPILL_ECX)), Request())
_DIFFERENCE: Final = assembled("LEA", (_ECX, Mem(DS, EAX, None, 1, WIDE, 0)), Request())
_RELOAD_EAX: Final = assembled("MOV", (_EAX, field(SPILL_EAX)), Request())
_PUT_EAX: Final = assembled("MOV", (field(SPILL_EAX), _EAX), Request())
_PUT_ECX: Final = assembled("MOV", (field(SPILL_ECX), _ECX), Request())
_POP_EAX: Final = assembled("POP", (_EAX,), Request())
_LOW_BYTE: Final = assembled("MOVZX", (_ECX, _AL), Request())
_THROUGH: Final = {
    table: assembled("JMP", (field(table, index=ECX, scale=4),), Request()) for table in (RETURNS, BRANCHES)
}
"""Jumps to the landing whose number is in ECX, by table."""


def cli(e: Emitter, before: Recover, after: Recover, *, dead: bool) -> None:
    """Virtual IF := 0.

    Args:
        e: Where to write.
        before: The guest's state before the instruction.
        after: The same after it.
        dead: The status flags are defined again before anybody looks, so they may be lost.
    """
    clear = (field(FLAGS_HIGH, 8), Imm(0xFF & ~_BYTE_IF, 8))
    if dead:
        e.asm("AND", *clear, recover=before, completes=1)
        return
    _change_if(e, "AND", clear, before, after)


def sti(e: Emitter, before: Recover, after: Recover) -> None:
    """Virtual IF := 1, unless an interrupt waits: then the VMM does it, and lets the next instruction go first."""
    e.raw(_PUT_ECX, recover=before)
    aside = replace(before, restore=(_C,))
    e.asm("MOVZX", _ECX, field(PENDING, 8), recover=aside)
    e.skip("JECXZ", (_RELOAD_ECX, CALL_VMM), recover=aside)
    e.raw(_RELOAD_ECX, aside)
    e.raw(CALL_VMM, before, origin=Origin.CALLOUT)
    e.raw(_RELOAD_ECX, aside)
    _change_if(e, "OR", (field(FLAGS_HIGH, 8), Imm(_BYTE_IF, 8)), before, after)


def _change_if(e: Emitter, mnemonic: str, operands: tuple[Mem, Imm], before: Recover, after: Recover) -> None:
    """Change IF with the status flags saved in AX and restored from there."""
    e.raw(_PUT_EAX, recover=before)
    aside = replace(before, restore=(_A,))
    e.asm("LAHF", recover=aside)
    e.asm("SETO", _AL, recover=aside)
    e.asm(mnemonic, *operands, recover=aside, completes=1)
    done = replace(after, restore=(_A,))
    e.asm("ADD", _AL, Imm(0x7F, 8), recover=replace(done, flags=FlagsIn.AX))
    e.asm("SAHF", recover=replace(done, flags=FlagsIn.AX))
    e.raw(_RELOAD_EAX, done)


def pushfd(e: Emitter, before: Recover, after: Recover) -> None:
    """Push the real flags, then put the guest's IF and IOPL in their place; LEA adds without touching flags."""
    e.asm("PUSHFD", recover=before)
    pushed = replace(before, esp=4)
    e.raw(_PUT_EAX, recover=pushed)
    e.raw(_PUT_ECX, recover=pushed)
    e.asm("MOV", _EAX, _TOP, recover=pushed)
    e.asm("MOV", _ECX, field(FLAGS), recover=replace(pushed, restore=(_A,)))
    aside = replace(pushed, restore=(_A, _C))
    e.asm("LEA", _EAX, Mem(DS, EAX, ECX, 1, -IF, 0), recover=aside)
    e.asm("MOV", _TOP, _EAX, recover=aside, completes=1)
    e.raw(_RELOAD_EAX, replace(after, restore=(_A, _C)))
    e.raw(_RELOAD_ECX, replace(after, restore=(_C,)))


def popfd(e: Emitter, before: Recover, after: Recover) -> None:
    """Let the hardware pop what it may change, and keep IF and IOPL; the VMM does it if more has to happen."""
    e.raw(_PUT_EAX, recover=before)
    e.raw(_PUT_ECX, recover=before)
    e.asm("MOV", _EAX, _TOP, recover=before)
    aside = replace(before, restore=(_A, _C))
    e.asm("MOVZX", _ECX, _AH, recover=aside)
    e.asm("MOVZX", _ECX, field(SLOW, 8, base=ECX), recover=aside)
    e.skip("JECXZ", (_RELOAD_EAX, _RELOAD_ECX, CALL_VMM), recover=aside)
    e.raw(_RELOAD_EAX, aside)
    e.raw(_RELOAD_ECX, replace(before, restore=(_C,)))
    e.raw(CALL_VMM, before, origin=Origin.CALLOUT)
    e.asm("MOVZX", _ECX, _AH, recover=aside)
    e.asm("MOV", _CL, field(KEPT, 8, base=ECX), recover=aside)
    e.asm("POPFD", recover=aside, completes=1)
    done = replace(after, restore=(_A, _C))
    e.asm("MOV", field(FLAGS_HIGH, 8), _CL, recover=replace(done, keep=True))
    e.raw(_RELOAD_EAX, done)
    e.raw(_RELOAD_ECX, replace(after, restore=(_C,)))


def ret(e: Emitter, before: Recover, released: int) -> None:
    """Pop the guest's return address and look it up by its low byte: the stack never holds an address of the cache."""
    e.raw(_PUT_EAX, recover=before)
    e.raw(_PUT_ECX, recover=before)
    e.raw(_POP_EAX, recover=before)
    popped = replace(before, restore=(_A,), esp=-4)
    if released:
        e.asm("LEA", Reg(ESP, 32), Mem(SS, ESP, None, 1, released, 0), recover=popped)
        popped = replace(popped, esp=-4 - released)
    _look_up(e, popped, RETURNS)


def through_fs(e: Emitter, before: Recover, after: Recover, code: bytes, stands_for: int, completes: int = 1) -> None:
    """Let FS stand for another segment register while one instruction makes its access; no flag is touched.

    Args:
        e: Where to write.
        before: The guest's state before the instruction.
        after: The same after it.
        code: The instruction, with its access made through FS.
        stands_for: The guest's segment register it is made through.
        completes: Guest instructions complete with it.
    """
    e.asm("MOV", field(SPILL_FS, 16), Sreg(FS), recover=before)
    e.asm("MOV", Sreg(FS), field(LENT[stands_for], 16), recover=before)
    e.raw(code, replace(before, lent=True), completes)
    e.asm("MOV", Sreg(FS), field(SPILL_FS, 16), recover=replace(after, lent=True))


def jump_computed(e: Emitter, before: Recover, target: Reg | Mem, lent: int | None, pushed: int | None) -> None:
    """Go to an address in a register or in memory, by its low byte; a call pushes the guest's return address first.

    Args:
        e: Where to write.
        before: The guest's state before the instruction.
        target: Where the address is, as the cache reaches it.
        lent: The guest's segment register that FS stands for in it.
        pushed: For a call, the return address.
    """
    e.raw(_PUT_EAX, recover=before)
    e.raw(_PUT_ECX, recover=before)
    loaded = replace(before, restore=(_A,))
    if lent is None:
        e.asm("MOV", _EAX, target, recover=before)
    else:
        through_fs(e, before, loaded, assembled("MOV", (_EAX, target), Request()), lent, 0)
    if pushed is not None:
        e.raw(with_constant(PUSH, pushed), loaded)
        loaded = replace(loaded, esp=4)
    _look_up(e, loaded, BRANCHES)


def _look_up(e: Emitter, before: Recover, table: int) -> None:
    """Jump through a table of landings; the target is in EAX, and EAX and ECX are put aside."""
    e.raw(_LOW_BYTE, recover=before)
    aside = replace(before, restore=(_A, _C))
    e.raw(_THROUGH[table], recover=aside, completes=1)


LANDED: Final = Recover(None, (_A, _C))
"""The guest's state where a lookup lands: on its way to the address in EAX."""


def landing(e: Emitter, target: int, miss: int, body: int) -> None:
    """Confirm that the address in EAX is the one meant, restore the registers, and go on to a fragment."""
    e.origin = Origin.LOOKUP
    e.raw(with_constant(_DIFFERENCE, -target), LANDED)
    e.skip("JECXZ", (bytes(JUMP_BYTES),), recover=LANDED)
    e.raw(near_jump(e.at, miss), LANDED)
    there = Recover(target)
    e.raw(_RELOAD_EAX, replace(there, restore=(_A, _C)))
    e.raw(_RELOAD_ECX, replace(there, restore=(_C,)))
    e.raw(near_jump(e.at, body), there)
