"""Who writes bytes next and when a value changes next, held against a world walked instruction by instruction."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachvm.app.control import Direction
from teachvm.app.headless import Wishes
from teachvm.app.laboratory import Laboratory
from teachvm.app.onward import NextChange, NextWrite, Onward
from teachvm.app.origin import Answer, LastWrite
from teachvm.app.wording import Editable
from teachvm.lesson.expressions import Known, compile_expression
from teachvm.trace.moment import START, Moment
from teachvm.trace.timeline import Timeline
from teachvm.vmm.techniques import Technique
from teachvm.world.inputs import MemoryEdited
from tests.app.laboratory import BUILT, SOURCE, folder_with
from tests.app.test_edits import SEGMENTED
from tests.app.test_origin import BOTH, COUNTER, EXPRESSIONS, answer, physical, world_of
from tests.world.guests import KERNELS
from tests.world.kernels import BARE, TRAP, Sample, timeline


def ahead(quest: Onward) -> Answer:
    found = None
    while found is None:
        found = quest.advance(lambda: False)  # every slice as short as can be
    return found


def next_write(subject: Timeline, address: int, size: int = 4) -> Answer:
    world = world_of(subject)
    start = physical(world, address)
    return ahead(NextWrite(world, subject, world.host.machine.memory, range(start, start + size), "spot"))


@BOTH
def test_the_next_write_is_found_behind_it_and_the_one_after_that(technique: Technique) -> None:
    subject = timeline(Sample((("guest.asm", COUNTER),)), technique)
    world = world_of(subject)
    symbols = next(iter(world.guests.values())).symbols
    first = next_write(subject, symbols.address_of("spot"))
    assert world.host.machine.cpu.eip == symbols.address_of("next")
    assert "mov [spot], ecx" in first.text
    assert "(store)" in first.text
    assert "It became 0x00000bb8; before it was 0x00000007." in first.text
    assert first.at == subject.position
    second = next_write(subject, symbols.address_of("spot"))
    assert "(same)" in second.text
    assert "which was there already" in second.text
    third = next_write(subject, symbols.address_of("spot"))
    assert third.at is None
    assert "not written any more" in third.text
    start = physical(world, symbols.address_of("spot"))
    last = answer(LastWrite(world, subject, world.host.machine.memory, range(start, start + 4), "spot"))
    assert second.at is not None
    assert last.at == Moment(second.at.n - 1)


@given(KERNELS, st.sampled_from((BARE, TRAP)), st.integers(0, 800), st.sampled_from((0x90000, 0x6FF8, 0x10000)))
@settings(max_examples=3)
def test_no_byte_changes_before_the_write_that_was_found(
    sample: Sample, technique: Technique, steps: int, address: int
) -> None:
    subject = timeline(sample, technique, spacing=60)
    subject.run(steps)
    here = subject.position
    memory = world_of(subject).host.machine.memory
    place = physical(world_of(subject), address)
    quest = NextWrite(world_of(subject), subject, memory, range(place, place + 4), "it")
    found = None
    while found is None and subject.position.n < here.n + 3_000:
        found = quest.advance(lambda: False)
    slow = timeline(sample, technique, spacing=10**9)
    slow.run(here.n)
    ram = world_of(slow).host.machine.memory
    stop = subject.position.n if found is None or found.at is None else found.at.n - 1
    content = ram.read_bytes(place, 4)
    while slow.position.n < stop:
        slow.step_instruction()
        assert ram.read_bytes(place, 4) == content
    slow.seek(subject.position)
    assert slow.digest() == subject.digest()


@given(KERNELS, st.sampled_from((BARE, TRAP)), st.sampled_from(EXPRESSIONS), st.integers(0, 900))
@settings(max_examples=5)
def test_a_value_changes_next_where_a_walk_in_single_steps_says(
    sample: Sample, technique: Technique, text: str, steps: int
) -> None:
    expression = compile_expression(text, Known())
    subject = timeline(sample, technique, spacing=90)
    subject.run(steps)
    slow = timeline(sample, technique, spacing=10**9)
    slow.run(steps)
    quest = NextChange(world_of(subject), subject, text, expression.value)
    found = None
    while found is None and subject.position.n < steps + 1_500:
        found = quest.advance(lambda: False)
    same = NextChange(world_of(slow), slow, text, expression.value)
    while same._value() == same._was and slow.position.n < subject.position.n:
        slow.step_instruction()
    assert slow.position.n == subject.position.n
    assert (same._value() != same._was) == (found is not None and found.at is not None)


def laboratory(folder: Path, technique: Technique, source: str) -> Laboratory:
    return Laboratory("mine.asm", folder_with(folder, source), Wishes(technique))


def said(lab: Laboratory) -> str:
    while lab.work(lambda: False):
        pass
    assert lab.notice is not None
    assert not lab.notice.failure
    return lab.notice.text


@pytest.mark.parametrize("technique", BUILT, ids=lambda technique: technique.value)
def test_segment_table_and_control_registers_are_asked_for_in_both_directions(
    technique: Technique, tmp_path: Path
) -> None:
    lab = laboratory(tmp_path, technique, SEGMENTED)
    vm = lab.scene.vm
    lab.find_origin(Editable("register", "LDTR", vm), Direction.FORWARD)
    text = said(lab)
    assert "LDTR becomes 0x40" in text
    assert "lldt ax" in text
    behind = lab.position
    lab.find_origin(Editable("register", "LDTR", vm))
    assert "lldt ax" in said(lab)
    assert lab.position == Moment(behind.n - 1)
    lab.find_origin(Editable("register", "CR0", vm), Direction.FORWARD)
    assert "CR0 is not changed any more" in said(lab)


@pytest.mark.parametrize("technique", BUILT, ids=lambda technique: technique.value)
def test_what_somebody_changed_by_hand_is_said_to_come_from_outside(technique: Technique, tmp_path: Path) -> None:
    lab = laboratory(tmp_path, technique, SOURCE)
    place = lab.place("letter")
    assert place is not None
    letter = Editable("memory", "letter", lab.scene.vm, place, size=1)
    lab.seek(Moment(50))
    lab.control.inject(MemoryEdited(lab.scene.vm, place, b"z"))
    lab.seek(START)
    lab.find_origin(letter, Direction.FORWARD)
    assert "by somebody outside the machine. It became 0x7a; before it was 0x61." in said(lab)
    assert lab.position == Moment(50)
    lab.find_origin(letter)
    assert "by somebody outside the machine" in said(lab)


def test_esc_ends_the_look_ahead_where_it_came_to(tmp_path: Path) -> None:
    lab = laboratory(tmp_path, TRAP, SOURCE)
    lab.find_origin(Editable("register", "ESI", lab.scene.vm), Direction.FORWARD)
    assert lab.work(lambda: False)
    assert lab.notice is not None
    assert "Esc stops" in lab.notice.text
    lab.stop()
    assert not lab.running
    assert lab.position > START
