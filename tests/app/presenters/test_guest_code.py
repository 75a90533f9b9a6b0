"""Guest code: where the listing begins, what stands in it, and a trap told step by step."""

from dataclasses import replace

import pytest

from teachvm.app.control import Control
from teachvm.app.presentation import CodeLabel, CodeLine, Instant, NoteView, PhaseBlock, plain
from teachvm.machine.events import ExceptionRaised, InterruptAccepted, SoftwareInterrupted
from teachvm.trace.grain import Grain
from teachvm.trace.moment import Moment
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.events import (
    FaultClassified,
    GuestResumed,
    InterruptInjected,
    ShadowDropped,
    VcpuSwitched,
    VmmEntered,
)
from teachvm.vmm.faults import FaultKind
from tests.app.presenters.conftest import At
from tests.app.presenters.worlds import (
    after,
    card,
    code,
    current,
    find,
    paging,
    phases,
    tinyos,
    under,
    until,
    visible,
)


def entered(control: Control, reason: EntryReason) -> VmmEntered:
    event = find(control, lambda one: isinstance(one, VmmEntered) and one.reason is reason)
    assert isinstance(event, VmmEntered)
    return event


# ---- the listing ------------------------------------------------------------------------------------------------


def test_the_bar_stands_at_the_next_instruction_with_its_bytes_and_class(at: At) -> None:
    control = at("sched_lock", 2)
    address = control.world.host.machine.cpu.eip
    line = current(control)
    assert (line.address, line.code, line.mnemonic) == (address, "fa", "cli")
    assert line.badge is not None
    assert line.badge.text == "needs IOPL · #GP(0)"
    assert not line.trapping


def test_labels_are_rows_and_operands_name_them(at: At) -> None:
    control = at("sched_lock")
    rows = code(control).rows
    assert CodeLabel("sched_lock.try") in rows
    shown = {plain(row.operands): row for row in rows if isinstance(row, CodeLine)}
    assert "[scheduler_lock], eax" in shown
    link = next(span.link for span in shown["sched_lock.try"].operands if span.link)
    assert link is not None


def test_each_class_of_instruction_has_its_badge(at: At) -> None:
    control = at("sched_lock")
    badges = {row.mnemonic: row.badge.text for row in code(control).rows if isinstance(row, CodeLine) and row.badge}
    assert badges["pushfd"] == badges["popfd"] == "sensitive · never traps"
    assert badges["cli"] == "needs IOPL · #GP(0)"
    assert badges["hlt"] == "privileged"
    control.look(replace(control.focus, code="start"))
    badges = {row.mnemonic: row.badge.text for row in code(control).rows if isinstance(row, CodeLine) and row.badge}
    assert badges["mov"] in ("sensitive", "privileged")


def test_every_row_begins_where_the_assembler_began_a_statement() -> None:
    control = tinyos()
    space = control.world.guests["alpha"].symbols.kernel
    starts = {piece.address for piece in space.assembly.pieces if piece.agreement is not None}
    for label in ("start", "sched_lock", "trap_entry", "demand_page"):
        control.look(replace(control.focus, code=label))
        lines = [row for row in code(control).rows if isinstance(row, CodeLine)]
        assert any(row.address == space.assembly.symbols[label] for row in lines)
        assert all(row.address in starts for row in lines if space.is_code(row.address))


def test_data_is_shown_as_data() -> None:
    control = tinyos()
    control.look(replace(control.focus, code="banner"))
    rows = code(control).rows
    at = rows.index(CodeLabel("banner.tinyos"))
    line = rows[at + 1]
    assert isinstance(line, CodeLine)
    assert line.mnemonic == "db"
    assert plain(line.operands) == '"tinyos 1: ", 0'


def test_the_listing_stays_in_place_while_a_function_runs(at: At) -> None:
    control = at("sched_lock")
    first = next(row.address for row in code(control).rows if isinstance(row, CodeLine))
    visible(control, 6)
    assert next(row.address for row in code(control).rows if isinstance(row, CodeLine)) == first


