"""One instruction of a source: its operands worked out, its bytes chosen by the opcode rows.

The rows decide what an instruction may be and how long it is; here it is only settled how far a jump must
reach, and how wide a number must be whose value is an address.
"""

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from teachvm.isa.addressing import default_segment
from teachvm.isa.assembler.errors import error_at
from teachvm.isa.assembler.expressions import NO_ADDRESS, Expression, Scope, Value, evaluate, has_names
from teachvm.isa.assembler.forms import FAR, FORMS, REACHES, STRINGS
from teachvm.isa.assembler.lexer import Token
from teachvm.isa.assembler.operand_reader import SEGMENTS
from teachvm.isa.assembler.parser import REPEATS, SIZE_PREFIXES
from teachvm.isa.assembler.refusals import refused, too_large
from teachvm.isa.assembler.statements import Address, Code, FarTarget, Number, Operand, Register
from teachvm.isa.encode import OperandsError, RangeError, Request, SizeNeededError, encode
from teachvm.isa.fit import in_range
from teachvm.isa.names import SPELLINGS
from teachvm.isa.operands import Far, Imm, Mem, Rel
from teachvm.isa.operands import Operand as Bound


@lru_cache(maxsize=1 << 15)
def _encoded(word: str, operands: tuple[Bound, ...], request: Request) -> bytes:
    """The rows' bytes; the same instruction is often met again."""
    return encode(word, operands, request)


class Growth(Enum):
    """How freely a jump's length follows its distance while the layout is looked for."""

    FREE = auto()
    STICKY = auto()
    """A jump that was long stays long."""
    LONGEST = auto()
    """Every jump that may be long is."""


