"""What a unit consists of, and what is to become of each of its instructions.

A unit is read from the guest's bytes where it is about to be executed: at most 12 instructions, or up to one after
which control may go elsewhere, and never beyond a page. The opcode rows decide what may be copied: what is innocuous
is, unless it names what the cache keeps for itself.

Source: Adams & Agesen, ASPLOS 2006, §3.1 and §3.2.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import lru_cache
from typing import Final, NamedTuple

from teachvm.isa.conditions import BY_MNEMONIC
from teachvm.isa.decode import MAX_LENGTH, DecodeError, Insn
from teachvm.isa.flags import STATUS
from teachvm.isa.operands import CS, DS, ES, FS, GS, SS, Creg, Dreg, Imm, Mem, Operand, Reg, Rel, Sreg
from teachvm.isa.paging import PAGE_SHIFT, PAGE_SIZE
from teachvm.isa.row import InstructionClass
from teachvm.machine.cpu import Cpu
from teachvm.machine.operation import REMEMBERED, decoded
from teachvm.vmm.addresses import Gfn, Gpa, Gva
from teachvm.vmm.deprivilege import USER_RING
from teachvm.vmm.engines.translate.fields import CONTROL, LOCAL, SELECTOR, TASK
from teachvm.vmm.engines.translate.lending import re_expressed, stands_for
from teachvm.vmm.engines.translate.modes import CodeMode
from teachvm.vmm.memory.guest import GuestMemory
from teachvm.vmm.memory.walk import look, paging_mode

MOST_INSTRUCTIONS: Final = 12
MOST_READ: Final = 1 << 10
"""Units kept in mind by their bytes."""
FLAT_LIMIT: Final = 0xFFFF_FFFF
LAST_GUEST_SLOT: Final = 0x100
"""Selectors up to here name a guest's descriptor in the real GDT, never one of the VMM's."""


class How(Enum):
    """What becomes of a guest instruction."""

    __hash__ = object.__hash__  # a member is itself and nothing else; Enum's own hash is computed in Python

    COPY = auto()
    CALLOUT = auto()
    SIMULATE = auto()
    CLI = auto()
    STI = auto()
    PUSHFD = auto()
    POPFD = auto()
    READ = auto()
    """Reads a field of the VCPU, or a selector that is known now."""
    JUMP = auto()
    BRANCH = auto()
    COUNTED = auto()
    CALL = auto()
    COMPUTED = auto()
    RETURN = auto()
    THROUGH_FS = auto()
    """Copied, but for the segment register its access is made through."""


_IN_CACHE: Final = {"CLI": How.CLI, "STI": How.STI, "PUSHFD": How.PUSHFD, "POPFD": How.POPFD}
_COUNTED: Final = frozenset(("LOOP", "LOOPE", "LOOPNE", "JECXZ"))
_TASK_READS: Final = {"STR": TASK, "SLDT": LOCAL}
_NOT_COPIED: Final = frozenset(("RDTSC", "CPUID", "INT1"))
_LOOKED_AT: Final = frozenset((*_IN_CACHE, *_TASK_READS, *_NOT_COPIED, "SMSW"))
"""Instructions of which more has to be known than that they are innocuous."""
_CONSTANTS: Final = ("MOV", "XOR")
"""Instructions that may leave a constant in a register."""
_PURE: Final = frozenset(
    (
        *("MOV", "XOR", "AND", "OR", "ADD", "SUB", "CMP", "TEST", "NEG", "NOT", "LEA", "NOP", "MOVZX", "MOVSX"),
        *("BSWAP", "CLD", "STD", "CDQ", "CWDE", "XCHG", "INC", "DEC"),
    )
)
"""Instructions that cannot fault as long as they touch no memory."""


class Plan(NamedTuple):
    """What is to become of an instruction; see `Planned`."""

    how: How
    target: int = 0
    field: int | None = None
    value: int = 0


_COPY: Final = Plan(How.COPY)


@dataclass(frozen=True, slots=True)
class Planned:
    """One guest instruction of a unit, and what is to become of it.

    Attributes:
        eip: Where it stands.
        code: Its bytes; of one that lies across a page edge, those in its first page.
        insn: Decoded; None if it is none, or not whole in its page.
        how: What becomes of it.
        target: Where a direct transfer leads.
        field: For `READ`: offset of the field to read, or None.
        value: For `READ`: the value itself, where it is known now.
        dead: Status flags are defined again behind it before anybody can look.
        after_sti: The instruction before it is STI.
    """

    eip: int
    code: bytes
    insn: Insn | None
    how: How
    target: int = 0
    field: int | None = None
    value: int = 0
    dead: bool = False
    after_sti: bool = False

    @property
    def end(self) -> int:
        """EIP behind it."""
        return self.eip + len(self.code) & 0xFFFF_FFFF

    @property
    def told(self) -> tuple[object, ...]:
        """All of it in little; what it is decoded to is told by its bytes."""
        return self.eip, self.code, self.how, self.target, self.field, self.value, self.dead, self.after_sti


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of guest code.

    Attributes:
        linear: gVA of its first byte.
        gpa: Guest-physical address of it.
        instructions: At least one.
    """

    linear: Gva
    gpa: Gpa
    instructions: tuple[Planned, ...]

    @property
    def size(self) -> int:
        """Bytes of guest code."""
        return sum(len(each.code) for each in self.instructions)