def test_a_long_function_is_listed_in_pages(bare_at: At) -> None:
    control = bare_at("count_ticks", 5)
    lines = [row for row in code(control).rows if isinstance(row, CodeLine)]
    at = next(index for index, line in enumerate(lines) if line.current)
    assert at <= 64
    assert len(lines) > at


def test_bytes_outside_every_image_are_decoded_forward_from_eip() -> None:
    control = paging()
    until(control, "first_read")
    machine = control.world.host.machine
    machine.memory.write_bytes(0x0003_0001, bytes.fromhex("9c fa c3"))
    machine.cpu.eip = 0x0003_0001
    control.leave()
    rows = code(control).rows
    assert [row.mnemonic for row in rows[:3] if isinstance(row, CodeLine)] == ["pushfd", "cli", "ret"]
    assert current(control).address == 0x0003_0001
    assert plain(card(control, "guest-code").subtitle) == "alpha · outside every image"


def test_where_nothing_is_mapped_the_card_says_so() -> None:
    control = paging()
    until(control, "first_read")
    cpu = control.world.host.machine.cpu
    cpu.eip = 0x0900_0000
    control.leave()
    (note,) = card(control, "guest-code").body
    assert isinstance(note, NoteView)
    assert "0900 0000" in plain(note.text)


def test_breakpoints_stand_in_the_gutter(at: At) -> None:
    control = at("sched_lock")
    address = control.world.host.machine.cpu.eip
    control.toggle_breakpoint(address + 1)
    assert [row.address for row in code(control).rows if isinstance(row, CodeLine) and row.breakpoint] == [address + 1]


def test_a_program_is_listed_under_its_own_name(whole_run: Control) -> None:
    event = find(whole_run, lambda one: isinstance(one, GuestResumed) and one.cpl == 3)
    after(whole_run, event)
    assert plain(card(whole_run, "guest-code").subtitle) == "alpha · ticker#1"
    assert current(whole_run).address == 0x0804_8000


# ---- a trap, going forward --------------------------------------------------------------------------------------


def test_a_trap_is_told_step_by_step_as_it_happens() -> None:
    control = tinyos()
    address = until(control, "sched_lock", 2)
    where = f"{address >> 16:04x} {address & 0xFFFF:04x}"
    following = f"{address + 1 >> 16:04x} {address + 1 & 0xFFFF:04x}"
    assert phases(control) == []
    raised = f"CPL 1 > IOPL 0: the CPU raises #GP(0) at {where}"
    reads = "VMM reads the byte fa through the guest’s tables: cli"
    visible(control)
    assert phases(control) == [
        (raised, "now"),
        (f"VMM reads the instruction at {where} through the guest’s tables", "ahead"),
        ("VMM executes it on the VCPU", "ahead"),
    ]
    assert current(control).trapping
    visible(control)
    assert phases(control) == [(raised, "done"), (reads, "now"), ("VMM executes it on the VCPU", "ahead")]
    visible(control)
    assert phases(control) == [
        (raised, "done"),
        (reads, "done"),
        ("VMM emulates it: vcpu.IF ← 0", "now"),
        (f"VMM lets the guest go on at {following}", "ahead"),
    ]
    assert current(control).address == address
    visible(control)
    assert control.position.phase == 0
    assert phases(control) == [
        (raised, "done"),
        (reads, "done"),
        ("VMM emulates it: vcpu.IF ← 0", "done"),
        (f"VMM resumes the guest at {following}", "done"),
    ]
    assert current(control).address == address + 1
    assert under(control).address == address
    visible(control)
    assert phases(control) == []


def test_stepping_back_into_a_trap_shows_the_recorded_rest_as_to_come(at: At) -> None:
    control = at("sched_lock", 2)
    visible(control, 4)
    control.back(Grain.VISIBLE)
    control.back(Grain.VISIBLE)
    progress = [state for _, state in phases(control)]
    assert progress == ["done", "now", "ahead", "ahead"]
    assert phases(control)[-1][0].startswith("VMM resumes the guest at")


