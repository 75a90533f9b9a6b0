"""Anchors and counts of the other techniques: exits, hypercalls, units, references of a nested walk."""

import pytest

from teachvm.vmm.techniques import Paging, Technique
from tests.lesson.worlds import Room


def _room(technique: Technique, paging: Paging = Paging.SHADOW) -> Room:
    return Room("alpha", technique=technique, paging=paging)


def test_an_exit_is_no_trap_and_is_found_by_its_reason() -> None:
    room = _room(Technique.HARDWARE_ASSIST)
    assert room.go("exit('in-out')").reached
    assert room.value("last('exit').reason") == "in-out"
    assert room.value("count('exit') == alpha.entries")
    assert room.value("count('trap')") == 0


def test_a_nested_walk_is_counted_by_its_references() -> None:
    room = _room(Technique.HARDWARE_ASSIST, Paging.NESTED)
    assert room.go("reference(nth=50)").reached
    assert room.value("count('reference')") == 50
    assert room.value("last('reference').linear == last('walk').linear")
    assert room.value("count('walk') * 8 >= 50")


@pytest.mark.parametrize("paging", list(Paging))
def test_a_guests_own_page_fault_is_one_whoever_delivers_it(paging: Paging) -> None:
    room = Room("alpha", technique=Technique.HARDWARE_ASSIST, paging=paging, program="pages")
    assert room.go("fault('#PF', vm='alpha')").reached
    assert room.value("last('fault').error") == 6
    assert room.value("count('fault')") == 1
    assert room.value("count('exit', reason='page-fault-true')") == int(paging is Paging.SHADOW)


def test_a_hypercall_is_found_by_its_name_and_tells_its_answer() -> None:
    room = _room(Technique.PARAVIRTUAL)
    assert room.go("hypercall('mmu-update', nth=2)").reached
    assert room.value("last('hypercall').reason") == "mmu-update"
    assert room.value("last('hypercall').result >= 1")
    assert room.value("count('hypercall', reason='mmu_update')") == 2
    assert room.value("count('hypercall') == count('trap', reason='hypercall')")


def test_units_are_translated_and_chained() -> None:
    room = _room(Technique.BINARY_TRANSLATION)
    assert room.go("chained").reached
    assert room.value("count('translated') >= count('chained')")
    assert room.value("1 <= last('translated').instructions <= 12")
    assert room.value("count('invalidated')") == 0
    assert room.value("0 < alpha.translated and alpha.direct == 0")
    room.go("at('start', process='hello')")
    room.go("syscall")
    assert room.value("0 < alpha.direct < alpha.translated")


def test_a_label_is_met_where_its_copy_is_executed() -> None:
    room = _room(Technique.BINARY_TRANSLATION)
    assert room.go("at('memory_init', vm='alpha')").reached
    assert room.value("alpha.vcpu.eip == label('memory_init')")
    assert room.value("cpu.eip >= 0xffc00000")
    room.go("at('frame_allocate', nth=2)")
    assert room.value("at('frame_allocate')")
    assert room.value("memory(alpha.vcpu.esp) > label('memory_init')")


@pytest.mark.parametrize("word", ["exit", "hypercall", "chained", "invalidated"])
def test_on_bare_metal_nothing_of_it_happens(word: str) -> None:
    room = _room(Technique.BARE_METAL)
    room.go("at('start', process='hello')")
    assert room.value(f"count('{word}')") == 0
