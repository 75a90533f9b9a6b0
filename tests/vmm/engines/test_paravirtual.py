"""A kernel that knows of the VMM: what it asks for, what it gets, and what it can never reach."""

from __future__ import annotations

import struct
from pathlib import Path
from random import Random

import pytest

from teachvm.guest.image import GuestError
from teachvm.guest.library import build
from teachvm.host.stop import StopKind
from teachvm.isa.decode import decode
from teachvm.isa.row import InstructionClass
from teachvm.machine.events import SoftwareInterrupted
from teachvm.trace.moment import Moment
from teachvm.trace.timeline import Timeline
from teachvm.vmm import hypercalls
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.events import FaultClassified, FaultKind, HypercallMade, VmmEntered
from teachvm.vmm.hypercalls import Hypercall
from teachvm.vmm.techniques import Technique
from teachvm.vmm.vm import Vm
from teachvm.world import build as world_build
from teachvm.world.spec import HostSpec, ProgramSpec, SpecError, VmSpec, WorldSpec
from teachvm.world.world import World
from tests.guest.bare import BareMetal
from tests.vmm.room import CODE, DIRECTORY, MIB, TABLE, Room
from tests.vmm.test_isolation import Watch

SAMPLE = 60
SOAK = 40_000
TURNS = 120
MEMORY_FAULTS = {EntryReason.PAGE_FAULT_TRUE, EntryReason.PAGE_FAULT_HIDDEN, EntryReason.PAGE_FAULT_DIRTY}
Programs = tuple[tuple[str, int], ...]
SETS: dict[str, tuple[str, Programs]] = {
    "tickers": ("tinyos", (("ticker", 0), ("ticker", 0))),
    "everything": ("tinyos", (("hello", 0), ("sieve", 300), ("pages", 0), ("pages", 1), ("pages", 2), ("pages", 3))),
    "children": ("tinyos2", (("forker", 2), ("writer", 0))),
}


def world(guest: str, programs: Programs, technique: Technique = Technique.PARAVIRTUAL) -> World:
    started = tuple(ProgramSpec(name, arg) for name, arg in programs)
    vm = VmSpec("alpha", guest, technique=technique, programs=started)
    return world_build.build(WorldSpec(HostSpec(vms=(vm,))))


def finished(one: World, limit: int = 300_000) -> Vm:
    for _ in range(limit):
        if not one.unit():
            break
    assert one.stopped is not None
    vm = one.host.tenants["alpha"]
    assert isinstance(vm, Vm)
    return vm


def room(source: str, **arguments: bool) -> Room:
    return Room(source, technique=Technique.PARAVIRTUAL, **arguments)


def call(number: int, ebx: int = 0, ecx: int = 0, edx: int = 0) -> str:
    return f"mov eax, {number} \n mov ebx, {ebx} \n mov ecx, {ecx} \n mov edx, {edx} \n int 0x82 \n"


def answered(source: str) -> int | None:
    """What the last of some hypercalls gave."""
    here = room(source + "stop: nop \n").to_label("stop")
    return here.events(HypercallMade)[-1].result


# ---- the guest --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETS)
def test_the_console_says_what_it_says_on_bare_metal(name: str) -> None:
    guest, programs = SETS[name]
    one = world(guest, programs)
    vm = finished(one)
    theirs, ours = BareMetal(guest, programs).run(600_000).splitlines(), one.console("alpha").splitlines()
    assert sorted(ours) == sorted(theirs)
    assert ours[-1] == "ticks: 3"
    assert one.stopped is not None
    assert one.stopped.text == "alpha shut down"
    assert set(vm.ledger.counts) <= MEMORY_FAULTS | {EntryReason.HYPERCALL, EntryReason.EXTERNAL_INTERRUPT} | (
        {EntryReason.EXCEPTION_REFLECTED} if name == "everything" else set()
    )