def test_a_step_leads_back_to_its_own_moment(at: At) -> None:
    control = at("sched_lock", 2)
    visible(control, 3)
    block = next(row for row in code(control).rows if isinstance(row, PhaseBlock))
    links = {step.progress: step.link for step in block.steps}
    assert links["now"] == Instant(control.position)
    assert links["ahead"] == Instant(control.position._replace(phase=control.position.phase + 1))


def test_an_emulated_out_says_what_the_device_model_took(whole_run: Control) -> None:
    after(whole_run, entered(whole_run, EntryReason.IN_OUT))
    assert ("VMM emulates it: its device model takes 0x11 at port 0x20", "done") in phases(whole_run)


def test_a_privileged_instruction_says_so(whole_run: Control) -> None:
    after(whole_run, entered(whole_run, EntryReason.LGDT))
    said = [text for text, _ in phases(whole_run)]
    assert said[0].startswith("It is privileged, and CPL 1 is not 0: the CPU raises #GP(0) at")
    assert said[2] == "VMM emulates it: vcpu.GDTR ← 0001 1000"


def test_a_system_call_and_the_way_back_are_both_explained(whole_run: Control) -> None:
    after(whole_run, entered(whole_run, EntryReason.INT_N))
    said = [text for text, _ in phases(whole_run)]
    assert said[0].startswith("That gate of the VMM’s IDT is closed to ring 3: the CPU raises #GP(0x402)")
    assert "vcpu.CPL ← 0" in said[2]
    assert under(whole_run).mnemonic == "int"
    after(whole_run, entered(whole_run, EntryReason.IRET))
    assert phases(whole_run)[0][0].startswith("The VMM marked the user code segment not present")


def test_when_control_went_elsewhere_the_trapping_instruction_is_shown_on_top(whole_run: Control) -> None:
    after(whole_run, entered(whole_run, EntryReason.INT_N))
    rows = code(whole_run).rows
    assert isinstance(rows[0], CodeLabel)
    assert rows[0].name.startswith("ticker#1 ")
    assert isinstance(rows[1], CodeLine)
    assert rows[1].address >= 0x0804_8000
    assert isinstance(rows[2], PhaseBlock)
    assert current(whole_run).address < 0x0804_8000


# ---- page faults ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (FaultKind.HIDDEN, "VMM finds a hidden fault: the guest’s tables allow "),
        (FaultKind.TRUE, "VMM finds a true fault: the guest’s own tables forbid "),
        (FaultKind.TRACE, "VMM finds a trace fault: the guest writes to its own table at "),
    ],
)
def test_a_page_fault_is_classified_in_words(whole_run: Control, kind: FaultKind, said: str) -> None:
    event = find(whole_run, lambda one: isinstance(one, FaultClassified) and one.kind is kind)
    whole_run.seek(event.at)
    text = next(text for text, progress in phases(whole_run) if progress == "now")
    assert text.startswith(said)
    assert text.endswith("the guest gets its #PF" if kind is FaultKind.TRUE else "the guest never sees the fault")


def test_a_hidden_fault_names_all_three_addresses_of_what_is_filled(whole_run: Control) -> None:
    event = find(whole_run, lambda one: isinstance(one, FaultClassified) and one.kind is FaultKind.HIDDEN)
    after(whole_run, event)
    filled = next(text for text, _ in phases(whole_run) if "fills" in text)
    assert filled.startswith("VMM fills the shadow entry: gVA 0001 0000 → gPA 0001 0000 → hPA ")


