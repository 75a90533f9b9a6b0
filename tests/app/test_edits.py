"""Values changed in place: real in the machine, an input in time, undone as if they had never been."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachvm.app import edits
from teachvm.app.control import Control
from teachvm.app.edits import EditError
from teachvm.app.places import PlaceError, evaluate
from teachvm.app.recordings import open_recording, save
from teachvm.app.scene import Scene, scene_of
from teachvm.app.wording import Editable
from teachvm.isa.operands import EAX, ECX, FS
from teachvm.trace.grain import Grain
from teachvm.trace.moment import Moment
from teachvm.vmm.techniques import Technique
from teachvm.world.inputs import RegisterEdited
from tests.app.laboratory import BUILT, controlled

TRAP = Technique.TRAP_AND_EMULATE


@pytest.fixture(params=BUILT, ids=lambda technique: technique.value)
def control(request: pytest.FixtureRequest, tmp_path: Path) -> Control:
    return controlled(tmp_path, request.param)


def scene(control: Control) -> Scene:
    return scene_of(control.snapshot())


def change(control: Control, what: Editable, text: str) -> None:
    control.inject(edits.read(what, text, scene(control)))


def register(control: Control, name: str, text: str) -> None:
    change(control, Editable("register", name, scene(control).vm), text)


def memory(control: Control, place: str, text: str, size: int = 4) -> None:
    here = scene(control)
    change(control, Editable("memory", place, here.vm, evaluate(place, here), size=size), text)


def to_the_end(control: Control) -> str:
    control.start()
    while control.running is not None:
        control.work(limit=100_000)
    return control.world.console(next(iter(control.world.guests)))


def go_to(control: Control, label: str) -> None:
    address = evaluate(label, scene(control))
    control.toggle_breakpoint(address)
    control.start()
    control.work()
    control.toggle_breakpoint(address)
    assert scene(control).linear_eip == address


def test_an_edited_register_is_what_the_guest_goes_on_with(control: Control) -> None:
    go_to(control, "again")
    register(control, "ECX", "#3")
    assert scene(control).state.regs[ECX] == 3
    assert to_the_end(control) == "aaa"


def test_edited_memory_is_what_the_guest_reads(control: Control) -> None:
    go_to(control, "work")
    memory(control, "letter", "7a", size=1)
    assert to_the_end(control) == "z" * 40


def test_a_value_edited_to_itself_changes_nothing_the_guest_does(control: Control) -> None:
    go_to(control, "work.spin")
    for name in ("EAX", "ESP", "EIP", "EFLAGS", "CR0", "CR3"):
        register(control, name, name)
    memory(control, "work", "[work]")
    assert to_the_end(control) == "a" * 40


def test_code_that_is_edited_runs_as_edited(control: Control) -> None:
    go_to(control, "finished")
    control.seek(Moment(0))
    go_to(control, "work")
    memory(control, "work+5", "90 90 90", size=1)
    assert to_the_end(control) == "a" * 40
    assert control.position.n < 1_000


def test_an_edit_of_eip_goes_there(control: Control) -> None:
    go_to(control, "again")
    register(control, "EIP", "finished")
    assert to_the_end(control) == ""


def test_an_edit_is_in_the_past_wherever_time_goes(control: Control) -> None:
    go_to(control, "again")
    at = control.position
    memory(control, "letter", "62")
    digest = control.timeline.digest()
    text = to_the_end(control)
    end = control.timeline.digest()
    assert text == "b" * 40
    control.seek(at)
    assert control.timeline.digest() == digest
    assert to_the_end(control) == text
    assert control.timeline.digest() == end


def test_undo_takes_an_edit_back_as_if_it_had_never_been_and_redo_makes_it_again(control: Control) -> None:
    plain = to_the_end(control)
    untouched = control.timeline.digest()
    control.seek(Moment(0))
    go_to(control, "work")
    memory(control, "letter", "63")
    control.step(Grain.INSTRUCTION)
    register(control, "EDX", "1")
    assert to_the_end(control) == "c" * 40
    control.undo()
    control.undo()
    assert not control.edits
    assert to_the_end(control) == plain
    assert control.timeline.digest() == untouched
    control.redo()
    assert [edits.described(edit) for _, edit in control.edits] == ["[0001 1004] = 0000 0063"]
    assert to_the_end(control) == "c" * 40


def test_a_future_with_its_edits_is_taken_up_and_is_what_a_recording_holds(control: Control, tmp_path: Path) -> None:
    go_to(control, "work")
    memory(control, "letter", "7a")
    assert to_the_end(control) == "z" * 40
    end, digest = control.position, control.timeline.digest()
    control.seek(Moment(0))
    register(control, "EBX", "1")
    assert to_the_end(control) == "a" * 40
    assert [edits.described(edit) for _, edit in control.edits] == ["EBX = 0000 0001"]
    control.take_up(control.timeline.forks[-1])
    control.seek(end)
    assert control.timeline.digest() == digest
    assert [edits.described(edit) for _, edit in control.edits] == ["[0001 1004] = 0000 007a"]
    save(tmp_path / "recording.json", control.world, control.timeline, tmp_path)
    _, _, replay = open_recording(tmp_path / "recording.json").replay()
    while replay.advance():
        pass
    assert replay.digest == digest
    control.undo()
    assert to_the_end(control) == "a" * 40


def test_an_edit_at_the_first_moment_can_be_undone(control: Control) -> None:
    start = control.timeline.digest()
    register(control, "EAX", "1234")
    assert scene(control).state.regs[EAX] == 0x1234
    control.undo()
    assert control.timeline.digest() == start


def test_a_page_table_entry_is_edited_by_field_and_the_shadow_follows(tmp_path: Path) -> None:
    source = """
    bits 32
    org 0x10000
    start:
        mov dword [table + 0x11 * 4], 0x11003
        mov dword [table + 0x10 * 4], 0x10003
        mov dword [table + 0x12 * 4], 0x12003
        mov dword [table + 0x13 * 4], 0x13003
        mov dword [directory], table + 3
        mov eax, directory
        mov cr3, eax
        mov eax, cr0
        or eax, 0x80000000
        mov cr0, eax
        mov al, [0x11000]
    here:
        invlpg [0x11000]
        mov al, [0x11000]
        out 0xe9, al
        out 0xf4, al
        hlt
        align 4096
    page: db 'p'
        align 4096
    directory: times 1024 dd 0
    table: times 1024 dd 0
    other: db 'o'
    """
    for technique in BUILT:
        control = controlled(tmp_path, technique, source)
        go_to(control, "here")
        here = scene(control)
        entry = evaluate("table+44", here)
        change(control, Editable("entry", "PTE 17", here.vm, entry, "guest-physical"), "frame=14000 W=0")
        assert evaluate("[table+44]", scene(control)) & 0xFFFFF007 == 0x14001
        assert to_the_end(control) == "o", technique


@pytest.mark.parametrize(
    ("kind", "name", "text", "said"),
    [
        ("register", "EAX", "", "write an address"),
        ("register", "EAX", "123456789", "more than 32 bits"),
        ("register", "EAX", "coutner", "did you mean 'counter'"),
        ("register", "CR0", "0", "PE has to stay set"),
        ("register", "CR3", "123", "begins on a page"),
        ("register", "CR4", "ffffffff", "reserved bits"),
        ("register", "EFLAGS", "20002", "virtual-8086"),
        ("flag", "IF", "2", "write 0 or 1"),
        ("flag", "IOPL", "4", "a ring"),
        ("entry", "PTE 1", "X=1", "no field of an entry"),
        ("entry", "PTE 1", "frame=123", "no frame"),
    ],
)
def test_what_the_processor_would_not_take_is_refused_in_one_line(
    kind: str, name: str, text: str, said: str, tmp_path: Path
) -> None:
    here = scene(controlled(tmp_path, TRAP))
    with pytest.raises(EditError, match=said) as refused:
        edits.read(Editable(kind, name, here.vm, 0x11000, "guest-physical"), text, here)  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)


def test_memory_where_nothing_is_mapped_cannot_be_edited(tmp_path: Path) -> None:
    here = scene(controlled(tmp_path, TRAP))
    with pytest.raises(EditError, match="no RAM"):
        edits.read(Editable("memory", "far", here.vm, 0xF000_0000), "1", here)


def test_expressions_read_registers_symbols_memory_and_both_radixes(tmp_path: Path) -> None:
    here = scene(controlled(tmp_path, Technique.BARE_METAL))
    for text, value in (
        ("letter", 0x11004),
        ("[letter]", 0x61),
        ("letter-counter", 4),
        ("#16*2+(1)", 0x21),
        ("0010 0247", 0x100247),
        ("0x10", 0x10),
        ("esp+8", 0x7008),
        ("work.spin", evaluate("work+5", here)),
    ):
        assert evaluate(text, here) == value, text


@settings(max_examples=300)
@given(text=st.text(max_size=30) | st.from_regex(r"[\[\]()+*\-#0-9a-fx: ]{0,20}", fullmatch=True))
def test_any_text_is_a_number_or_one_clear_line(text: str) -> None:
    try:
        assert 0 <= evaluate(text, HERE[0]) < 1 << 32
    except PlaceError as error:
        said = str(error)
        assert said


SEGMENTED = """
bits 32
org 0x10000
start:
    lgdt    [pointer]
    jmp     0x08:flat
