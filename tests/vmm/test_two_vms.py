"""Two VMs take turns on one processor, and neither can tell that the other is there."""

from __future__ import annotations

from teachvm.guest import library, loader
from teachvm.host.host import Host
from teachvm.host.scheduler import RoundRobin
from teachvm.isa.operands import DS, ES
from teachvm.machine.computer import Machine
from teachvm.trace.recorder import Recorder
from teachvm.vmm.entries import EntryReason
from teachvm.vmm.events import VcpuBlocked, VcpuSwitched
from teachvm.vmm.vm import Vm
from tests.vmm.room import MIB, Room


def run(names: tuple[str, ...], quantum: int) -> tuple[Host, list[Vm]]:
    recorder = Recorder()
    host = Host(Machine("host", 8 * MIB, recorder), recorder, scheduler=RoundRobin(quantum))
    image = library.build("tinyos", [("ticker", 0x241), ("hello", 0)])
    vms = [Vm(host, name, 2 * MIB) for name in names]
    for vm in vms:
        loader.load(image, 2 * MIB, vm.memory.write_bytes)
        loader.start(vm.vcpu.cpu, image)
    while host.stopped is None:
        host.turn()
    return host, vms


def test_two_guests_do_what_each_does_alone() -> None:
    _, (alone,) = run(("alpha",), 10_000)
    host, vms = run(("alpha", "beta"), 10_000)
    for vm in vms:
        assert vm.board.console.text == alone.board.console.text
        assert (vm.time, vm.emulated) == (alone.time, alone.emulated)
        mine, other = vm.host.machine.memory, alone.host.machine.memory
        assert all(
            mine.page(hfn) == other.page(alone_hfn)
            for hfn, alone_hfn in zip(vm.memory.pmap, alone.memory.pmap, strict=True)
        )
    switches = list(host.recorder.log.of(VcpuSwitched))
    assert len(switches) > 50
    assert {(event.before, event.after) for event in switches} == {("alpha", "beta"), ("beta", "alpha")}
    assert host.stopped is not None
    assert host.stopped.text == "alpha halted with interrupts off; beta halted with interrupts off"


def test_a_shorter_quantum_means_more_switches_and_the_same_result() -> None:
    switches = []
    for quantum in (1_000, 4_000):
        room = Room("mov ecx, 3000 \n a: inc dword [0x20000] \n loop a \n hlt", quantum=quantum)
        beta = room.add("beta", "mov ecx, 3000 \n a: inc dword [0x20000] \n loop a \n hlt")
        room.finish()
        assert room.vm.memory.read(0x2_0000, 4) == beta.memory.read(0x2_0000, 4) == 3000
        switches.append(len(room.events(VcpuSwitched)))
    assert switches[0] > 2 * switches[1] > 2


def test_hidden_parts_of_segments_survive_the_other_vm() -> None:
    # DS keeps a base its descriptor no longer has; the loop makes the quantum end many times.
    source = (
        "mov dword [0x103c], 0x00cf9302 \n mov eax, 0x38 \n mov ds, ax \n mov dword [es:0x103c], 0x00cf9303 \n"
        "mov ecx, 3000 \n a: inc dword [0] \n loop a \n hlt"
    )
    room = Room(source, quantum=3_000)
    other = room.add("beta", "mov ecx, 2000 \n a: inc dword [0x20000] \n mov eax, 0x10 \n mov ds, ax \n loop a \n hlt")
    text = room.finish()
    assert text == "alpha halted with interrupts off; beta halted with interrupts off"
    assert len(room.events(VcpuSwitched)) > 2
    assert room.vm.memory.read(0x2_0000, 4) == 3000
    assert room.vm.memory.read(0x3_0000, 4) == 0
    assert room.vm.vcpu.state().segs[DS].base == 0x2_0000
    assert other.memory.read(0x2_0000, 4) == 2000
    assert other.vcpu.state().segs[ES].base == 0


def test_a_change_of_vms_flushes_the_tlb_and_brings_the_other_s_tables() -> None:
    room = Room("a: inc dword [0x20000] \n jmp a", quantum=1_000)
    beta = room.add("beta", "a: inc dword [0x20000] \n jmp a")
    cpu = room.machine.cpu
    assert cpu.tlb is not None
    while len(room.events(VcpuSwitched)) < 6:
        room.unit()
        running = room.vm if room.host.on_cpu == "alpha" else beta
        if running.vcpu.in_guest:
            own = {hfn << 12 for hfn in running.memory.pmap}
            assert all(entry.frame in own or entry.vpn >= 0xFFC00 for entry in cpu.tlb.resident())
            assert cpu.cr3 >> 12 in running.shadow.directories.values()


def test_a_halted_vm_gives_the_processor_away() -> None:
    sleeper = (
        "mov al, 0x11 \n out 0x20, al \n mov al, 0x20 \n out 0x21, al \n mov al, 4 \n out 0x21, al \n mov al, 1 \n"
        "out 0x21, al \n mov al, 0xfe \n out 0x21, al \n mov al, 0x30 \n out 0x43, al \n mov al, 0 \n out 0x40, al \n"
        "mov al, 10 \n out 0x40, al \n sti \n hlt"
    )
    room = Room(sleeper)
    beta = room.add("beta", "mov ecx, 60000 \n a: loop a \n hlt")
    while not room.events(VcpuBlocked):
        room.unit()
    before, when = beta.time, room.clock.cycles
    wake_at = room.events(VcpuBlocked)[0].wake_at
    assert wake_at is not None
    while room.clock.cycles < wake_at and room.host.stopped is None:
        room.unit()
    # Alone on the processor, beta ran for nearly all of the time without being stopped once.
    assert beta.time - before > (wake_at - when) * 0.9 - 6_000
    assert beta.ledger.counts.get(EntryReason.EXTERNAL_INTERRUPT, 0) < 12


def test_the_host_hops_over_time_in_which_all_vms_sleep() -> None:
    sleeper = (
        "mov al, 0x11 \n out 0x20, al \n mov al, 0x20 \n out 0x21, al \n mov al, 4 \n out 0x21, al \n mov al, 1 \n"
        "out 0x21, al \n mov al, 0xfe \n out 0x21, al \n mov al, 0x30 \n out 0x43, al \n mov al, 0 \n out 0x40, al \n"
        "mov al, {} \n out 0x40, al \n sti \n hlt"
    )
    room = Room(sleeper.format(100))
    room.add("beta", sleeper.format(200))
    text = room.finish()
    assert text == "alpha halted with interrupts off; beta halted with interrupts off"
    assert room.clock.n < 100
    assert room.clock.cycles > 200 * 256 * 8