def test_a_true_fault_is_delivered_through_the_guests_own_idt(whole_run: Control) -> None:
    event = find(whole_run, lambda one: isinstance(one, FaultClassified) and one.kind is FaultKind.TRUE)
    after(whole_run, event)
    said = [text for text, _ in phases(whole_run)]
    assert any(text.startswith("VMM walks the guest’s tables for ") for text in said)
    assert any(text.startswith("VMM delivers #PF(6) through the guest’s own table: its handler at") for text in said)


def test_a_trace_fault_tells_of_the_store_and_of_the_dropped_shadow(whole_run: Control) -> None:
    event = find(whole_run, lambda one: isinstance(one, ShadowDropped) and one.cause == "write")
    after(whole_run, event)
    said = [text for text, _ in phases(whole_run)]
    assert "VMM emulates it: the store is made in the guest’s memory" in said
    assert any("the guest wrote to a page table" in text for text in said)


def test_two_faults_of_one_instruction_are_two_blocks() -> None:
    control = tinyos()
    control.seek(Moment(6))
    blocks = [row for row in code(control).rows if isinstance(row, PhaseBlock)]
    assert len(blocks) == 2
    assert all(step.progress == "done" for block in blocks for step in block.steps)


# ---- interrupts -------------------------------------------------------------------------------------------------


def test_the_hosts_timer_is_named_as_the_cause(whole_run: Control) -> None:
    event = entered(whole_run, EntryReason.EXTERNAL_INTERRUPT)
    whole_run.seek(event.at)
    assert phases(whole_run)[0][0].startswith("The host’s timer is due: the CPU accepts interrupt 0x20 before")
    assert not current(whole_run).trapping


def test_an_injected_interrupt_is_a_step_of_the_vmm(whole_run: Control) -> None:
    after(whole_run, find(whole_run, lambda one: isinstance(one, InterruptInjected)))
    said = [text for text, _ in phases(whole_run)]
    assert said[0].startswith("VMM injects interrupt 0x20 into alpha through the guest’s own table: its handler at")


def test_a_change_of_vms_is_told_in_the_one_that_gets_the_processor(two_runs: Control) -> None:
    event = find(two_runs, lambda one: isinstance(one, VcpuSwitched) and one.after == "beta")
    after(two_runs, event)
    assert plain(card(two_runs, "guest-code").subtitle) == "beta · kernel"
    blocks = [row for row in code(two_runs).rows if isinstance(row, PhaseBlock)]
    assert plain(blocks[0].steps[0].text).startswith("VMM takes alpha off the processor and puts beta on it")


# ---- bare metal -------------------------------------------------------------------------------------------------


def test_on_bare_metal_an_exception_goes_to_the_guests_own_handler(whole_bare_run: Control) -> None:
    event = find(whole_bare_run, lambda one: isinstance(one, ExceptionRaised))
    whole_bare_run.seek(event.at)
    assert [progress for _, progress in phases(whole_bare_run)] == ["now", "ahead"]
    after(whole_bare_run, event)
    said = phases(whole_bare_run)
    assert said[0][0].startswith("The CPU raises #PF(6) at ")
    assert said[1][0].startswith("The CPU pushes its frame and goes through gate 0xe to ")
    assert [progress for _, progress in said] == ["done", "done"]


def test_on_bare_metal_an_interrupt_and_a_system_call_are_told_too(whole_bare_run: Control) -> None:
    after(whole_bare_run, find(whole_bare_run, lambda one: isinstance(one, InterruptAccepted)))
    assert phases(whole_bare_run)[0][0].startswith("The timer is due and IF = 1: the CPU accepts interrupt 0x20")
    after(whole_bare_run, find(whole_bare_run, lambda one: isinstance(one, SoftwareInterrupted)))
    assert phases(whole_bare_run)[0][0].startswith("The CPU executes int 0x80 at ")


def test_on_bare_metal_what_is_certain_after_an_exception_is_its_delivery() -> None:
    control = paging()
    until(control, "fault_read")
    control.step(Grain.TRAP)
    assert phases(control)[-1] == ("The CPU delivers it through the IDT", "ahead")