class Instruction:
    """An instruction to be placed; `size` in bytes as far as it is settled."""

    __slots__ = ("_branch", "_code", "_fixed", "_mnemonic", "_reach", "_request", "_wholes", "size")

    def __init__(self, code: Code) -> None:
        """Settle what needs no addresses.

        Raises:
            AsmError: The rows have no such instruction.
        """
        self._code = code
        self._mnemonic = SPELLINGS[code.word.text.upper()].mnemonic
        self._request = self._wanted()
        self._branch = self._branch_target()
        self._reach = ""
        self._wholes: dict[str, bytes] = {}
        self._fixed = b""
        if self._branch is not None:
            self._set_reach(self._first_reach(self._branch))
        else:
            if not any(_symbolic(operand) for operand in code.operands):
                self._fixed = self._encode(_NOWHERE)
            self.size = len(self._fixed)

    @property
    def token(self) -> Token:
        """The instruction's word, where errors about the whole point."""
        return self._code.word

    @property
    def is_branch(self) -> bool:
        """Whether its bytes depend on where it stands."""
        return self._branch is not None

    # --- What the source asks for ------------------------------------------------------------------------------

    def _wanted(self) -> Request:
        """Prefixes and sizes written in the source."""
        found: dict[str, Token] = {}
        for token in self._code.prefixes:
            kind = _prefix_kind(token.word)
            if kind in found:
                raise error_at(token, f"'{found[kind].text}' already stands before '{self._code.word.text}'")
            found[kind] = token
        self._check_prefixes(found)
        segment = SEGMENTS[found["segment"].word].index if "segment" in found else None
        for operand in self._code.operands:
            if isinstance(operand, Address) and operand.segment is not None:
                if segment is not None:
                    raise error_at(operand.token, "one segment is enough")
                segment = operand.segment  # written, so it stays, also where it changes nothing
        return Request(
            bits=self._code.bits,
            opsize=int(found["o"].word[1:]) if "o" in found else None,
            adsize=int(found["a"].word[1:]) if "a" in found else None,
            lock="lock" in found,
            rep=REPEATS[found["rep"].word] if "rep" in found else "",
            segment=segment,
        )

    def _check_prefixes(self, found: Mapping[str, Token]) -> None:
        """Refuse prefixes that mean nothing before this instruction."""
        word = self._code.word.text
        if "lock" in found and not any(form.row.lockable for form in FORMS[self._mnemonic]):
            raise error_at(found["lock"], f"'lock' cannot stand before '{word}'")
        if "rep" in found and self._mnemonic not in STRINGS:
            raise error_at(found["rep"], f"'{found['rep'].text}' repeats string instructions, not '{word}'")
        # A size in the word or before the target says it already.
        sized = SPELLINGS[word.upper()].opsize or REACHES[self._mnemonic] or self._mnemonic in FAR
        if "o" in found and sized:
            raise error_at(found["o"], f"'{found['o'].text}' cannot stand before '{word}'")

    def _branch_target(self) -> Number | None:
        """The operand of a relative jump, call or loop."""
        operands = self._code.operands
        if REACHES[self._mnemonic] and len(operands) == 1 and isinstance(operands[0], Number):
            return operands[0]
        for operand in operands:
            if isinstance(operand, Number) and operand.distance == "far":
                raise error_at(operand.token, "a far target has two parts", "selector:offset, as in jmp 0x08:start")
            if isinstance(operand, Number) and operand.distance:
                raise error_at(operand.token, f"'{self._code.word.text}' has no {operand.distance} form")
        return None

    # --- Branches ----------------------------------------------------------------------------------------------

    def _first_reach(self, target: Number) -> str:
        reaches = REACHES[self._mnemonic]
        if target.width not in (0, 16, 32):
            raise error_at(target.token, f"'{self._code.word.text}' takes no {target.width}-bit target")
        if target.distance == "far":
            raise error_at(target.token, "a far target has two parts", "selector:offset, as in jmp 0x08:start")
        if target.distance:
            if target.distance not in reaches:
                raise error_at(target.token, f"'{self._code.word.text}' has no {target.distance} form")
            return target.distance
        return reaches[0]

    def _set_reach(self, reach: str) -> None:
        if reach not in self._wholes:
            request = replace(self._request, reach=reach, opsize=self._branch_opsize())
            self._wholes[reach] = _encoded(self._code.word.text, (Rel(0),), request)
        whole = self._wholes[reach]
        self._reach, self.size = reach, len(whole)
        self._fixed = whole[: -1 if reach == "short" else -(self._branch_opsize() // 8)]

    def _distance(self, scope: Scope, address: int) -> int:
        """From the end of the instruction to its target, as EIP counts."""
        branch = self._branch
        target = 0 if branch is None else self._number(branch.value, scope, branch.token)
        opsize = self._branch_opsize()
        distance = (target - address - self.size) % (1 << opsize)
        return distance - (1 << opsize) if distance >> opsize - 1 else distance

    def _branch_opsize(self) -> int:
        """Width of the target: as written before it, else that of the code."""
        written = self._branch.width if self._branch is not None else 0
        return written or self._request.opsize or self._request.bits

    def _reaches(self, distance: int) -> bool:
        return self._reach == "near" or -128 <= distance <= 127

    # --- Placing -----------------------------------------------------------------------------------------------

    def settle(self, scope: Scope, address: int, growth: Growth) -> None:
        """Adjust `size` to the values names have now.

        Raises:
            AsmError: A value does not fit.
            UndefinedError: A name has no value.
        """
        if self._branch is None:
            if not self._fixed:
                self.size = len(self._encode(scope))
        elif not self._branch.distance and len(REACHES[self._mnemonic]) > 1:
            near = growth is Growth.LONGEST or (growth is Growth.STICKY and self._reach == "near")
            # A plain number is an address somewhere else, as for NASM: never assumed to be close.
            near = near or not evaluate(self._branch.value, scope).addresses
            if self._reach == "near" and not near:
                self._set_reach("short")
            if self._reach == "short" and (near or not self._reaches(self._distance(scope, address))):
                self._set_reach("near")

    def encoded(self, scope: Scope, address: int) -> bytes:
        """The bytes at `address`.

        Raises:
            AsmError: A value does not fit.
            UndefinedError: A name has no value.
        """
        if self._branch is None:
            return self._fixed or self._encode(scope)
        distance = self._distance(scope, address)
        if not self._reaches(distance):
            far = f"the target is {abs(distance)} bytes {'behind' if distance < 0 else 'ahead'}"
            raise error_at(
                self._branch.token, f"{far}, and '{self._code.word.text}' reaches 128", "jump to a jmp there"
            )
        return self._fixed + distance.to_bytes(self.size - len(self._fixed), "little", signed=True)

    def _encode(self, scope: Scope) -> bytes:
        """Bytes of anything but a relative branch."""
        code = self._code
        request, word = self._request, code.word.text
        bound: list[Bound] = []
        for operand in code.operands:
            value, wide_constant, wide_disp = self._bound(operand, scope)
            bound.append(value)
            if wide_constant or wide_disp:
                request = replace(request, wide=request.wide or wide_constant, wide_disp=request.wide_disp or wide_disp)
        if any(isinstance(o, FarTarget) or (isinstance(o, Address) and o.far) for o in code.operands):
            word = self._far_word()
            request = self._far_request(request)
        try:
            return _encoded(word, tuple(bound), request)
        except SizeNeededError:
            memory = next((o.token for o in code.operands if isinstance(o, Address)), code.word)
            raise error_at(
                memory, "the size of this memory operand is not known", "write byte, word or dword"
            ) from None
        except RangeError:
            raise too_large(code, self._mnemonic, bound, request) from None
        except OperandsError:
            raise refused(code, self._mnemonic, bound) from None

    def _far_word(self) -> str:
        word = FAR.get(self._mnemonic)
        if word is None:
            far = next(o.token for o in self._code.operands if isinstance(o, FarTarget | Address))
            raise error_at(far, f"'{self._code.word.text}' takes no far pointer")
        return word

    def _far_request(self, request: Request) -> Request:
        """A size before a far target is that of its offset."""
        for operand in self._code.operands:
            if isinstance(operand, FarTarget) and operand.width:
                return replace(request, opsize=operand.width)
        return request

    # --- Operands ----------------------------------------------------------------------------------------------

    def _number(self, node: Expression, scope: Scope, token: Token) -> int:
        return self._value(node, scope, token).number

    def _value(self, node: Expression, scope: Scope, token: Token) -> Value:
        value = evaluate(node, scope)
        if value.addresses not in (0, 1):
            raise error_at(token, NO_ADDRESS)
        return value

    def _bound(self, operand: Operand, scope: Scope) -> tuple[Bound, bool, bool]:
        """An operand with its value, and whether its constant or its displacement must have full width.

        An address takes full width whatever its value: it changes when the program is placed elsewhere.
        """
        match operand:
            case Register(register):
                return register, False, False
            case Number(node, token, width):
                value = self._value(node, scope, token)
                return Imm(value.number, width), value.addresses == 1, False
            case FarTarget(selector, offset, token):
                return (
                    Far(self._number(selector, scope, token), self._number(offset, scope, token)),
                    False,
                    False,
                )
            case Address():
                disp = Value(0) if operand.disp is None else self._value(operand.disp, scope, operand.token)
                if not in_range(disp.number, operand.adsize):
                    raise error_at(operand.token, f"{disp.number:#x} does not fit in {operand.adsize} bits")
                segment = default_segment(operand.base) if operand.segment is None else operand.segment
                width = operand.width
                if operand.far and width:
                    width += 16  # the size written is the offset's; a selector follows it
                mem = Mem(segment, operand.base, operand.index, operand.scale, disp.number, width, operand.adsize)
                return mem, False, disp.addresses == 1


def _prefix_kind(word: str) -> str:
    """Prefixes of one kind cannot stand together."""
    if word == "lock":
        return word
    if word in REPEATS:
        return "rep"
    return word[0] if word in SIZE_PREFIXES else "segment"


def _symbolic(operand: Operand) -> bool:
    """Whether the operand's value can change as addresses do."""
    match operand:
        case Register():
            return False
        case Number(node):
            return has_names(node)
        case FarTarget(selector, offset):
            return has_names(selector) or has_names(offset)
        case Address():
            return operand.disp is not None and has_names(operand.disp)


_NOWHERE: Final = Scope(lambda _: None, None, None)