def test_two_tickers_take_turns_exactly_as_on_bare_metal() -> None:
    one = world(*SETS["tickers"])
    vm = finished(one)
    assert one.console("alpha") == BareMetal(*SETS["tickers"]).run()
    assert vm.ledger.cycles[EntryReason.HYPERCALL] > 0
    assert vm.emulated == 0, "nothing of it needed to be emulated"
    assert vm.direct > 30_000


@pytest.mark.parametrize("guest", ["tinyos", "tinyos2"])
def test_kernel_for_a_vmm_has_no_instruction_that_would_trap_or_that_lies_outside_ring_0(guest: str) -> None:
    harmless = {"JMPF", "MOV", "INT"}
    for piece in build(guest, paravirtual=True).symbols.kernel.assembly.pieces:
        if piece.agreement is not None:
            row = decode(piece.data[: len(piece.data) // piece.repeated]).row
            assert row.klass is InstructionClass.INNOCUOUS or row.mnemonic in harmless, f"{piece.address:#x} {row}"


def test_numbers_of_the_guest_are_those_of_the_table() -> None:
    symbols = build("tinyos", paravirtual=True).symbols.kernel.assembly.symbols
    named = {name: value for name, value in symbols.items() if name.startswith("HYPERCALL_")}
    assert named == {f"HYPERCALL_{each.name}": int(each) for each in Hypercall} | {
        "HYPERCALL_VECTOR": hypercalls.HYPERCALL_VECTOR
    }
    for name in ("SHARED_MASK", "SHARED_PENDING", "SHARED_FAULT", "EVENT_TIMER", "EVENT_CONSOLE"):
        assert symbols[name] == getattr(hypercalls, name)
    assert symbols["VECTOR_EVENT"] == hypercalls.EVENT_VECTOR
    assert symbols["MOST_UPDATES"] <= hypercalls.MOST_UPDATES
    assert symbols["MOST_TEXT"] == hypercalls.MOST_TEXT


def test_hypercall_is_a_software_interrupt_from_ring_1_into_ring_0() -> None:
    here = room(call(Hypercall.DELIVER_EVENTS) + "nop")
    cpu = here.machine.cpu
    here.units(4)
    assert cpu.cpl == 1
    here.unit()
    (entered,) = here.events(VmmEntered)[-1:]
    assert (entered.reason, entered.vector, entered.error) == (EntryReason.HYPERCALL, 0x82, None)
    (raised,) = here.events(SoftwareInterrupted)
    assert (raised.vector, raised.at.n) == (0x82, entered.at.n)
    assert cpu.cpl == 1, "and it goes on there"


def test_system_call_of_a_program_goes_past_the_vmm() -> None:
    one = world("tinyos", (("hello", 0),))
    finished(one)
    calls = [event for event in one.recorder.log.of(SoftwareInterrupted) if event.vector == 0x80]
    entries = {event.at.n for event in one.recorder.log.of(VmmEntered)}
    assert len(calls) == 4
    assert not [event for event in calls if event.at.n in entries]


def test_updates_of_page_tables_come_in_batches() -> None:
    one = world("tinyos2", (("forker", 2), ("pages", 0)))
    finished(one)
    updates = [event for event in one.recorder.log.of(HypercallMade) if event.name == "mmu-update"]
    assert max(event.result or 0 for event in updates) >= 3
    assert all(event.result == dict(event.arguments)["count"] for event in updates)


def test_pages_a_program_was_given_cost_no_hidden_fault() -> None:
    one = world("tinyos", (("hello", 0), ("pages", 0)))
    finished(one)
    faults = list(one.recorder.log.of(FaultClassified))
    assert {event.kind for event in faults if event.user} == {FaultKind.TRUE}
    assert FaultKind.HIDDEN in {event.kind for event in faults}, "the kernel's own pages come as it touches them"
    assert FaultKind.TRACE not in {event.kind for event in faults}


def test_a_long_text_reaches_the_console_whole(tmp_path: Path) -> None:
    (tmp_path / "long.asm").write_text(
        "bits 32\norg 0x08048000\nmov eax, 4\nmov ebx, 1\nmov ecx, text\nmov edx, 9000\nint 0x80\n"
        "xor ebx, ebx\nmov eax, 1\nint 0x80\nalign 4096, db 0\ntext: times 4500 db 'ab'\n"
    )
    vm = VmSpec("alpha", "tinyos", technique=Technique.PARAVIRTUAL, programs=(ProgramSpec("long.asm"),))
    one = world_build.build(WorldSpec(HostSpec(vms=(vm,))), tmp_path)
    finished(one)
    assert "ab" * 4500 + "pid 1 (long) exited: 0" in one.console("alpha")
    lengths = [dict(e.arguments)["count"] for e in one.recorder.log.of(HypercallMade) if e.name == "console-write"]
    assert [length for length in lengths if length > 100] == [4096, 4096, 808]


def test_typing_reaches_a_program_as_an_event() -> None:
    one = world("tinyos2", (("shell", 0),))
    for _ in range(60_000):
        one.unit()
        if one.console("alpha").endswith("$ "):
            break
    one.guests["alpha"].board.console.receive(b"hello\nexit\n")
    finished(one)
    assert "$ hello from tinyos, process 2\n$ pid 1 (shell) exited: 0\nticks: 3" in one.console("alpha")


# ---- guests that do not know --------------------------------------------------------------------------


def test_kernel_built_for_a_machine_is_ended_with_one_line() -> None:
    here = room("nop \n lgdt [0x9000]")
    assert here.finish() == (
        "alpha: this guest does not know hypercalls: its kernel executed `lgdt [0x9000]` at 0x10001; "
        "choose another technique"
    )
    assert here.vm.ended is not None
    assert here.vm.ended.kind is StopKind.GUEST_FAILURE


def test_guest_that_makes_no_hypercall_at_all_is_refused_before_it_runs(tmp_path: Path) -> None:
    (tmp_path / "mine.asm").write_text("org 0x10000\ncli\nhlt\n")
    with pytest.raises(GuestError, match=r"does not know hypercalls: mine\.asm was built for a machine"):
        world_build.build(
            WorldSpec(HostSpec(vms=(VmSpec("alpha", "mine.asm", technique=Technique.PARAVIRTUAL),))), tmp_path
        )


def test_lock_step_has_nothing_to_compare_another_build_with() -> None:
    from teachvm.world.divergence import LockStep

    with pytest.raises(SpecError, match="another build of its kernel"):
        LockStep(world(*SETS["tickers"]).spec)


# ---- what is asked for --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "result"),
    [
        (call(0), -38),
        (call(99), -38),
        (call(Hypercall.SET_SHARED_INFO, 0x9000), 0),
        (call(Hypercall.SET_SHARED_INFO, 0x9004), -22),
        (call(Hypercall.SET_SHARED_INFO, 0x10_0000), -22),
        (call(Hypercall.SET_SHARED_INFO, 0xFFFF_F000), -22),
        (call(Hypercall.SET_PAGE_TABLE, DIRECTORY), 0),
        (call(Hypercall.SET_PAGE_TABLE, DIRECTORY + 8), -22),
        (call(Hypercall.SET_PAGE_TABLE, 0x4000_0000), -22),
        (call(Hypercall.SET_TRAP_TABLE, 0x70_0000), -14),
        (call(Hypercall.MMU_UPDATE, 0x70_0000, 1), -14),
        (call(Hypercall.MMU_UPDATE, 0x2_0000, 0), 0),
        (call(Hypercall.MMU_UPDATE, 0x2_0000, 1025), -22),
        (call(Hypercall.RELEASE_TABLE, 0x10_0000), -22),
        (call(Hypercall.STACK_SWITCH, 0x10, 0x4_4000), 0),
        (call(Hypercall.STACK_SWITCH, 0xFFF0, 0x4_4000), -22),
        (call(Hypercall.STACK_SWITCH, 0x14, 0x4_4000), -22),
        (call(Hypercall.SET_TIMER, 0), -22),
        (call(Hypercall.SET_TIMER, 0x1_0000), -22),
        (call(Hypercall.SET_TIMER, 1000), 0),
        (call(Hypercall.CONSOLE_WRITE, CODE, 3), 3),
        (call(Hypercall.CONSOLE_WRITE, CODE, 5000), -22),
        (call(Hypercall.CONSOLE_WRITE, 0xF_FFFE, 4), -14),
        (call(Hypercall.CONSOLE_READ, CODE, 4), 0),
    ],
)
def test_call_that_asks_for_too_much_is_answered_with_an_error(source: str, result: int) -> None:
    assert answered(source) == result


@pytest.mark.parametrize(
    ("entry", "value", "result"),
    [
        (TABLE + 4 * 0x50, 0x5_1067, 1),
        (TABLE + 4 * 0x50, 0, 1),
        (TABLE + 2, 0x5_1067, -22),
        (TABLE + 4 * 0x50, 0x10_0067, -22),
        (TABLE + 4 * 0x50, 0xFFFF_F067, -22),
        (0x10_0000, 0x5_1067, -22),
    ],
)
def test_update_is_made_only_for_frames_the_guest_owns(entry: int, value: int, result: int) -> None:
    here = room(call(Hypercall.MMU_UPDATE, 0x2_0000, 1) + "mov eax, [0x50000] \n stop: nop")
    here.vm.memory.write_bytes(0x2_0000, struct.pack("<2I", entry, value))
    before = here.vm.memory.read(entry, 4)
    here.units(5)
    assert here.events(HypercallMade)[-1].result == result
    assert here.vm.memory.read(entry, 4) == (value if result > 0 else before)
    if result > 0 and value:
        here.vm.memory.write(0x5_1000, 4, 0x1234)
        here.to_label("stop")
        assert here.vm.vcpu.state().regs[0] == 0x1234
        assert here.reasons()[-1] is EntryReason.HYPERCALL, "no hidden fault: the VMM's entry is there already"


def test_programs_may_make_no_hypercall() -> None:
    here = room("int 0x82", user=True)
    assert "#GP(0x0412) at eip 0x00010000, and no handler for it" in here.finish()


def test_kernel_may_read_the_time() -> None:
    here = room("rdtsc \n stop: nop").to_label("stop")
    assert here.reasons() == [EntryReason.PAGE_FAULT_HIDDEN, EntryReason.RDTSC]


def test_trap_table_cannot_lead_into_the_vmm() -> None:
    from teachvm.vmm.region import VMM_CS

    table = struct.pack("<BBHI", 0x80, 3, VMM_CS, 0x1_0000) + bytes(8)
    here = room(call(Hypercall.SET_TRAP_TABLE, 0x2_0000) + "nop")
    here.vm.memory.write_bytes(0x2_0000, table)
    here.units(7)
    assert here.events(HypercallMade)[-1].result == -22


def test_return_from_a_trap_to_nowhere_ends_the_guest() -> None:
    text = room("push dword 2 \n push dword 0x1234 \n push dword 0 \n push dword 0 \n" + call(Hypercall.IRET)).finish()
    assert "in the return from a trap" in text


# ---- whatever is asked for ----------------------------------------------------------------------------


def hostile(seed: int) -> str:
    """A guest that makes hypercalls with arguments nobody would give, among stores into what it has handed over."""
    random = Random(seed)
    known = (0x1000, DIRECTORY, TABLE, 0x9000, 0x2_0000, 0x4_4000, CODE, 0xF_F000, 0x10_0000, 0xFFC0_0000, 0x10, 3, 64)

    def word() -> int:
        return random.choice(
            (random.choice(known), random.choice(known) + random.randrange(-8, 9), random.getrandbits(32))
        )

    lines = []
    for _ in range(12):
        if random.random() < 0.3:
            lines.append(f"mov dword [{random.choice(known) & 0xFF_FFFC:#x}], {word() & 0xFFFF_FFFF:#x}")
        if random.random() < 0.1:
            lines.append("int 0x80")
        number = random.choice((*Hypercall, Hypercall.MMU_UPDATE, Hypercall.SET_TRAP_TABLE, random.getrandbits(8)))
        lines.append(call(int(number), word() & 0xFFFF_FFFF, word() & 0xFFFF_FFFF, word() & 0xFFFF_FFFF))
    here = Room("\n".join(lines), technique=Technique.PARAVIRTUAL, memory_bytes=2 * MIB)
    memory = here.vm.memory
    for place in (0x9000, 0x2_0000, 0x4_0000 - 64):
        memory.write_bytes(place, b"".join((word() & 0xFFFF_FFFF).to_bytes(4, "little") for _ in range(32)))
    if random.random() < 0.5:
        traps = [(random.choice((3, 13, 14, 0x20, 0x80)), random.choice((0, 3)), 8, 0x8000) for _ in range(6)]
        memory.write_bytes(0x2_0000, b"".join(struct.pack("<BBHI", *trap) for trap in traps) + bytes(8))
    watch = Watch(here)
    for _ in range(TURNS):
        if here.host.stopped is not None:
            break
        here.host.turn()
    watch.check()
    return "runs" if here.host.stopped is None else here.host.stopped.text


def test_random_hypercalls_touch_no_frame_outside_the_guest() -> None:
    outcomes = {hostile(seed)[:30] for seed in range(SAMPLE)}
    assert len(outcomes) > 2


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(8))
def test_many_random_hypercalls_touch_no_frame_outside_the_guest(part: int) -> None:
    for seed in range(SAMPLE + part, SOAK, 8):
        hostile(seed)


