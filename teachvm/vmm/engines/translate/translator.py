"""Turns a unit of guest code into a fragment: copies what may be copied, and writes the rest anew.

Source: Adams & Agesen, ASPLOS 2006, §3.2; Agesen et al., OSR 44(4) 2010, §3.1.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from teachvm.isa.encode import Request
from teachvm.isa.operands import Imm, Mem, Reg, Rel
from teachvm.vmm.engines.translate import sequences
from teachvm.vmm.engines.translate.emitter import (
    BRANCH_BYTES,
    CALL_VMM,
    CONTINUATION,
    JUMP_BYTES,
    PUSH,
    Emitter,
    assembled,
    near_jump,
    with_constant,
)
from teachvm.vmm.engines.translate.fields import field
from teachvm.vmm.engines.translate.lending import re_expressed, stands_for, through_fs
from teachvm.vmm.engines.translate.records import CacheInsn, Exit, Fragment, GuestInsn, Origin, Recover
from teachvm.vmm.engines.translate.unit import How, Planned, Unit

MOST_BYTES: Final = 1_536
"""More than any fragment takes."""
LEAST_BYTES: Final = JUMP_BYTES
"""A fragment's head must have room for a jump, or a continuation."""

_ORIGINS: Final = {
    How.COPY: Origin.COPIED,
    How.CALLOUT: Origin.CALLOUT,
    How.SIMULATE: Origin.SIMULATED,
    How.JUMP: Origin.CHAINED,
    How.BRANCH: Origin.CHAINED,
    How.COUNTED: Origin.CHAINED,
    How.CALL: Origin.CHAINED,
    How.COMPUTED: Origin.LOOKUP,
    How.RETURN: Origin.LOOKUP,
}


def origin_of(how: How) -> Origin:
    """What becomes of an instruction, in the words of the records."""
    return _ORIGINS.get(how, Origin.REPLACED)


def written(unit: Unit, at: int, bottom: int, number: int, mode: int) -> Fragment:
    """The fragment a unit becomes at an address, with a number and that of the mode it is for.

    Worlds are executed again, and beside each other: the same units come to the same places many times, and the
    fragments of the last ones are kept in mind.
    """
    asked = unit.linear, unit.gpa, at, bottom, number, mode, tuple([each.told for each in unit.instructions])
    found = _WRITTEN.get(asked)
    if found is None:
        if len(_WRITTEN) >= MOST_WRITTEN:
            _WRITTEN.clear()
        found = _WRITTEN[asked] = Translator(unit, at, bottom).fragment(number, mode)
    return found


_WRITTEN: Final[dict[Hashable, Fragment]] = {}
MOST_WRITTEN: Final = 1 << 10


