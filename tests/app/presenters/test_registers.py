"""Registers and flags: the guest's own, wherever they are held, with what the last step changed."""

from teachvm.app.control import Control
from teachvm.app.notation import hex32
from teachvm.app.presentation import ChipsView, plain
from teachvm.vmm.events import VmmEntered
from tests.app.presenters.conftest import At
from tests.app.presenters.worlds import card, find, pairs, visible


def test_every_register_of_the_guest_is_there(at: At) -> None:
    control = at("sched_lock")
    found = pairs(control, "registers")
    cpu = control.world.host.machine.cpu
    assert found["EAX"].cells[0].text == hex32(cpu.regs[0])
    assert [cell.text for cell in found["CS"].cells] == ["0008", "0000 0000"]
    assert found["CR0"].cells[0].text == "8001 0011"
    assert found["CR0"].tip is not None
    assert "PG" in found["CR0"].tip.text


def test_what_a_step_changed_has_its_old_value_beside_it(at: At) -> None:
    control = at("sched_lock")
    esp = pairs(control, "registers")["ESP"].cells[0]
    visible(control)
    found = pairs(control, "registers")
    now = found["ESP"].cells[0]
    assert now.was == esp.text
    assert now.changed
    assert not found["EAX"].cells[0].changed


def test_changed_flags_are_outlined(bare_at: At) -> None:
    control = bare_at("count_ticks", 5)
    visible(control)
    chips = card(control, "registers").body[1]
    assert isinstance(chips, ChipsView)
    assert any(chip.changed for chip in chips.chips)
    assert [chip.name for chip in chips.chips if chip.name == "IF"] == ["IF"]


def test_a_selector_is_taken_apart_with_its_hidden_part(bare_at: At) -> None:
    control = bare_at("sched_lock")
    tip = pairs(control, "registers")["SS"].tip
    assert tip is not None
    assert "Entry 2 of the GDT, RPL 0; base 0000 0000, limit ffff ffff, DPL 0" in tip.text


def test_inside_a_trap_they_are_the_vcpus(whole_run: Control) -> None:
    whole_run.seek(find(whole_run, lambda one: isinstance(one, VmmEntered) and one.cpl == 3).at)
    assert plain(card(whole_run, "registers").subtitle) == "alpha · program, ring 3 · held in the VCPU"
    assert pairs(whole_run, "registers")["EIP"].cells[0].text.startswith("0804 ")