# ---- time, and what can be thrown away ------------------------------------------------------------------


def test_going_back_and_coming_again_gives_the_same() -> None:
    programs = (("forker", 1),)
    straight = Timeline(world("tinyos2", programs), spacing=10**9)
    digests = {}
    for n in range(0, 16_000, 1_600):
        straight.seek(Moment(n))
        digests[straight.position] = straight.digest()
    jumping = Timeline(world("tinyos2", programs), spacing=900)
    moments = list(digests)
    for moment in (*moments[::-1], *moments[::3]):
        jumping.seek(moment)
        assert jumping.digest() == digests[moment]


def test_every_attribute_is_either_state_or_derived() -> None:
    one = world("tinyos2", (("forker", 1),))
    for _ in range(9_000):
        one.unit()
    for path, thing in one.registry.items():
        held = set(getattr(thing, "__dict__", {}))
        assert held <= {*thing.STATE, *thing.DERIVED}, path


def test_dropping_derived_state_at_random_moments_changes_nothing_the_guest_does() -> None:
    programs: Programs = (("forker", 2), ("pages", 0))
    calm, shaken, random, drops = world("tinyos2", programs), world("tinyos2", programs), Random(3), 0
    vm = shaken.host.tenants["alpha"]
    assert isinstance(vm, Vm)
    undisturbed = finished(calm)
    while shaken.unit():
        if random.random() < 0.003:
            vm.engine.drop_derived()
            drops += 1
    assert drops > 50
    assert shaken.console("alpha") == calm.console("alpha")
    assert vm.direct + vm.emulated == undisturbed.direct + undisturbed.emulated
    assert vm.time == undisturbed.time
    assert vm.memory.read_bytes(0, 2 * MIB) == undisturbed.memory.read_bytes(0, 2 * MIB)
    assert vm.ledger.counts[EntryReason.PAGE_FAULT_HIDDEN] > 100


def test_paravirtual_and_trapped_guests_share_a_host() -> None:
    vms = tuple(
        VmSpec(name, "tinyos", technique=technique, programs=(ProgramSpec("ticker", 0x0241), ProgramSpec("pages", 0)))
        for name, technique in (("alpha", Technique.PARAVIRTUAL), ("beta", Technique.TRAP_AND_EMULATE))
    )
    both = world_build.build(WorldSpec(HostSpec(vms=vms)))
    while both.unit():
        pass
    alone = BareMetal(programs=(("ticker", 0x0241), ("pages", 0))).run()
    assert both.console("alpha") == alone
    assert both.console("beta") == alone.replace("ticks: 3", "ticks: 0")
