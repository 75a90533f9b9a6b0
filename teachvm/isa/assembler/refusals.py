"""Why the opcode rows have no bytes for an instruction, in words for the author of the source."""

from collections.abc import Sequence
from typing import Final

from teachvm.isa.assembler.errors import AsmError, error_at
from teachvm.isa.assembler.expressions import shown
from teachvm.isa.assembler.forms import FORMS, OF_ONE_WIDTH, STRINGS
from teachvm.isa.assembler.statements import Code, FarTarget
from teachvm.isa.encode import Request
from teachvm.isa.fit import in_range
from teachvm.isa.operands import Far, Imm, Mem, Operand, Reg, Rel
from teachvm.isa.pattern import Kind

_AS_WIDE_AS_THE_OTHERS: Final = frozenset(("z", "v", "bs"))


def too_large(code: Code, mnemonic: str, bound: Sequence[Operand], request: Request) -> AsmError:
    """Which constant does not fit, and in how many bits."""
    for operand in code.operands:
        if isinstance(operand, FarTarget):
            size = operand.width or request.opsize or request.bits
            return error_at(operand.token, f"a far target is 16 bits : {size} bits, and this does not fit")
    width = next((one.width for one in bound if isinstance(one, Reg | Mem) and one.width), request.bits)
    constants = [
        (operand, value.value, value.width or _constant_bits(mnemonic, len(bound), index, width))
        for index, (operand, value) in enumerate(zip(code.operands, bound, strict=True))
        if isinstance(value, Imm)
    ]
    for operand, value, bits in constants:
        if not in_range(value, bits):
            return error_at(operand.token, f"{shown(value)} does not fit in {bits} bits")
    # Every one fits as it is written, so it is a byte that the instruction extends with its sign.
    operand, value, bits = constants[-1]
    return error_at(operand.token, f"{shown(value)} does not fit in {bits} signed bits")


def _constant_bits(mnemonic: str, count: int, index: int, width: int) -> int:
    """Bits the widest form of an instruction has for a constant in that place."""
    codes = [form.operands[index] for form in FORMS[mnemonic] if len(form.operands) == count]
    sizes = {code.size for code in codes if code.kind is Kind.I}
    if sizes & _AS_WIDE_AS_THE_OTHERS:
        return width
    return 16 if "w" in sizes else 8


def refused(code: Code, mnemonic: str, bound: Sequence[Operand]) -> AsmError:
    """Why no row takes these operands."""
    word = code.word
    counts = sorted({len(form.operands) for form in FORMS[mnemonic] if not form.row.alias})
    if mnemonic in STRINGS:
        counts = [0]
    if len(bound) not in counts:
        takes = "no" if counts == [0] else " or ".join(map(str, counts))
        plural, are = "" if counts[-1] == 1 else "s", "is" if len(bound) == 1 else "are"
        return error_at(word, f"'{word.text}' takes {takes} operand{plural}, and {len(bound)} {are} given")
    lock = next((token for token in code.prefixes if token.word == "lock"), None)
    if lock is not None:
        return error_at(lock, f"'lock' needs '{word.text}' to change memory")
    widths = {one.width for one in bound if isinstance(one, Reg | Mem) and one.width}
    if [type(one) for one in bound] == [Mem, Mem]:
        return error_at(word, f"'{word.text}' cannot take two memory operands", "load one into a register first")
    if len(widths) > 1 and mnemonic in OF_ONE_WIDTH:
        sizes = " and ".join(f"{size} bits" for size in sorted(widths))
        hint = "movzx and movsx widen" if mnemonic == "MOV" else ""
        return error_at(word, f"'{word.text}' cannot mix operands of {sizes}", hint)
    shapes = ", ".join(_shape(value) for value in bound)
    return error_at(word, f"'{word.text}' has no form for: {shapes}")


def _shape(operand: Operand) -> str:
    """An operand by its kind, for a message."""
    if isinstance(operand, Mem):
        return "memory"
    if isinstance(operand, Imm):
        return "a number"
    return "a far target" if isinstance(operand, Far | Rel) else operand.name
