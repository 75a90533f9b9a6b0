"""The opcode map as data: complete, unambiguous, and classed as the literature and measurements say."""

import re
from pathlib import Path

import pytest

from teachvm.isa.decode import PREFIXES
from teachvm.isa.flags import KNOWN, STATUS, UNDEFINED_BY_COUNT
from teachvm.isa.pattern import OpcodeMap, Pattern
from teachvm.isa.row import WORD_NAMES, InstructionClass, Row
from teachvm.isa.rows import MNEMONICS, OPCODE_MAP, PATTERNS, ROWS
from teachvm.isa.rows.absent import ABSENT

RINGS = Path("../shared/facts/oracle/rings/out_pentium.txt")

# SDM Vol. 2A, LOCK: the instructions that may carry it.
LOCKABLE = {
    *("ADC", "ADD", "AND", "BTC", "BTR", "BTS", "CMPXCHG", "CMPXCHG8B", "DEC", "INC", "NEG", "NOT", "OR", "SBB", "SUB"),
    *("XADD", "XCHG", "XOR"),
}
# SDM Vol. 3A, §5.9, without what the processor does not have.
PRIVILEGED = {"LGDT", "LIDT", "LLDT", "LTR", "LMSW", "CLTS", "HLT", "INVD", "WBINVD", "INVLPG", "RDMSR", "WRMSR"}
IOPL_SENSITIVE = {"CLI", "STI", "IN", "OUT", "INSB", "INSD", "OUTSB", "OUTSD"}
# Robin & Irvine's entries that are a mnemonic of their own; MOV, PUSH, POP, CALL, JMP, RET, INT count by form.
ROBIN_IRVINE = {"SGDT", "SIDT", "SLDT", "SMSW", "PUSHFD", "POPFD", "LAR", "LSL", "VERR", "VERW", "STR"}


def row_of(syntax: str) -> Row:
    return next(row for row in ROWS if row.syntax == syntax)


def test_no_two_rows_claim_one_opcode() -> None:
    with pytest.raises(ValueError, match="already means ADD Eb,Gb"):
        OpcodeMap((*PATTERNS, Pattern.of(Row("00 /r", "MOV Eb,Gb"))))


def test_a_group_slot_can_be_claimed_once_only() -> None:
    with pytest.raises(ValueError, match="already means NOT Eb"):
        OpcodeMap((*PATTERNS, Pattern.of(Row("F6 /2", "NEG Eb"))))


def test_an_opcode_with_modrm_and_one_without_cannot_share() -> None:
    with pytest.raises(ValueError, match="already means"):
        OpcodeMap((Pattern.of(Row("90 /r", "MOV Eb,Gb")), Pattern.of(Row("90", "NOP"))))


@pytest.mark.parametrize("encoding", ["01 /r xx", "01 rr"])
def test_a_word_outside_the_notation_is_refused(encoding: str) -> None:
    with pytest.raises(ValueError, match="notation"):
        Pattern.of(Row(encoding, "ADD Eb,Gb"))


def test_an_operand_outside_the_notation_is_refused() -> None:
    with pytest.raises(ValueError, match="Q"):
        Pattern.of(Row("01 /r", "ADD Qb,Gb"))


def slots(opcode: int) -> set[int]:
    """ModRM slots with a meaning at an opcode; all of them for one without ModRM."""
    if OPCODE_MAP.plain(opcode):
        return set(range(16))
    return {slot for slot, pattern in enumerate(OPCODE_MAP.grouped(opcode) or ()) if pattern}


def test_every_opcode_is_a_row_or_listed_as_absent_and_never_both() -> None:
    absent: dict[int, set[int]] = {}
    for group in ABSENT:
        for opcode in group.opcodes:
            assert not absent.get(opcode, set()) & group.slots, f"{opcode:#x} is listed twice"
            absent.setdefault(opcode, set()).update(group.slots)
    one_byte = [opcode for opcode in range(256) if opcode not in PREFIXES and opcode != 0x0F]
    two_byte = [0x0F00 | opcode for opcode in range(256)]
    for opcode in (*one_byte, *two_byte):
        meant, missing = slots(opcode), absent.get(opcode, set())
        assert not meant & missing, f"{opcode:#x} has rows and is listed as absent"
        assert meant | missing == set(range(16)), f"{opcode:#x} has neither a row nor a reason"


def test_every_absence_says_what_and_why() -> None:
    for group in ABSENT:
        assert group.what
        assert group.why
        assert group.opcodes


def test_the_lockable_instructions_are_those_of_the_manual() -> None:
    assert {row.mnemonic for row in ROWS if row.lockable} == LOCKABLE