flat:
    mov     ax, 0x10
    mov     ds, ax
    mov     es, ax
    mov     fs, ax
    mov     gs, ax
    mov     ss, ax
    mov     esp, 0x7000
    mov     ax, 0x40
    lldt    ax
    lidt    [idt_pointer]
here:
    nop
    mov     al, [fs:0]
    out     0xe9, al
    mov     eax, [touched]
after:
    nop
    mov     al, 'e'
    out     0xe9, al
    out     0xf4, al
    hlt
debug:
    mov     eax, dr6
    and     al, 15
    add     al, '0'
    out     0xe9, al
    out     0xf4, al
    hlt
    align   8
gdt:
    dq 0
    dq 0x00cf9b000000ffff       ; 08: code, ring 0
    dq 0x00cf93000000ffff       ; 10: data, ring 0
    dq 0x00cff3000000ffff       ; 18: data, ring 3
    dq 0x00cf13000000ffff       ; 20: data, not present
    dq 0x00cf99000000ffff       ; 28: code that cannot be read
    dq 0x0040930120000fff      ; 30: data from 0x12000 on
    dq 0x00408b0130000067       ; 38: TSS at 0x13000, busy
    dq 0x000082014000000f      ; 40: LDT at 0x14000
    dq 0x0040890150000067       ; 48: TSS at 0x15000
    dq 0x00cf92000000ffff       ; 50: data, not accessed yet
    dq 0x00cf9f000000ffff       ; 58: conforming code
