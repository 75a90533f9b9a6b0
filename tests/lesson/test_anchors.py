"""Anchors: where a run ends."""

import pytest

from teachvm.lesson.anchors import compile_anchor
from teachvm.lesson.expressions import ExpressionError, Known
from teachvm.lesson.milestones import COUNTABLE, MILESTONES, STOPS

KNOWN = Known(vms=("alpha",), labels={"alpha": frozenset({"idle"})}, reasons=frozenset({"cli"}))


@pytest.mark.parametrize(
    ("text", "word", "stop"),
    [
        ("trap", "trap", "after"),
        ("trap('cli', vm='alpha', nth=2)", "trap", "after"),
        ("fault('#PF', vm='alpha')", "fault", "at"),
        ("fault(14)", "fault", "at"),
        ("walk(0x1234)", "walk", "at"),
        ("switch('alpha')", "switch", "at"),
        ("console('A*', 'B', vm='alpha')", "console", "after"),
        ("at('idle')", "at", "before"),
        ("after(100)", "after", "before"),
        ("cpu.flags.IF == 1", None, "at"),
        ("walk(0x1234).present", None, "at"),
        ("stopped", None, "at"),
    ],
)
def test_an_anchor_is_a_milestone_or_a_condition(text: str, word: str | None, stop: str) -> None:
    anchor = compile_anchor(text, KNOWN)
    assert (anchor.milestone.word if anchor.milestone else None, anchor.stop) == (word, stop)
    assert (anchor.condition is None) == (word is not None)


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("trpa('cli')", 0, "unknown function 'trpa'; did you mean 'trap'?"),
        ("trpa", 0, "unknown name 'trpa'; did you mean 'trap'?"),
        ("trap('sti')", 5, "unknown reason 'sti'; there is cli"),
        ("at('idel')", 3, "unknown label 'idel'; did you mean 'idle'?"),
        ("after(0)", 6, "argument 'instructions' counts from 1"),
        ("trap(nth=0)", 9, "argument 'nth' counts from 1"),
        ("trap(nth=-1)", 9, "argument 'nth' counts from 1"),
        ("after(-3)", 6, "argument 'instructions' counts from 1"),
        ("cycles > 5 and trap('cli')", 15, "'trap' says where a run ends and stands alone: trap(reason, vm=, nth=)"),
        ("not trap", 4, "'trap' says where a run ends and stands alone: trap(reason, vm=, nth=)"),
        ("trap.n > 5", 0, "'trap' says where a run ends and stands alone: trap(reason, vm=, nth=)"),
        ("console()", 0, "argument 'pattern' is missing: console(pattern…, vm=, nth=)"),
        ("fault('#PG')", 6, "unknown vector '#PG'; did you mean '#PF'?"),
        (
            "cycles",
            0,
            "an anchor is a milestone such as trap(...) or a condition that is true or false; this is neither",
        ),
    ],
)
def test_a_wrong_anchor_is_refused_where_it_stands(text: str, offset: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_anchor(text, KNOWN)
    assert (caught.value.message, caught.value.offset) == (message, offset)


def test_the_words_are_those_of_the_lesson_format() -> None:
    words = [milestone.word for milestone in MILESTONES]
    assert words == [
        "trap",
        "exit",
        "callout",
        "fault",
        "hypercall",
        "walk",
        "reference",
        "translated",
        "chained",
        "invalidated",
        "switch",
        "syscall",
        "console",
        "at",
        "after",
    ]
    assert tuple(words[:12]) == COUNTABLE
    assert {milestone.stop for milestone in MILESTONES} <= set(STOPS)