def test_a_lockable_row_writes_its_first_operand() -> None:
    for pattern in PATTERNS:
        if pattern.row.lockable:
            assert pattern.memory
            assert pattern.operands[0].kind.value in "EM"


@pytest.mark.parametrize("mnemonic", sorted(PRIVILEGED))
def test_a_privileged_instruction_is_classed_privileged(mnemonic: str) -> None:
    assert {row.klass for row in ROWS if row.mnemonic == mnemonic} == {InstructionClass.PRIVILEGED}


def test_moves_of_control_and_debug_registers_are_privileged() -> None:
    moves = [row for row in ROWS if row.mnemonic == "MOV" and re.search(r"CR\d|Dd", row.syntax)]
    assert len(moves) == 10
    assert {row.klass for row in moves} == {InstructionClass.PRIVILEGED}


def test_privileged_rows_are_exactly_those() -> None:
    found = {row.mnemonic for row in ROWS if row.klass is InstructionClass.PRIVILEGED}
    assert found == PRIVILEGED | {"MOV"}


def test_iopl_sensitive_rows_are_the_interrupt_flag_and_port_instructions() -> None:
    assert {row.mnemonic for row in ROWS if row.klass is InstructionClass.IOPL_SENSITIVE} == IOPL_SENSITIVE


@pytest.mark.parametrize("mnemonic", sorted(ROBIN_IRVINE))
def test_a_robin_irvine_instruction_is_sensitive_and_unprivileged(mnemonic: str) -> None:
    rows = [row for row in ROWS if row.mnemonic == mnemonic]
    assert {row.klass for row in rows} == {InstructionClass.SENSITIVE_UNPRIVILEGED}
    assert {row.source for row in rows} == {"Robin & Irvine 2000"}


@pytest.mark.parametrize(
    "syntax",
    [
        *("MOV Rv/Mw,CS", "MOV Rv/Mw,SS", "MOV DS,Ew", "MOV SS,Ew", "PUSH CS", "PUSH SS", "POP DS", "POP SS"),
        *("CALLF Ap", "CALLF Mp", "JMPF Ap", "JMPF Mp", "RETF", "RETF Iw", "INT Ib", "IRETD", "LES Gv,Mp"),
    ],
)
def test_what_refers_to_the_protection_system_is_sensitive(syntax: str) -> None:
    assert row_of(syntax).klass is InstructionClass.SENSITIVE_UNPRIVILEGED


@pytest.mark.parametrize(
    "syntax",
    ["MOV Rv/Mw,DS", "PUSH DS", "PUSH Zv", "CALL Jz", "JMP Ev", "RET", "LEAVE", "CPUID", "RDTSC", "ARPL Ew,Gw"],
)
def test_what_shows_no_privileged_state_is_innocuous(syntax: str) -> None:
    assert row_of(syntax).klass is InstructionClass.INNOCUOUS


def test_every_class_but_innocuous_gives_its_reason_and_source() -> None:
    for row in ROWS:
        if row.klass is not InstructionClass.INNOCUOUS:
            assert row.reason.endswith(".")
            assert row.source


MEASURED = {
    "SGDT": "SGDT Ms",
    "SIDT": "SIDT Ms",
    "SLDT": "SLDT Rv/Mw",
    "STR": "STR Rv/Mw",
    "SMSW": "SMSW Rv/Mw",
    "LAR ring0 data": "LAR Gv,Ew",
    "LSL ring0 data": "LSL Gv,Ew",
    "VERR ring0 data": "VERR Ew",
    "VERW ring0 data": "VERW Ew",
    "MOV eax,cs": "MOV Rv/Mw,CS",
    "MOV eax,ss": "MOV Rv/Mw,SS",
    "PUSH cs": "PUSH CS",
    "PUSHF(real IF=1)": "PUSHFD",
    "POPF clear IF (from IF=1)": "POPFD",
    "IRET same ring set IF": "IRETD",
    "CLI iopl0": "CLI",
    "STI iopl0": "STI",
    "HLT": "HLT",
    "IN al,0x60 iopl0": "IN AL,Ib",
    "OUT 0x80 iopl0": "OUT Ib,AL",
    "INSB iopl0": "INSB Yb,DX",
    "LGDT": "LGDT Ms",
    "LIDT": "LIDT Ms",
    "LLDT": "LLDT Ew",
    "LTR": "LTR Ew",
    "LMSW": "LMSW Ew",
    "CLTS": "CLTS",
    "MOV eax,cr0": "MOV Rd,CR0",
    "MOV cr0,eax": "MOV CR0,Rd",
    "MOV eax,cr2": "MOV Rd,CR2",
    "MOV eax,cr3": "MOV Rd,CR3",
    "MOV eax,cr4": "MOV Rd,CR4",
    "MOV eax,dr7": "MOV Rd,Dd",
    "MOV dr0,eax": "MOV Dd,Rd",
    "INVD": "INVD",
    "WBINVD": "WBINVD",
    "INVLPG": "INVLPG M",
    "RDMSR(0x10)": "RDMSR",
    "WRMSR(0x10)": "WRMSR",
    "RDTSC tsd=0": "RDTSC",
    "CPUID": "CPUID",
    "ARPL": "ARPL Ew,Gw",
}