def locate(cpu: Cpu, memory: GuestMemory, eip: int) -> tuple[Gva, Gpa] | None:
    """Where an instruction of the guest's lies; None if the guest cannot fetch it, or no RAM lies there."""
    code = cpu.segs[CS]
    if eip > code.limit:
        return None
    mode = paging_mode(cpu.cr0, cpu.cr3, cpu.cr4)
    linear = Gva(code.base + eip & 0xFFFF_FFFF)
    walk = look(memory.read, mode, linear)
    if walk.error(write=False, user=cpu.cpl == USER_RING, wp=mode.wp) is not None:
        return None
    return (linear, walk.gpa) if memory.is_ram(Gfn(walk.gpa >> PAGE_SHIFT)) else None


def read_unit(cpu: Cpu, memory: GuestMemory, eip: int, simulated: Collection[int]) -> Unit | None:
    """Read the unit at an EIP of the guest's; None where `locate` says so.

    Args:
        cpu: The VCPU.
        memory: The guest's.
        eip: Where it begins.
        simulated: EIPs of instructions that fault too often to be copied.
    """
    found = locate(cpu, memory, eip)
    if found is None:
        return None
    linear, gpa = found
    limit = cpu.segs[CS].limit
    room = min(PAGE_SIZE - (linear & PAGE_SIZE - 1), limit - eip + 1, MOST_INSTRUCTIONS * MAX_LENGTH)
    calls = tuple([each for each in simulated if 0 <= each - eip < room])
    return Unit(linear, gpa, _read(eip, memory.read_bytes(gpa, room), CodeMode.of(cpu), calls))


@lru_cache(maxsize=MOST_READ)
def _read(eip: int, content: bytes, mode: CodeMode, simulated: tuple[int, ...]) -> tuple[Planned, ...]:
    """What becomes of the instructions at the beginning of some bytes; worlds are executed again and ask again."""
    reader = _Reader(mode, eip, simulated)
    while len(reader.found) < MOST_INSTRUCTIONS and reader.offset < len(content) and reader.take(content):
        pass
    return tuple(reader.with_flags())


@lru_cache(maxsize=REMEMBERED)
def _plain(code: bytes) -> bool:
    """Whether an instruction is copied wherever it stands: innocuous, and no register in it that the VMM keeps."""
    insn = decoded(code, 32).insn
    if insn.row.terminator or insn.row.klass is not InstructionClass.INNOCUOUS or insn.row.mnemonic in _LOOKED_AT:
        return False
    return stands_for(insn) is None and not any(isinstance(each, Sreg | Creg | Dreg) for each in insn.operands)