class Translator:
    """Writes one fragment."""

    def __init__(self, unit: Unit, at: int, bottom: int) -> None:
        """Begin at an address of the cache.

        Args:
            unit: What to translate.
            at: Where the fragment begins.
            bottom: Continuations that stand elsewhere stand below.
        """
        self.unit = unit
        self.start = at
        self.emitter = Emitter(at)
        self.exits: list[Exit] = []
        self.stubs: list[CacheInsn] = []
        self._bottom = bottom

    def fragment(self, number: int, mode: int) -> Fragment:
        """Write the whole fragment; it gets a number, and that of the mode it is for."""
        e, unit = self.emitter, self.unit
        for index, each in enumerate(unit.instructions):
            e.guest, e.origin = index, origin_of(each.how)
            self._instruction(each)
        last = unit.instructions[-1]
        if not (last.insn is None or last.insn.row.terminator):
            self._tail(last.end, Recover(last.end, shadow=last.how is How.STI), taken=False)
        return Fragment(
            number,
            self.start,
            max(e.at, self.start + LEAST_BYTES),
            tuple(GuestInsn(each.eip, each.code, origin_of(each.how)) for each in unit.instructions),
            unit.linear,
            unit.gpa,
            mode,
            unit.size,
            tuple(e.code),
            tuple(self.stubs),
            tuple(self.exits),
        )

    def _instruction(self, each: Planned) -> None:
        e = self.emitter
        before = Recover(each.eip, shadow=each.after_sti)
        after = Recover(each.end)
        insn = each.insn
        match each.how:
            case How.COPY:
                e.raw(each.code, before, 1)
            case How.CALLOUT | How.SIMULATE:
                e.raw(CALL_VMM, before)
            case How.CLI:
                sequences.cli(e, before, after, dead=each.dead)
            case How.STI:
                sequences.sti(e, before, Recover(each.end, shadow=True))
            case How.PUSHFD:
                sequences.pushfd(e, before, after)
            case How.POPFD:
                sequences.popfd(e, before, after)
            case How.THROUGH_FS:
                assert insn is not None
                code, segment = re_expressed(insn), stands_for(insn)
                assert code is not None
                assert segment is not None
                sequences.through_fs(e, before, after, code, segment)
            case How.READ:
                self._read(each, before)
            case How.RETURN:
                assert insn is not None
                released = insn.operands[0].value if insn.operands and isinstance(insn.operands[0], Imm) else 0
                sequences.ret(e, before, released)
            case How.COMPUTED:
                assert insn is not None
                target = through_fs(insn.operands[0])
                assert isinstance(target, Reg | Mem)
                pushed = each.end if insn.row.mnemonic == "CALL" else None
                sequences.jump_computed(e, before, target, stands_for(insn), pushed)
            case _:
                self._transfer(each, before)

    def _read(self, each: Planned, before: Recover) -> None:
        """A constant, or a field of the VCPU, in place of what only the real register shows."""
        assert each.insn is not None
        source = Imm(each.value, 32) if each.field is None else field(each.field)
        if each.insn.row.mnemonic == "PUSH":
            if each.field is None:
                self.emitter.raw(with_constant(PUSH, each.value), before, 1)
            else:
                self.emitter.asm("PUSH", source, recover=before, completes=1)
            return
        destination = each.insn.operands[0]
        assert isinstance(destination, Reg)
        self.emitter.asm("MOV", Reg(destination.index, 32), source, recover=before, completes=1)

    # ---- transfers whose target is known -------------------------------------------------------

    def _transfer(self, each: Planned, before: Recover) -> None:
        e = self.emitter
        there, following = Recover(each.target), Recover(each.end)
        assert each.insn is not None
        match each.how:
            case How.JUMP:
                self._tail(each.target, before, taken=True, completes=1)
            case How.CALL:
                e.raw(with_constant(PUSH, each.end), before, 1, Origin.REPLACED)
                self._tail(each.target, there, taken=True)
            case How.BRANCH:
                stub = self._bottom - len(CALL_VMM) * (len(self.stubs) + 1)
                self.stubs.append(CacheInsn(stub, CALL_VMM, e.guest, Origin.CONTINUATION, 0, there))
                site = e.raw(near_jump(e.at, stub, each.insn.row.mnemonic), before, 1)
                assert len(site.bytes) == BRANCH_BYTES
                self.exits.append(Exit(each.target, True, site.address, stub))
                self._tail(each.end, following, taken=False)
            case _:
                # LOOP and JECXZ reach 128 bytes only: over a short jump to one that reaches everywhere.
                short = assembled("JMP", (Rel(JUMP_BYTES),), Request())
                e.raw(each.code[:-1] + bytes((len(short),)), before, 1)
                e.raw(short, following)
                self._tail(each.target, there, taken=True)
                self._tail(each.end, following, taken=False)

    def _tail(self, target: int, recover: Recover, *, taken: bool, completes: int = 0) -> None:
        """A continuation with room for a jump."""
        insn = self.emitter.raw(CONTINUATION, recover, completes, Origin.CONTINUATION)
        self.exits.append(Exit(target, taken, insn.address, insn.address))