def test_classes_agree_with_what_was_measured_in_ring_three() -> None:
    """#GP(0) in ring 3 is what PRIVILEGED and IOPL_SENSITIVE say; silence is what the other two say."""
    if not RINGS.exists():
        pytest.skip("the measured ring table is not at ../shared")
    outcome = {}
    for line in RINGS.read_text().splitlines():
        parts = line.split("|")
        if len(parts) == 3 and parts[1] == "r3":
            outcome[parts[0]] = parts[2].split()[0]
    traps = {InstructionClass.PRIVILEGED, InstructionClass.IOPL_SENSITIVE}
    for name, syntax in MEASURED.items():
        assert (outcome[name] == "#GP(0x00000000)") == (row_of(syntax).klass in traps), name
        assert outcome[name] in ("ok", "#GP(0x00000000)"), name


def test_undefined_flags_are_among_the_written_ones() -> None:
    for row in ROWS:
        undefined = row.flags.undefined
        if isinstance(undefined, str):
            assert undefined in UNDEFINED_BY_COUNT
        else:
            assert undefined & ~row.flags.written == 0, row.syntax
        assert (row.flags.written | row.flags.tested) & ~KNOWN == 0


@pytest.mark.parametrize(
    ("syntax", "count", "width", "undefined"),
    [
        ("SHL Ev,Ib", 0, 32, ""),
        ("SHL Ev,1", 1, 32, "AF"),
        ("SHR Ev,Ib", 2, 32, "AF OF"),
        ("SHL Eb,CL", 8, 8, "CF AF OF"),
        ("ROL Ev,CL", 1, 16, ""),
        ("RCR Ev,CL", 3, 16, "OF"),
        ("SHLD Ev,Gv,Ib", 17, 16, "CF PF AF ZF SF OF"),
        ("SHLD Ev,Gv,Ib", 16, 16, "AF OF"),
        ("MUL Ev", 0, 32, "PF AF ZF SF"),
        ("AND Ev,Gv", 0, 32, "AF"),
    ],
)
def test_undefined_flags_follow_the_shift_count(syntax: str, count: int, width: int, undefined: str) -> None:
    from teachvm.isa.flags import names

    assert " ".join(names(row_of(syntax).flags.undefined_mask(count, width))) == undefined


@pytest.mark.parametrize("mnemonic", ["MOV", "LEA", "NOT", "PUSH", "XCHG", "MOVZX", "CMOVE", "SETE", "JE", "LODSD"])
def test_moves_and_jumps_write_no_flag(mnemonic: str) -> None:
    for row in ROWS:
        if row.mnemonic == mnemonic and row.klass is not InstructionClass.PRIVILEGED:
            assert row.flags.written == 0, row.syntax


def test_inc_and_dec_keep_the_carry() -> None:
    for row in ROWS:
        if row.mnemonic in ("INC", "DEC"):
            assert row.flags.written == STATUS & ~1


def test_terminators_are_control_transfers_and_halts() -> None:
    expected = {name for name in MNEMONICS if name.startswith(("J", "LOOP"))}
    expected |= {"CALL", "CALLF", "RET", "RETF", "INT", "INT1", "INT3", "INTO", "IRETD", "HLT", "UD2"}
    assert {row.mnemonic for row in ROWS if row.terminator} == expected


def test_names_with_a_size_are_those_of_rows() -> None:
    assert set(WORD_NAMES) <= MNEMONICS
    assert row_of("PUSHFD").name(16) == "PUSHFW"
    assert row_of("JECXZ Jb").name(32, 16) == "JCXZ"


def test_intercepts_are_names_of_vt_x_exit_reasons() -> None:
    known = {
        *("CPUID", "HLT", "INVD", "INVLPG", "RDTSC", "CR_ACCESS", "DR_ACCESS", "IO_INSTRUCTION", "MSR_READ"),
        *("MSR_WRITE", "GDTR_IDTR", "LDTR_TR", "WBINVD"),
    }
    assert {row.intercept for row in ROWS} == known | {None}


def test_every_class_has_words_for_people() -> None:
    for klass in InstructionClass:
        assert klass.label
        assert klass.explanation.endswith(".")
    assert len({klass.badge for klass in InstructionClass}) == 4
