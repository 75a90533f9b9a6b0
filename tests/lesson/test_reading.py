"""What expressions read on a real world: machine, VCPU, tables, ledger, consoles; reading changes nothing."""

import pytest

from teachvm.lesson.expressions import NoValueError, compile_expression
from teachvm.lesson.names import FUNCTIONS, NAMES, RECORDS
from teachvm.lesson.scope import Record
from teachvm.vmm.techniques import Technique
from tests.lesson.worlds import Room

BARE = Technique.BARE_METAL


@pytest.fixture(scope="module")
def virtual() -> Room:
    """A guest in the middle of its program, one ring down."""
    room = Room("alpha", "beta", program="ticker")
    room.go("at('compute', process='ticker', vm='alpha')")
    return room


@pytest.fixture(scope="module")
def bare() -> Room:
    """The same on bare metal."""
    room = Room("pc", technique=BARE, program="ticker")
    room.go("at('compute', process='ticker')")
    return room


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("cpu.cpl", 3),
        ("alpha.vcpu.cpl", 3),
        ("cpu.flags.IF", 1),
        ("alpha.vcpu.flags.IF", 1),
        ("flags.IF == cpu.flags.IF", True),
        ("cpu.flags.IOPL", 0),
        ("alpha.vcpu.cr3 != cpu.cr3", True),
        ("alpha.vcpu.eip == cpu.eip", True),
        ("vcpu.eip == alpha.vcpu.eip", True),
        ("alpha.vcpu.idtr.base == label('idt')", True),
        ("cpu.idtr.base > 0xffc00000", True),
        ("alpha.vcpu.paging and cpu.paging", True),
        ("alpha.vcpu.tr", 0x28),
        ("alpha.vcpu.cs", 0x1B),
        ("running", "program"),
        ("current", "alpha"),
        ("alpha.running", True),
        ("beta.running", False),
        ("alpha.ended or stopped", False),
        ("alpha.technique", "trap-and-emulate"),
        ("alpha.memory", 2 << 20),
        ("alpha.vmm_cycles >= 2000 * alpha.entries // 2", True),
        ("count('trap') == alpha.entries + beta.entries", True),
        ("count('trap', vm='alpha') == alpha.entries", True),
        ("count('trap', reason='lgdt', vm='alpha')", 1),
        ("count('trap', reason='mov_cr') == count('trap', reason='mov-cr')", True),
        ("cost(vm='alpha') == alpha.vmm_cycles", True),
        ("cost(reason='lgdt', vm='alpha') >= 2000", True),
        ("cost(reason='rdtsc')", 0),
        ("last('trap', vm='beta').vm", "beta"),
        ("last('fault', vm='beta').happened or true", True),
        ("count('exit') + count('callout') + count('translated')", 0),
        ("count('hypercall') + count('chained') + count('invalidated')", 0),
        ("count('walk') < count('reference') <= 2 * count('walk')", True),
        ("'tinyos 1: ' in console('alpha')", True),
        ("console('alpha') == alpha.console", True),
        ("printed('tinyos ', vm='alpha')", 1),
        ("printed('nothing like this', vm='alpha')", None),
        ("memory(label('ticks')) >= 0", True),
        ("memory(label('compute', process='ticker'), size=1)", 0xB9),  # mov ecx, imm32
        ("memory(0x30000000)", None),
        ("host(0x10000, vm='alpha') != host(0x10000, vm='beta')", True),
        ("host(0x7fffffff, vm='alpha')", None),
        ("walk(cpu.eip).present", True),
        ("walk(cpu.eip).user", True),
        ("walk(cpu.eip).directory == cpu.eip >> 22", True),
        ("walk(cpu.eip).table == cpu.eip >> 12 & 1023", True),
        ("walk(cpu.eip).offset == cpu.eip & 0xfff", True),
        ("walk(cpu.eip).references", 2),
        ("walk(cpu.eip).pde.address == alpha.vcpu.cr3 + 4 * (cpu.eip >> 22)", True),
        ("walk(cpu.eip).pte.frame | walk(cpu.eip).offset == walk(cpu.eip).physical", True),
        ("walk(0x30000000).pte.present", None),
        ("walk(0x30000000).references", 1),
        ("walk(0).present", False),
        ("tlb(cpu.eip).frame == host(walk(cpu.eip).pte.frame)", True),
        ("tlb(0x30000000).hit", False),
        ("tlb(0x30000000).frame", None),
        ("bit(0b1010, 3)", 1),
        ("hex(0x00100247)", "0010 0247"),
        ("hex(0x123456789a)", "12 3456 789a"),
        ("label('sched_lock', vm='alpha') == label('sched_lock', vm='beta')", True),
        ("measured('POPF').silent and not measured('POPF').same", True),
        ("measured('POP').vector", 13),
        ("measured('POP', ring=0).same", True),
        ("measured('SGDT').same", True),
        ("measured('MOV', ring=3).eax & 3", 3),
        ("moment.phase", 0),
        ("moment.n > 1000", True),
        ("run.instructions == moment.n", True),
        ("run.entries == alpha.entries + beta.entries", True),
        ("run.vmm_cycles + moment.n <= run.cycles", True),
        ("run.cycles == cycles", True),
    ],
)
def test_a_name_has_the_value_the_machine_holds(virtual: Room, text: str, value: object) -> None:
    assert virtual.value(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("cpu.cpl == pc.vcpu.cpl", True),
        ("pc.vcpu.cr3 == cpu.cr3", True),
        ("current", "host"),
        ("running", "program"),
        ("pc.running", True),
        ("pc.technique", "bare-metal"),
        ("pc.entries + pc.vmm_cycles + count('trap')", 0),
        ("host(0x1234, vm='pc')", 0x1234),
        ("host(0x1234, vm='host')", 0x1234),
        ("tlb(cpu.eip).frame == walk(cpu.eip).pte.frame", True),
        ("last('trap').happened", False),
        ("last('trap').reason", None),
        ("pc.instructions == cycles", True),
        ("count('syscall')", 1),
        ("'tinyos' in console('host')", True),
    ],
)
def test_bare_metal_answers_to_the_lessons_name_and_to_host(bare: Room, text: str, value: object) -> None:
    assert bare.value(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("walk(1).present", "paging is off, there is nothing to walk"),
        ("memory(0, size=3)", "memory is read in 1, 2 or 4 bytes"),
        ("bit(1, 64)", "bits are numbered from 0 to 63"),
        ("measured('POPF', ring=2).silent", "the gallery is measured in rings 0, 1 and 3"),
        ("label('no_such')", "no label 'no_such' in tinyos"),
    ],
)
def test_what_cannot_be_told_now_is_said_in_words(text: str, message: str) -> None:
    with pytest.raises(NoValueError, match=message):
        Room("alpha").value(text)