class _Reader:
    """Decodes one instruction after another, and remembers what is known of registers."""

    def __init__(self, mode: CodeMode, start: int, simulated: Collection[int]) -> None:
        self.mode = mode
        self.start = start
        self.simulated = simulated
        self.found: list[Planned] = []
        self.offset = 0
        self.known: dict[int, int] = {}

    def take(self, content: bytes) -> bool:
        """Read one instruction; false if the unit ends with it, or before it."""
        eip = self.start + self.offset & 0xFFFF_FFFF
        try:
            insn = decoded(content[self.offset : self.offset + MAX_LENGTH], 32).insn
        except DecodeError:
            if not self.found:
                rest = content[self.offset : self.offset + MAX_LENGTH]
                self.found.append(Planned(eip, rest, None, How.CALLOUT))
            return False
        code = content[self.offset : self.offset + insn.length]
        after_sti = bool(self.found) and self.found[-1].how is How.STI
        last = len(self.found) == MOST_INSTRUCTIONS - 1 or self.offset + insn.length == len(content)
        self.found.append(Planned(eip, code, insn, *self._plan(eip, code, insn, last=last), after_sti=after_sti))
        self.offset += insn.length
        self._remember(insn)
        return not insn.row.terminator

    def _plan(self, eip: int, code: bytes, insn: Insn, *, last: bool) -> Plan:
        if _plain(code) and eip not in self.simulated:
            return _COPY
        mnemonic = insn.row.mnemonic
        if insn.row.terminator:
            return self._transfer(eip + len(code) & 0xFFFF_FFFF, insn)
        if eip in self.simulated:
            return Plan(How.SIMULATE)
        if stands_for(insn) is not None:
            return Plan(How.THROUGH_FS if self._copied(insn, FS) and re_expressed(insn) else How.CALLOUT)
        if mnemonic in _IN_CACHE and insn.opsize == 32 and not (mnemonic == "STI" and last):
            if mnemonic in ("CLI", "STI") and not self.mode.may_change_if:
                return Plan(How.CALLOUT)
            return Plan(_IN_CACHE[mnemonic])
        read = self._read(insn)
        if read is not None:
            return Plan(How.READ, 0, *read)
        return Plan(How.COPY if self._copied(insn) else How.CALLOUT)

    def _copied(self, insn: Insn, lent: int | None = None) -> bool:
        """Whether the hardware itself may execute an instruction, while a segment register is not the guest's."""
        moved = [each.index for each in insn.operands if isinstance(each, Sreg)]
        if insn.row.mnemonic in ("MOV", "PUSH", "POP") and moved:
            return lent not in moved and self._harmless(insn)
        return insn.row.klass is InstructionClass.INNOCUOUS and insn.row.mnemonic not in _NOT_COPIED

    def _transfer(self, following: int, insn: Insn) -> Plan:
        """A transfer of control is retargeted; what may go beyond the segment is left to the VMM."""
        mnemonic, operands = insn.row.mnemonic, insn.operands
        limit = self.mode.code.limit
        if insn.opsize != 32:
            return Plan(How.CALLOUT)
        first = operands[0] if operands else None
        if isinstance(first, Rel):
            target = following + first.displacement & 0xFFFF_FFFF
            if target > limit:
                return Plan(How.CALLOUT)
            how = {"JMP": How.JUMP, "CALL": How.CALL}.get(mnemonic)
            if how is None and (mnemonic in BY_MNEMONIC or mnemonic in _COUNTED):
                how = How.COUNTED if mnemonic in _COUNTED else How.BRANCH
            return Plan(How.CALLOUT) if how is None else Plan(how, target)
        if limit != FLAT_LIMIT:
            return Plan(How.CALLOUT)
        if mnemonic == "RET":
            return Plan(How.RETURN)
        return Plan(How.COMPUTED if mnemonic in ("JMP", "CALL") else How.CALLOUT)

    def _read(self, insn: Insn) -> tuple[int | None, int] | None:
        """What an instruction reads that the VCPU's fields have: offset of the field, or the value itself."""
        mnemonic, operands = insn.row.mnemonic, insn.operands
        if insn.opsize != 32 or not operands or not (isinstance(operands[0], Reg) or mnemonic == "PUSH"):
            return None
        source = operands[-1]
        if mnemonic in ("MOV", "PUSH") and isinstance(source, Sreg):
            if source.index == CS:
                return None, self.mode.code.selector
            return (SELECTOR[source.index], 0) if source.index in SELECTOR else None
        if mnemonic == "MOV" and isinstance(source, Creg) and not self.mode.cpl:
            return CONTROL[source.index], 0
        if mnemonic == "SMSW":
            return CONTROL[0], 0
        return (_TASK_READS[mnemonic], 0) if mnemonic in _TASK_READS else None

    def _harmless(self, insn: Insn) -> bool:
        """Whether a segment register may be stored, or loaded with a selector that is known, by the hardware itself."""
        first = insn.operands[0]
        if insn.row.mnemonic == "PUSH" or not isinstance(first, Sreg):
            source = insn.operands[-1]
            return isinstance(source, Sreg) and source.index not in (CS, SS, GS)
        if insn.row.mnemonic == "POP" or first.index not in (DS, ES, FS):
            return False
        source = insn.operands[1]
        if not isinstance(source, Reg) or source.index not in self.known:
            return False
        selector = self.known[source.index] & 0xFFFF
        # In ring 0 an RPL of 1 is refused for a descriptor of level 0, in ring 1 it is not; others are judged alike.
        return selector & 3 != 1 and selector < LAST_GUEST_SLOT

    def _remember(self, insn: Insn) -> None:
        """Keep in mind which registers hold constants, as far as it is certain."""
        mnemonic, operands = insn.row.mnemonic, insn.operands
        if not self.known and mnemonic not in _CONSTANTS:
            return
        match mnemonic, operands:
            case "MOV", (Reg(index, 32), Imm(value, _)):
                self.known[index] = value
            case "XOR", (Reg(index, 32), Reg(other, 32)) if index == other:
                self.known[index] = 0
            case (("MOV" | "PUSH"), _) if any(isinstance(each, Sreg) for each in operands):
                if isinstance(operands[0], Reg):
                    self.known.pop(operands[0].index, None)
            case (("CLI" | "STI" | "CLD" | "NOP"), _):
                pass
            case _:
                self.known.clear()

    def with_flags(self) -> list[Planned]:
        """The unit, with what look-ahead says about the flags behind each CLI."""
        return [
            replace(each, dead=True)
            if each.how is How.CLI and not self.mode.cpl and _dead(self.found[index + 1 :])
            else each
            for index, each in enumerate(self.found)
        ]


def dead_ahead(cpu: Cpu, memory: GuestMemory, eip: int) -> bool:
    """Whether the guest code at an EIP defines all status flags before anything can show them."""
    unit = read_unit(cpu, memory, eip, ())
    return unit is not None and _dead(list(unit.instructions))


def _dead(following: list[Planned]) -> bool:
    """Whether instructions define all status flags before one looks at them, or could fault and show them."""
    for each in following:
        insn = each.insn
        if insn is None or each.how is not How.COPY or insn.row.mnemonic not in _PURE:
            return False
        if insn.row.flags.tested & STATUS or not all(map(_register_only, insn.operands)):
            return False
        if insn.row.flags.written & STATUS == STATUS:
            return True
    return False


def _register_only(operand: Operand) -> bool:
    return isinstance(operand, Reg | Imm) or (isinstance(operand, Mem) and not operand.width)
