"""Every mistake is told with file, line, column and what to write instead; the words are part of the design."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from teachvm.isa import assembler
from teachvm.isa.assembler import AsmError, ResolveError, assemble, limits
from teachvm.isa.assembler.errors import did_you_mean
from tests.isa.assembler import golden


class Files:
    """A resolver that knows the few files the mistakes include."""

    def __init__(self) -> None:
        self.known = {
            "bad.inc": b" mvo eax, 1\n",
            "self.inc": b'%include "self.inc"\n',
            "bin": b"12345",
            "latin": b"\xff\xfe\xe9",
        }

    def read(self, name: str, limit: int) -> bytes:
        if name not in self.known:
            raise ResolveError(f"there is no file '{name}' beside this source")
        return self.known[name][:limit]


def _mistakes() -> Iterator[tuple[str, tuple[str, ...]]]:
    text = (golden.FOLDER / "mistakes.txt").read_text("utf-8")
    for block in text.split("\n\n")[1:]:
        rows = block.strip("\n").split("\n")
        yield (
            "\n".join(row for row in rows if not row.startswith("=> ")),
            tuple(row.removeprefix("=> ") for row in rows if row.startswith("=> ")),
        )
    yield "x" * 2001, ("1:2001: this line is longer than 2000 characters",)
    yield " " + "x" * 129, ("1:2: this word is longer than 128 characters",)
    yield " mov eax, \0", ("1:11: unexpected character '\\x00'",)
    yield " mov eax, " + "(" * 70, ("1:76: this expression is nested too deeply",)
    yield " dd x" + " + x" * 70, ("1:263: this expression is too long, give a part of it a name with equ",)
    doubling = "".join(f"%define w{i} w{i + 1} w{i + 1}\n" for i in range(14))
    yield doubling + " db w0", ("15:5: this line expands to more than 4096 words",)
    nesting = "".join(f"%define w{i} w{i + 1}\n" for i in range(40))
    yield nesting + " db w0", ("41:5: %define 'w32' nests more than 32 deep",)
    nested = "%rep 1\n" * 34 + "%endrep\n" * 34
    yield nested, ("33:1: %rep nests more than 32 deep",)
    too_much = "this source asks for too much: too many lines, repetitions or expansions"
    yield "\n" * (limits.LINES + 1), (f"1:1: {too_much}",)
    yield "nop\n" * (limits.SOURCE_BYTES // 4 + 1), ("1:1: 'guest.asm' is longer than 1048576 characters",)


MISTAKES = tuple(_mistakes())


def _told(source: str) -> tuple[str, ...]:
    with pytest.raises(AsmError) as caught:
        assemble(source, resolver=Files())
    return tuple(str(problem).removeprefix("guest.asm:") for problem in caught.value.problems)


@pytest.mark.parametrize(("source", "messages"), MISTAKES, ids=lambda value: repr(value)[:50])
def test_a_mistake_is_told_in_these_words(source, messages):
    assert _told(source) == messages


def _message_patterns() -> Iterator[tuple[str, str]]:
    """Every text the package can make an error of, as a regular expression, with where it stands."""
    makers = {"error_at", "_wrong", "Problem", "ResolveError"}
    for module in Path(assembler.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in makers:
                for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str) and " " in argument.value:
                        yield re.escape(argument.value), f"{module.name}:{node.lineno}"
                    elif isinstance(argument, ast.JoinedStr):
                        parts = [
                            re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".*"
                            for part in argument.values
                        ]
                        yield "".join(parts), f"{module.name}:{node.lineno}"


def test_every_message_of_the_package_is_tested():
    told = "\n".join(message for _, messages in MISTAKES for message in messages)
    told += "\nthis source may not read other files"  # tested below
    # These need a folder or a disagreement, and are tested with them.
    elsewhere = {"resolver.py", "assemble.py"}
    untold = [
        f"{place}: {pattern}"
        for pattern, place in _message_patterns()
        if place.partition(":")[0] not in elsewhere and not re.search(pattern, told)
    ]
    assert not untold


def test_several_mistakes_are_told_at_once_in_source_order():
    assert _told(" mvo eax, 1\n nop\n jmp nowhere\n db 300\n mov al, [") == (
        "1:2: unknown instruction 'mvo', did you mean 'mov'?",
        "3:6: 'nowhere' is not defined",
        "4:5: 300 does not fit in 8 bits",
        "5:11: a value is missing here",
    )


def test_no_more_than_twenty_mistakes_are_told():
    assert len(_told(" mvo\n" * 50)) == limits.ERRORS == 20


def test_names_a_refused_include_would_define_are_not_called_undefined():
    assert _told('%include "nothing.inc"\n jmp elsewhere') == (
        "1:10: there is no file 'nothing.inc' beside this source",
    )


def test_the_first_problem_is_the_errors_own():
    with pytest.raises(AsmError) as caught:
        assemble("nop\n mvo eax, 1", "boot.asm")
    error = caught.value
    assert (error.file, error.line, error.column) == ("boot.asm", 2, 2)
    assert (error.message, error.hint) == ("unknown instruction 'mvo'", "did you mean 'mov'?")
    assert str(error) == "boot.asm:2:2: unknown instruction 'mvo', did you mean 'mov'?"


def test_an_excerpt_marks_the_column_under_the_line():
    with pytest.raises(AsmError) as caught:
        assemble("\t\tmov\teax, )")
    assert caught.value.first.excerpt() == (
        "guest.asm:1:12: expected a value, found ')'\n    \t\tmov\teax, )\n    \t\t   \t     ^"
    )


def test_an_excerpt_of_a_long_line_shows_the_part_around_the_column():
    with pytest.raises(AsmError) as caught:
        assemble(" db " + "1," * 400 + "300" + ",2" * 400)
    rows = caught.value.first.excerpt().split("\n")
    assert len(rows[1]) <= 124
    assert rows[1][rows[2].index("^") :].startswith("300,2")


def test_a_mistake_inside_a_macro_names_the_line_of_the_macro_and_its_use():
    with pytest.raises(AsmError) as caught:
        assemble("%macro GATE 1\n dd %1\n mvo %1\n%endmacro\n nop\n GATE 5")
    assert caught.value.first.excerpt().split("\n") == [
        "guest.asm:3:2: unknown instruction 'mvo', did you mean 'mov'?",
        "     mvo %1",
        "     ^",
        "    in macro 'GATE', used at guest.asm:6",
    ]


def test_a_mistake_in_an_argument_is_where_the_argument_stands():
    assert _told("%macro GATE 1\n db %1\n%endmacro\n GATE 300") == ("4:7: 300 does not fit in 8 bits",)


def test_a_mistake_inside_a_definition_is_where_the_name_is_used():
    assert _told("%define BIG 5 +\n nop\n mov eax, BIG") == ("3:12: a value is missing here",)


def test_a_mistake_in_an_included_file_names_that_file():
    with pytest.raises(AsmError) as caught:
        assemble('%include "bad.inc"', "main.asm", Files())
    assert str(caught.value) == "bad.inc:1:2: unknown instruction 'mvo', did you mean 'mov'?"
    assert caught.value.first.trail == ("in 'bad.inc', included at main.asm:1",)


def test_a_long_way_to_a_mistake_is_shortened():
    with pytest.raises(AsmError) as caught:
        assemble("%macro m 0\n m\n%endmacro\n m")
    rows = caught.value.first.excerpt().split("\n")[3:]
    assert rows == [
        "    in macro 'm', used at guest.asm:2",
        "    in macro 'm', used at guest.asm:2",
        "    in macro 'm', used at guest.asm:2",
        "    ... 28 more ...",
        "    in macro 'm', used at guest.asm:4",
    ]


def test_a_source_may_not_read_files_without_a_resolver():
    for source in ('%include "a.inc"', 'incbin "a.bin"'):
        with pytest.raises(AsmError, match="this source may not read other files"):
            assemble(source)


@pytest.mark.parametrize(
    ("word", "meant"),
    [("mvo", "mov"), ("psuh", "push"), ("lidtt", "lidt"), ("xchgg", "xchg"), ("MOVE", "mov"), ("q", "")],
)
def test_a_near_word_is_suggested(word, meant):
    hint = did_you_mean(word, ("mov", "push", "pop", "lidt", "lgdt", "xchg"))
    assert hint == (f"did you mean '{meant}'?" if meant else "")