gdt_end:
pointer:
    dw gdt_end - gdt - 1
    dd gdt
idt_pointer:
    dw 15
    dd idt
    align 8
idt:
    dq 0
    dw debug - 0x10000, 0x08, 0x8e00, 1
    align 4096
touched: dd 5
    times 0x12000 - 0x10000 - ($ - $$) db 0
    db 'f'
    times 0x14000 - 0x10000 - ($ - $$) db 0
    dq 0
    dq 0x0040930120000fff      ; 0c: data from 0x12000 on
    times 0x16000 - 0x10000 - ($ - $$) db 0
"""


def segmented(folder: Path, technique: Technique) -> Control:
    control = controlled(folder, technique, SEGMENTED)
    go_to(control, "here")
    if control.position.phase:  # translated code: the VMM goes on with an instruction in the same unit
        assert technique is Technique.BINARY_TRANSLATION
        control.step(Grain.INSTRUCTION)
    return control


def test_an_edit_at_a_breakpoint_behind_a_trap_leaves_the_guest_at_the_breakpoint(tmp_path: Path) -> None:
    control = segmented(tmp_path, TRAP)
    assert not control.position.phase
    register(control, "ESI", "7")
    assert evaluate("eip", scene(control)) == evaluate("here", scene(control))


@pytest.mark.parametrize("selector", ["30", "c"])
@pytest.mark.parametrize("technique", BUILT, ids=lambda technique: technique.value)
def test_an_edited_selector_brings_its_segment_with_it(technique: Technique, selector: str, tmp_path: Path) -> None:
    control = segmented(tmp_path, technique)
    register(control, "FS", selector)
    held = scene(control).state.segs[FS]
    assert (held.selector, held.base, held.limit) == (int(selector, 16), 0x12000, 0xFFF)
    assert to_the_end(control) == "fe"
    control.undo()
    assert scene(control).state.segs[FS].base == 0
    assert to_the_end(control)[1:] == "e"
    control.redo()
    assert scene(control).state.segs[FS] == held
    assert [edits.described(edit) for _, edit in control.edits] == [f"FS = {int(selector, 16):04x}"]


def test_every_selector_can_be_that_of_another_register_or_its_own(control: Control, tmp_path: Path) -> None:
    technique = next(iter(control.world.guests.values())).spec.technique
    control = segmented(tmp_path, technique)
    for name in ("CS", "DS", "ES", "FS", "GS", "SS", "LDTR"):
        register(control, name, name)
    register(control, "TR", "48")
    register(control, "ES", "SS")
    assert scene(control).state.tr.base == 0x15000
    assert to_the_end(control)[1:] == "e"


def test_a_null_selector_is_taken_and_used_in_vain(control: Control, tmp_path: Path) -> None:
    technique = next(iter(control.world.guests.values())).spec.technique
    control = segmented(tmp_path, technique)
    register(control, "FS", "0")
    assert not scene(control).state.segs[FS].present
    assert to_the_end(control) == ""


def test_a_loaded_descriptor_is_marked_as_accessed(control: Control, tmp_path: Path) -> None:
    technique = next(iter(control.world.guests.values())).spec.technique
    control = segmented(tmp_path, technique)
    place = evaluate("gdt+55", scene(control))
    assert scene(control).read(place, 1) == b"\x92"
    register(control, "GS", "50")
    assert scene(control).read(place, 1) == b"\x93"
    control.undo()
    assert scene(control).read(place, 1) == b"\x92"


REFUSED = (
    ("DS", "60", "0060", "GDT ends before entry 12"),
    ("DS", "14", "0014", "LDT ends before entry 2"),
    ("SS", "0", "0", "null selector names no segment"),
    ("CS", "0", "0", "null selector names no segment"),
    ("DS", "20", "0020", "not present"),
    ("ES", "28", "0028", "cannot be read"),
    ("SS", "18", "0018", "DPL 3"),
    ("SS", "13", "0010", "RPL is 3"),
    ("DS", "38", "0038", r"TSS \(busy\)"),
    ("CS", "10", "0010", "is data"),
    ("CS", "38", "0038", r"TSS \(busy\)"),
    ("TR", "38", "0038", r"TSS \(busy\)"),
    ("TR", "10", "0010", "is data"),
    ("LDTR", "48", "0048", "is TSS"),
    ("FS", "12345", "", "16 bits"),
)


@pytest.mark.parametrize("technique", BUILT, ids=lambda technique: technique.value)
def test_a_selector_the_processor_would_refuse_is_refused_in_one_line_and_nothing_moves(
    technique: Technique, tmp_path: Path
) -> None:
    control = segmented(tmp_path, technique)
    digest = control.timeline.digest()
    for name, text, error, said in REFUSED:
        with pytest.raises(EditError, match=said) as refused:
            edits.read(Editable("register", name, scene(control).vm), text, scene(control))
        assert "\n" not in str(refused.value)
        assert not error or f"({int(error, 16):#x})" in str(refused.value) or f"({error})" in str(refused.value)
    assert control.timeline.digest() == digest


def test_a_descriptor_table_that_is_not_mapped_is_a_page_fault(tmp_path: Path) -> None:
    control = controlled(tmp_path, TRAP, PAGED_AWAY)
    go_to(control, "here")
    with pytest.raises(EditError, match=r"descriptor at 0001 1010 raises #PF"):
        edits.read(Editable("register", "DS", scene(control).vm), "10", scene(control))


PAGED_AWAY = """
bits 32
org 0x10000
start:
    mov dword [table + 0x10 * 4], 0x10003
    mov dword [table + 0x12 * 4], 0x12003
    mov dword [table + 0x13 * 4], 0x13003
    mov dword [directory], table + 3
    mov eax, directory
    mov cr3, eax
    lgdt [pointer]
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax
here:
    nop
    out 0xf4, al
    hlt
