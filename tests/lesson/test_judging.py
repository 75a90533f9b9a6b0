"""Answers are compared with the machine, and results say what was found instead."""

import pytest

from teachvm.lesson.expressions import Known, compile_expression
from teachvm.lesson.judging import (
    UnanswerableError,
    bare,
    chosen,
    fill,
    inspect,
    judge,
    number_text,
    parse_number,
    solution,
)
from teachvm.lesson.model import Ask, Check, Option, Template, Vary
from teachvm.lesson.problems import Place
from tests.lesson.worlds import Room

KNOWN = Known(vms=("alpha",), local={"va": "int"})


def _ask(kind: str, answer: str | None = None, *options: tuple[str, str | None], vary: tuple[str, ...] = ()) -> Ask:
    return Ask(
        id="q",
        prompt=Template("?", ("?",)),
        type=kind,
        options=tuple(Option(text, compile_expression(when, KNOWN) if when else None) for text, when in options),
        answer=compile_expression(answer, KNOWN) if answer else None,
        explain=Template("", ("It is ", compile_expression("alpha.vcpu.cpl", KNOWN), ".")),
        predict=True,
        vary=(Vary("va", tuple(compile_expression(text, KNOWN) for text in vary)),) if vary else (),
        points=1,
        visibility="visible",
        place=Place(1),
    )


@pytest.fixture(scope="module")
def room() -> Room:
    """A kernel one ring down."""
    room = Room("alpha")
    room.go("at('memory_init')")
    return room


def test_a_choice_is_right_when_its_expression_holds(room: Room) -> None:
    ask = _ask("choice", None, ("ring 0", "cpu.cpl == 0"), ("ring 1", "cpu.cpl == 1"), ("it depends", None))
    assert solution(ask, room.scope, {}) == "ring 1"
    verdict = judge(ask, "1", room.scope, {})
    assert (verdict.right, verdict.solution, verdict.explanation) == (True, "ring 1", "It is 0.")
    assert not judge(ask, "0", room.scope, {}).right
    assert not judge(ask, "nonsense", room.scope, {}).right


@pytest.mark.parametrize("given", ["42", "0x2a", "2Ah", "0b101010", " 4 2 ", "+42"])
def test_a_number_is_right_in_every_common_spelling(room: Room, given: str) -> None:
    assert judge(_ask("number", "40 + 2"), given, room.scope, {}).right


@pytest.mark.parametrize("given", ["43", "", "forty-two", "2a", "4.2", "0x", "9" * 99])
def test_anything_else_is_wrong(room: Room, given: str) -> None:
    assert not judge(_ask("number", "42"), given, room.scope, {}).right


def test_a_text_is_compared_without_case_and_blanks(room: Room) -> None:
    ask = _ask("text", "alpha.technique")
    assert judge(ask, "  Trap-and-Emulate ", room.scope, {}).right
    assert not judge(ask, "emulation", room.scope, {}).right


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (_ask("choice", None, ("a", "true"), ("b", "true")), "more than one option is right here: 'a', 'b'"),
        (_ask("choice", None, ("a", "false"), ("b", None)), "no option is right here"),
        (_ask("number", "last('trap').error + 1"), "'last.* a part of it has no value now"),
        (_ask("text", "printed('x')"), "has no value now"),
    ],
)
def test_a_question_without_one_answer_is_the_lessons_mistake(ask: Ask, message: str) -> None:
    with pytest.raises(UnanswerableError, match=message):
        solution(ask, Room("alpha").scope, {})


def test_each_student_gets_one_of_the_choices_and_always_the_same(room: Room) -> None:
    ask = _ask("number", "va >> 22", vary=("0x00400000", "0x08000000", "0xc0000000"))
    given = {student: chosen(ask, 7, student)["va"].text for student in ("ada", "grace", "kathleen", "jean", "betty")}
    assert given == {student: chosen(ask, 7, student)["va"].text for student in given}
    assert len(set(given.values())) > 1
    assert chosen(ask, 7, "ada")["va"].text == "0x08000000"  # the same in every process and every version
    varied = chosen(ask, 7, "ada")
    assert judge(ask, "32", room.scope, varied).right


def test_text_takes_the_machines_values_and_what_the_author_wrote(room: Room) -> None:
    ask = _ask("number", "va", vary=("0x08048123",))
    va, odd = compile_expression("va", KNOWN), compile_expression("last('syscall').eip", KNOWN)
    template = Template("", ("at ", va, ": ", compile_expression("stopped", KNOWN), " ", odd))
    varied = chosen(ask, 0, "")
    assert fill(template, room.scope, {"va": 0x08048123}, varied) == "at 0x08048123: false –"


def test_a_check_says_which_fact_failed_and_what_was_found(room: Room) -> None:
    texts = (
        "alpha.vcpu.cpl == 0",
        "cpu.cpl == 0",
        "alpha.vcpu.cpl == 0 and cpu.flags.IF == 0",
        "'Z' in alpha.console",
        "stopped",
        "last('fault').error == 5",
        "walk(1).present",
        "cpu.cpl in (0, 3)",
    )
    check = Check("c", "", tuple(compile_expression(text, KNOWN) for text in texts), None, 1, "visible", Place(1))
    outcome = inspect(check, room.scope)
    assert not outcome.passed
    assert [fact.held for fact in outcome.facts] == [True] + [False] * 7
    assert [fact.found for fact in outcome.facts] == [
        "",
        "cpu.cpl is 1",
        "cpu.flags.IF is 1",
        "alpha.console is ''",
        "stopped is false",
        "last('fault').error is –",
        "paging is off, there is nothing to walk",
        "cpu.cpl is 1",
    ]


def test_numbers_are_said_in_both_bases_once_they_are_large() -> None:
    assert [number_text(value) for value in (0, 9, -9, 10, 131200)] == [
        "0",
        "9",
        "-9",
        "10 (0000 000a)",
        "131200 (0002 0080)",
    ]
    assert bare(number_text(131200)) == "131200"
    assert parse_number("0X1F") == 31
