"""Anchors and counts of the other techniques: exits, hypercalls, units, references of a nested walk."""

from pathlib import Path

import pytest

from teachvm.lesson.happenings import Happenings
from teachvm.trace.timeline import Timeline
from teachvm.vmm.techniques import Paging, Technique
from teachvm.world.build import build
from teachvm.world.spec import HostSpec, VmSpec, WorldSpec
from tests.lesson.worlds import Room

COLD_STACK = """
        bits    32
        org     0x10000
start:  mov     esp, 0x40000            ; nobody has touched this page: pushing the frame exits
        lidt    [idt_register]
        ud2
handler:
        cli
        hlt
        align   8, db 0
idt:    times 6 * 2 dd 0
        dw      (handler - $$) & 0xFFFF, 0x08
        db      0, 0x8E
        dw      1
idt_register:
        dw      $ - idt - 1
        dd      idt
"""


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


def test_a_guest_has_as_many_faults_under_every_technique_that_keeps_its_kernel() -> None:
    counted = set()
    for technique in (Technique.BARE_METAL, Technique.TRAP_AND_EMULATE, Technique.HARDWARE_ASSIST):
        for paging in technique.pagings or (Paging.SHADOW,):
            room = Room("alpha", technique=technique, paging=paging, program="pages")
            room.go("console('exited: *')")
            counted.add(room.value("count('fault')"))
    assert counted == {5}  # the stack, and four pages of heap


def test_an_exit_while_a_fault_is_delivered_makes_no_second_fault_of_it(tmp_path: Path) -> None:
    (tmp_path / "guest.asm").write_text(COLD_STACK, encoding="utf-8")
    spec = VmSpec("alpha", "guest.asm", technique=Technique.HARDWARE_ASSIST, paging=Paging.NESTED)
    world = build(WorldSpec(HostSpec(vms=(spec,))), tmp_path)
    Timeline(world).run(100)
    assert world.host.stopped is not None
    assert len(list(Happenings(world).between("fault", None, world.recorder.clock.now))) == 1


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