pointer: dw 0x17
    dd 0x11000
    align 4096
    times 4096 db 0
directory: times 1024 dd 0
table: times 1024 dd 0
"""


@pytest.mark.parametrize("technique", BUILT, ids=lambda technique: technique.value)
def test_an_edited_breakpoint_register_breaks(technique: Technique, tmp_path: Path) -> None:
    control = segmented(tmp_path, technique)
    register(control, "DR2", "touched")
    register(control, "DR7", "0f000020")
    assert scene(control).state.dr[2] == evaluate("touched", scene(control))
    assert evaluate("dr7", scene(control)) == 0x0F00_0420
    assert to_the_end(control)[1:] == "4"
    control.undo()
    assert to_the_end(control)[1:] == "e"


@pytest.mark.parametrize("technique", BUILT, ids=lambda technique: technique.value)
def test_an_edit_between_an_access_and_its_breakpoint_does_not_lose_which_one_it_was(
    technique: Technique, tmp_path: Path
) -> None:
    control = segmented(tmp_path, technique)
    register(control, "DR1", "touched")
    register(control, "DR7", "00f00008")
    for _ in range(4):
        control.step(Grain.INSTRUCTION)
    assert evaluate("eip", scene(control)) == evaluate("after", scene(control))
    assert scene(control).state.dr[6] & 15 == 2
    register(control, "EDI", "1")
    assert scene(control).state.dr[6] & 15 == 2
    assert to_the_end(control)[1:] == "2"


@pytest.mark.parametrize("technique", BUILT, ids=lambda technique: technique.value)
def test_edited_selectors_and_breakpoints_come_again_in_a_recording(technique: Technique, tmp_path: Path) -> None:
    control = segmented(tmp_path, technique)
    for name, text in (("FS", "30"), ("GS", "50"), ("TR", "48"), ("DR0", "touched"), ("DR7", "f0001")):
        register(control, name, text)
    at = control.position
    to_the_end(control)
    end, digest = control.position, control.timeline.digest()
    control.seek(Moment(0))
    control.seek(at)
    control.seek(end)
    assert control.timeline.digest() == digest
    path = tmp_path / "recording.json"
    save(path, control.world, control.timeline, tmp_path)
    _, _, replay = open_recording(path).replay()
    while replay.advance():
        pass
    assert replay.same


def test_a_recording_that_asks_for_what_no_processor_takes_changes_nothing(tmp_path: Path) -> None:
    for technique in BUILT:
        control = segmented(tmp_path, technique)
        held = scene(control).state
        control.inject(RegisterEdited(scene(control).vm, "SS", 0x18))
        control.inject(RegisterEdited(scene(control).vm, "CS", 0xFFFF))
        assert scene(control).state == held
        assert to_the_end(control)[1:] == "e"


HERE: list[Scene] = []


@pytest.fixture(autouse=True, scope="module")
def _here(tmp_path_factory: pytest.TempPathFactory) -> None:
    HERE[:] = [scene(controlled(tmp_path_factory.mktemp("here"), TRAP))]