def test_a_vm_that_is_not_there_has_no_values() -> None:
    room = Room("alpha")
    room.known = compile_expression("1", room.known) and type(room.known)(vms=("alpha", "gamma"))
    with pytest.raises(NoValueError, match="there is no VM 'gamma' in this world"):
        room.value("gamma.ended")


def test_counting_goes_on_where_it_stopped_and_starts_again_in_the_past() -> None:
    room = Room("alpha")
    room.go("trap(nth=5)", "at")
    assert room.value("count('trap')") == 5
    room.go("trap(nth=3)", "at")
    assert room.value("count('trap')") == 8
    assert room.value("count('trap', recent=true)") == 3
    room.timeline.seek(room.timeline.position._replace(n=0, phase=0))
    assert room.value("count('trap')") == 0


def test_reading_every_name_and_field_changes_nothing(virtual: Room) -> None:
    digest = virtual.timeline.digest()
    seen: set[str] = set()

    def read(value: object) -> None:
        if isinstance(value, Record):
            seen.add(value.kind)
            for field in RECORDS[value.kind]:
                read(value.field(field.name))
        else:
            assert value is None or isinstance(value, int | str)

    for name in (*(name.name for name in NAMES), "alpha", "beta"):
        read(virtual.scope.name(name))
    read(virtual.scope.call("walk", [virtual.world.host.machine.cpu.eip], {}))
    read(virtual.scope.call("tlb", [virtual.world.host.machine.cpu.eip], {}))
    read(virtual.scope.call("last", ["trap"], {}))
    read(virtual.scope.call("measured", ["LAR"], {}))
    assert seen == set(RECORDS)
    assert virtual.timeline.digest() == digest


def test_every_function_of_the_table_is_bound(virtual: Room) -> None:
    given = {
        "walk": [0x10000], "tlb": [0x10000], "memory": [0x10000], "label": ["idle"], "at": ["idle"], "count": ["trap"],
        "cost": [], "measured": ["POPF"], "last": ["trap"], "console": [], "printed": ["x"], "host": [0], "bit": [1, 0],
        "hex": [1],
    }  # fmt: skip
    assert set(given) == {function.name for function in FUNCTIONS}
    for name, arguments in given.items():
        virtual.scope.call(name, arguments, {})


def test_who_is_running_is_told_at_every_phase_of_a_trap() -> None:
    room = Room("alpha")
    room.go("trap('lidt')", "before")
    told = [room.value("running")]
    while room.timeline.position.n == 15:
        room.timeline.step()
        told.append(room.value("running"))
    assert told[0] == told[-1] == "kernel"
    assert "vmm" in told
