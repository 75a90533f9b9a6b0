"""VCPU and CPU: what the guest believes beside what the hardware holds while it runs, before, during and after."""

from dataclasses import replace

from teachvm.app.control import Control
from teachvm.app.notation import hex32
from teachvm.app.presentation import ChipsView, PairsView, plain
from teachvm.trace.moment import Moment
from teachvm.vmm.events import GuestResumed, VmmEntered
from teachvm.vmm.techniques import Technique
from tests.app.presenters.conftest import At
from tests.app.presenters.worlds import card, find, pairs, tinyos, until, visible


def columns(control: Control, name: str) -> tuple[str, ...]:
    return tuple(cell.text for cell in pairs(control, "vcpu-and-cpu")[name].cells)


def test_guest_and_hardware_differ_where_the_guest_is_deprivileged(at: At) -> None:
    control = at("sched_lock", 2)
    cpu = control.world.host.machine.cpu
    assert columns(control, "CPL") == ("0", "1")
    assert columns(control, "IF") == ("1", "1")
    assert columns(control, "CR0") == ("8001 0011", hex32(cpu.cr0))
    assert columns(control, "CR3") == ("0001 c000", hex32(cpu.cr3))
    assert columns(control, "IDTR") == ("0001 2000", "ffc0 1000")
    assert columns(control, "GDTR") == ("0001 1000", "ffc0 0000")
    assert columns(control, "CS") == ("0008", "0009")


def test_a_paravirtual_kernel_sees_the_ring_it_runs_in() -> None:
    control = tinyos(Technique.PARAVIRTUAL)
    until(control, "memory_init")
    assert columns(control, "CPL") == ("1", "1")
    assert columns(control, "CS") == ("0009", "0009")


def test_while_the_vmm_runs_the_columns_hold_what_the_guest_will_run_with(at: At) -> None:
    control = at("sched_lock", 2)
    before = {name: columns(control, name) for name in ("CPL", "IF", "CR0", "CR3", "CS")}
    visible(control)
    assert {name: columns(control, name) for name in before} == before
    now = pairs(control, "vcpu-and-cpu")["now"].cells
    assert [cell.text for cell in now] == ["VMM", "ring 0 · IF 0"]
    assert now[0].role == "vmm"


def test_an_emulated_cli_changes_only_the_vcpus_flag(at: At) -> None:
    control = at("sched_lock", 2)
    visible(control, 3)
    guest, real = pairs(control, "vcpu-and-cpu")["IF"].cells
    assert (guest.text, guest.was, guest.changed) == ("0", "1", True)
    assert (real.text, real.was, real.changed) == ("1", None, False)
    chips = card(control, "vcpu-and-cpu").body[1]
    assert isinstance(chips, ChipsView)
    flag = next(chip for chip in chips.chips if chip.name.startswith("IF"))
    assert (flag.name, flag.on, flag.changed) == ("IF 0|1", False, True)


def test_the_live_row_follows_the_processor(whole_run: Control) -> None:
    event = find(whole_run, lambda one: isinstance(one, GuestResumed) and one.cpl == 3)
    whole_run.seek(Moment(event.at.n + 1))
    assert [cell.text for cell in pairs(whole_run, "vcpu-and-cpu")["now"].cells] == [
        "guest program", "ring 3 · IF 1",
    ]  # fmt: skip


def test_registers_are_shared_and_lead_to_memory(at: At) -> None:
    control = at("sched_lock", 2)
    found = pairs(control, "vcpu-and-cpu")
    cpu = control.world.host.machine.cpu
    assert found["EIP"].cells[0].text == hex32(cpu.eip)
    assert found["EBX"].cells[0].value == cpu.regs[3]
    assert found["ESP"].cells[0].link is not None


def test_on_bare_metal_there_is_one_column(bare_at: At) -> None:
    control = bare_at("sched_lock", 2)
    assert columns(control, "CPL") == ("0",)
    assert columns(control, "CR3") == (hex32(control.world.host.machine.cpu.cr3),)
    assert "now" not in pairs(control, "vcpu-and-cpu")
    assert plain(card(control, "vcpu-and-cpu").subtitle).startswith("bare metal")


def test_what_the_lesson_points_at_stands_out_in_its_own_column(at: At) -> None:
    control = at("sched_lock", 2)
    control.look(replace(control.focus, highlight=("vcpu.flags.IF",)))
    guest, real = pairs(control, "vcpu-and-cpu")["IF"].cells
    assert guest.changed
    assert not real.changed
    control.look(replace(control.focus, highlight=("cpu.cpl",)))
    guest, real = pairs(control, "vcpu-and-cpu")["CPL"].cells
    assert not guest.changed
    assert real.changed


def test_another_vm_is_shown_with_its_own_tables(two_runs: Control) -> None:
    event = find(two_runs, lambda one: isinstance(one, VmmEntered) and one.vm == "beta" and one.at.n > 4000)
    two_runs.seek(event.at)
    real = columns(two_runs, "CR3")[1]
    assert real == hex32(two_runs.world.host.machine.cpu.cr3)
    two_runs.look(replace(two_runs.focus, guest="alpha"))
    assert columns(two_runs, "CR3")[1] != real
    view = card(two_runs, "vcpu-and-cpu").body[0]
    assert isinstance(view, PairsView)
    two_runs.look(replace(two_runs.focus, guest=""))
