"""The expression language: total, checked before it runs, unable to reach Python."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachvm.lesson.expressions import Expression, ExpressionError, Known, NoValueError, compile_expression
from teachvm.lesson.names import FIELD, FUNCTIONS, NAMES, RECORDS, RESERVED, SCALARS
from teachvm.lesson.scope import Record, Scalar, Value

KNOWN = Known(
    vms=("alpha", "beta"),
    labels={"alpha": frozenset({"sched_lock", "idle"}), "alpha:hello": frozenset({"start"})},
    processes=frozenset({"hello"}),
    reasons=frozenset({"cli", "sti"}),
    local={"va": "int"},
)


class _Scope:
    """A handful of values; not a machine."""

    def name(self, name: str) -> Value:
        flags = Record("flags", {"IF": lambda: 1, "IOPL": lambda: 0})
        cpu = Record("cpu", {"flags": lambda: flags, "cpl": lambda: 1, "cr3": lambda: 0x1000})
        values: dict[str, Value] = {
            "cpu": cpu,
            "flags": flags,
            "cycles": 500,
            "running": "kernel",
            "stopped": False,
            "alpha": Record("vm", {"vcpu": lambda: cpu, "console": lambda: "A1 B1\n"}),
        }
        return values[name]

    def call(self, function: str, positional: Sequence[Scalar], named: Mapping[str, Scalar]) -> Value:
        if function == "walk":
            return Record("walk", {"pte": lambda: None, "present": lambda: False, "directory": lambda: 32})
        return 3


def _compiled(text: str) -> tuple[Expression | None, int]:
    try:
        return compile_expression(text, KNOWN), 0
    except ExpressionError as error:
        return None, error.offset


def _value(text: str) -> Value:
    return compile_expression(text, KNOWN).value(_Scope(), {"va": 0x8048000})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("cpu.flags.IF == 1", True),
        ("flags.IF == 1 and not stopped", True),
        ("alpha.vcpu.cpl != cpu.cpl", False),
        ("'B1' in alpha.console", True),
        ("'C' not in alpha.console", True),
        ("running in ('kernel', 'vmm')", True),
        ("running == 'program'", False),
        ("cpu.cpl in [0, 3]", False),
        ("1 < cpu.cpl + 1 < 3", True),
        ("count('trap', reason='cli', vm='alpha') * 2", 6),
        ("cpu.cr3 + 4 * (va >> 22)", 0x1080),
        ("va & 0xfff | 1", 1),
        ("-cycles // 7 % 5", 3),
        ("~0 & 0xff ^ 1", 0xFE),
        ("1 if stopped else 2", 2),
        ("'yes' if true else 'no'", "yes"),
        ("walk(va).directory", 32),
        ("walk(va).pte.frame == none", True),
        ("walk(va).pte.present", None),
        ("not walk(va).pte.present", True),
        ("walk(va).present or cycles", 500),
        ("  cycles", 500),
        ("1 << 63", 1 << 63),
    ],
)
def test_an_expression_has_the_value_its_words_say(text: str, value: Value) -> None:
    assert _value(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("walk(va).pte.frame > 3", "a part of it has no value now"),
        ("walk(va).pte.frame + 3", "a part of it has no value now"),
        ("cycles // 0", "division by zero"),
        ("cycles << 99", "a shift by 99 bits"),
        ("(1 << 63) * 4", "the number grows beyond 64 bits"),
    ],
)
def test_what_has_no_value_says_so_and_is_not_true(text: str, message: str) -> None:
    expression = compile_expression(text, KNOWN)
    with pytest.raises(NoValueError, match=f"^{message}$"):
        expression.value(_Scope(), {"va": 0})
    assert not expression.holds(_Scope(), {"va": 0})


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("", 0, "the expression is empty"),
        ("cycels > 3", 0, "unknown name 'cycels'; did you mean 'cycles'?"),
        ("1 + alhpa.vcpu.cpl", 4, "unknown name 'alhpa'; did you mean 'alpha'?"),
        ("alpha.vcpu.flags.IFF", 17, "'alpha.vcpu.flags' has no field 'IFF'; did you mean 'IF'?"),
        ("alpha.__class__", 6, "'alpha' has no field '__class__'"),
        ("cycles.real", 0, "'cycles' has no fields"),
        ("cuont('trap')", 0, "unknown function 'cuont'; did you mean 'count'?"),
        ("count('trp')", 6, "unknown milestone 'trp'; did you mean 'trap'?"),
        ("count('trap', vn='a')", 14, "no argument 'vn'; did you mean 'vm'?: count(milestone, reason=, vm=, recent=)"),
        ("count('trap', vm='gamma')", 17, "unknown vm 'gamma'; there is alpha, beta or host"),
        ("walk(va, vm='alpha', vm='beta')", 21, "argument 'vm' is given twice: walk(linear, vm=)"),
        ("count('trap', 'cli')", 14, "too many arguments: count(milestone, reason=, vm=, recent=)"),
        ("count()", 0, "argument 'milestone' is missing: count(milestone, reason=, vm=, recent=)"),
        ("at('sched_lok')", 3, "unknown label 'sched_lok'; did you mean 'sched_lock'?"),
        ("label('start', process='helo')", 23, "unknown process 'helo'; did you mean 'hello'?"),
        ("at(sched_lock)", 3, "argument 'label' is a word in quotes"),
        ("walk", 0, "walk is a function: walk(linear, vm=)"),
        ("walk('x').present", 5, "'x' is not a number"),
        ("cpu.gdtr", 0, "'cpu.gdtr' has fields; name one of them: base, limit"),
        ("cpu.flags.IF = 1", 13, "write '==' to compare; '=' only names an argument"),
        ("stopped && cycles", 8, "write 'and' instead of '&&'"),
        ("stopped || cycles", 8, "write 'or' instead of '||'"),
        ("running > 'a'", 0, "texts have no order; use == or in"),
        ("running == 3", 0, "'running' and '3' are of different kinds"),
        ("3 in running", 0, "only a text can be 'in' a text, and '3' is not one"),
        ("3 in cycles", 5, "'in' needs a text or a list, and 'cycles' is neither"),
        ("running + 'x'", 0, "'running' is not a number"),
        ("2 ** 9", 0, "powers cannot be used; write 1 << n for a power of two"),
        ("4 / 2", 0, "write // for a division; there are only whole numbers"),
        ("1.5", 0, "only whole numbers, texts, true, false and none can be written out"),
        ("(1, 2)", 0, "a list can only stand after 'in'"),
        ("[x for x in cycles]", 0, "a comprehension cannot be used in a lesson's expression"),
        ("lambda: 1", 0, "lambda cannot be used in a lesson's expression"),
        ("f'{cycles}'", 0, "an f-string cannot be used in a lesson's expression"),
        ("cpu[0]", 0, "an index in brackets cannot be used in a lesson's expression"),
        ("__import__('os').system('x')", 0, "only the functions of the names table can be called"),
        ("().__class__.__bases__", 0, "'()' has no fields"),
        ("open('/etc/passwd')", 0, "unknown function 'open'; did you mean 'moment'?"),
        ("cycles\n> 3", 0, "an expression stands on one line"),
        ("-" * 60 + "1", 24, "the expression is nested too deeply"),
        ("1 " * 300, 400, "the expression is longer than 400 characters"),
        ("'" + "x" * 300 + "' == running", 0, "a text of more than 200 characters"),
    ],
)  # fmt: skip
def test_what_is_not_in_the_language_is_refused_where_it_stands(text: str, offset: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text, KNOWN)
    assert (caught.value.message, caught.value.offset) == (message, offset)


_ATOMS = [
    "cpu",
    "alpha",
    "cycles",
    "walk",
    "va",
    "'x'",
    "0",
    "9",
    "9" * 25,
    "running",
    "__class__",
    "IF",
    "none",
    "true",
]
_MARKS = [
    ".",
    "(",
    ")",
    ",",
    " and ",
    " in ",
    "==",
    "<",
    "+",
    "<<",
    "**",
    "not ",
    "[",
    "]",
    "=",
    " if ",
    " else ",
    "~",
    ":",
    "\\",
]


@given(st.lists(st.sampled_from(_ATOMS + _MARKS), max_size=14).map("".join) | st.text(max_size=40))
def test_any_text_is_an_expression_with_a_value_or_is_refused(text: str) -> None:
    expression, offset = _compiled(text)
    if expression is None:
        assert 0 <= offset <= len(text)
        return
    try:
        value = expression.value(_Scope(), {"va": 1})
    except (NoValueError, KeyError):  # KeyError: this small scope knows few of the names
        return
    assert value is None or isinstance(value, int | str)


def test_every_kind_in_the_tables_is_a_scalar_or_a_record() -> None:
    kinds = (
        {f.kind for fields in RECORDS.values() for f in fields} | {n.kind for n in NAMES} | {f.kind for f in FUNCTIONS}
    )
    assert kinds <= {*SCALARS, *RECORDS}
    assert set(FIELD) == set(RECORDS)


def test_no_vm_can_take_the_name_of_something_else() -> None:
    assert {"cpu", "flags", "walk", "host", "true", "count"} <= RESERVED
