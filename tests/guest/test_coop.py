"""coop: another system than tinyos, on the bare machine and under every technique that can run it."""

from pathlib import Path

import pytest

from teachvm.guest.image import GuestError
from teachvm.guest.library import build
from teachvm.isa.decode import decode
from teachvm.isa.flags import IF
from teachvm.isa.row import InstructionClass
from teachvm.vmm.techniques import Technique
from teachvm.vmm.vm import Vm
from teachvm.world import build as world_build
from teachvm.world.inputs import ConsoleTyped
from teachvm.world.spec import HostSpec, ProgramSpec, VmSpec, WorldSpec
from tests.guest.bare import MIB, BareMetal

TOUR = """\
coop: one address space, and everybody waits for everybody
coop> help
help - this list
tasks - who there is, and how often each has run
mem - how much memory there is
start - one more worker
wait - until all workers are done
ticks - how often the timer has interrupted
halt - stop the machine
coop> mem
1024 KiB of memory, 15 KiB taken
coop> tasks
prompt: turns 15
idler: turns 15
coop> start
coop> start
coop> wait
worker done: 820
worker done: 820
coop> tasks
prompt: turns 74
idler: turns 74
coop> lunch
lunch: no such command; help lists them
coop> halt
halted
"""
DIRECT = [each for each in Technique if each is not Technique.PARAVIRTUAL]


def test_the_script_is_done_and_the_machine_halted() -> None:
    bare = BareMetal("coop", memory_bytes=MIB)
    assert bare.run() == TOUR
    assert bare.cpu.halted
    assert not bare.cpu.eflags & IF


@pytest.mark.parametrize("technique", DIRECT)
def test_every_technique_gives_the_same_console(technique: Technique) -> None:
    spec = WorldSpec(HostSpec(vms=(VmSpec("alpha", "coop", MIB, technique),)))
    world = world_build.build(spec)
    while world.unit():
        pass
    assert world.console(next(iter(world.guests))) == TOUR


def test_kernel_has_nothing_that_silently_acts_otherwise_outside_ring_0() -> None:
    harmless = {"JMPF", "MOV", "IRETD"}
    for piece in build("coop").symbols.kernel.assembly.pieces:
        if piece.agreement is not None:
            row = decode(piece.data[: len(piece.data) // piece.repeated]).row
            assert row.klass is not InstructionClass.SENSITIVE_UNPRIVILEGED or row.mnemonic in harmless


def own_script(folder: Path, text: str, arg: int = 0) -> BareMetal:
    (folder / "mine.asm").write_text("org 0x08048000\n" + "".join(f"db '{line}', 10\n" for line in text.splitlines()))
    return BareMetal("coop", [("mine.asm", arg)], folder=folder)


def test_a_script_without_halt_ends_the_machine_where_it_ends(tmp_path: Path) -> None:
    assert own_script(tmp_path, "mem").run().endswith("coop> mem\n2048 KiB of memory, 15 KiB taken\ncoop> \nhalted\n")


def test_tasks_take_turns_only_when_they_give_the_cpu_away(tmp_path: Path) -> None:
    text = own_script(tmp_path, "start\nstart\nstart\nstart\nstart\ntasks\nwait\ntasks").run()
    assert text.count("worker done: 820") == 4
    assert "as many tasks as there can be" in text
    before, after = text.split("coop> wait")
    assert before.count("worker: turns") == 4
    assert "worker: turns" not in after


def test_what_is_typed_is_shown_and_done(tmp_path: Path) -> None:
    bare = own_script(tmp_path, "mem", 1)
    for _ in range(400_000):
        bare.turn()
        if bare.cpu.halted:
            break
    assert bare.console.endswith("coop> "), "nobody is ready: it waits for input"
    for text in (b"ta", b"sks\r", b"start\nwait\n", b"\n", b"ticks\n", b"nonsense" * 10 + b"\n", b"halt\n"):
        bare.board.console.receive(text)
        for _ in range(3_000):
            bare.turn()
    text = bare.run(1_000_000)
    assert "coop> tasks\nprompt: turns" in text
    assert "coop> wait\nworker done: 820\n" in text
    assert text.endswith("coop> halt\nhalted\n")
    ticks = int(text.partition("coop> ticks\n")[2].partition("\n")[0])
    assert ticks >= 1, "waiting takes time, and the timer counts it"


def test_typing_works_in_a_vm_too(tmp_path: Path) -> None:
    (tmp_path / "mine.asm").write_text("org 0x08048000\ndb 10\n")
    vms = (VmSpec("alpha", "coop", MIB, programs=(ProgramSpec("mine.asm", 1),)),)
    world = world_build.build(WorldSpec(HostSpec(vms=vms)), tmp_path)
    vm = world.host.tenants["alpha"]
    assert isinstance(vm, Vm)
    for _ in range(60_000):
        world.unit()
        if vm.vcpu.cpu.halted:
            break
    ConsoleTyped("alpha", b"help\nhalt\n").apply(world)
    while world.unit():
        pass
    assert world.console("alpha").endswith("coop> halt\nhalted\n")


def test_programs_and_systems_that_do_not_fit_are_named() -> None:
    with pytest.raises(GuestError, match="hello is a program for tinyos; coop has tour"):
        build("coop", [("hello", 0)])
    with pytest.raises(GuestError, match="tour is a program for coop; tinyos2 has copier, forker"):
        build("tinyos2", [("tour", 0)])
