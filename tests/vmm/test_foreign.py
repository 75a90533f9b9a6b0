"""A guest of another processor: emulated, beside guests of this one, forwards and backwards, and on QEMU the same."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from teachvm.app.headless import Stopped, alone, run
from teachvm.guest import library
from teachvm.machine.rv32.board import RAM_BASE
from teachvm.trace.moment import Moment
from teachvm.trace.timeline import Outcome, Timeline
from teachvm.vmm.foreign import ForeignVm
from teachvm.vmm.techniques import Technique
from teachvm.world.build import build
from teachvm.world.inputs import DerivedDropRequested
from teachvm.world.spec import HostSpec, SpecError, VmSpec, WorldSpec

MIB = 1 << 20
TEXT = "rv32 demo: no instruction of mine is one of the host's\nprimes below 300: 62\n"
QEMU = shutil.which("qemu-system-riscv32")


def foreign() -> VmSpec:
    return VmSpec("gamma", "rv32", MIB, Technique.EMULATION)


def test_the_demo_counts_and_ends_its_run() -> None:
    report = run(alone("rv32"), None)
    assert (report.stopped, report.console) == (Stopped.ENDED_WELL, {"rv32": TEXT})
    assert report.entries == {"rv32": {}}


@pytest.mark.skipif(QEMU is None, reason="qemu-system-riscv32 is not installed")
def test_the_demo_says_the_same_on_qemu(tmp_path: Path) -> None:
    image = library.build("rv32")
    (segment,) = image.segments
    file = tmp_path / "demo.bin"
    file.write_bytes(segment[1])
    command = [QEMU, "-M", "virt", "-bios", "none", "-display", "none", "-serial", "stdio", "-monitor", "none"]
    loaded = f"loader,file={file},addr={RAM_BASE:#x}"
    done = subprocess.run([*command, "-device", loaded], capture_output=True, timeout=60, check=True)
    assert done.stdout.decode().replace("\r", "") == TEXT


@pytest.mark.parametrize("technique", [each for each in Technique if each is not Technique.EMULATION])
def test_no_other_technique_can_run_it_and_that_is_said(technique: Technique) -> None:
    spec = WorldSpec(HostSpec(vms=(VmSpec("gamma", "rv32", MIB, technique),)))
    with pytest.raises(SpecError, match=r"rv32 is code for a RISC-V processor.*only technique emulation can"):
        build(spec)


def test_different_systems_share_one_host_and_each_ends() -> None:
    vms = (VmSpec("alpha", "tinyos"), foreign(), VmSpec("beta", "tinyos", technique=Technique.EMULATION))
    timeline = Timeline(world := build(WorldSpec(HostSpec(vms=vms))))
    timeline.run(2_000_000)
    assert world.console("gamma") == TEXT
    assert world.console("alpha").endswith("ticks: 0\n")
    assert world.console("beta").endswith("ticks: 3\n")
    assert world.stopped is not None


def test_going_back_and_coming_again_gives_the_same() -> None:
    vms = (foreign(), VmSpec("alpha", "tinyos"))
    straight, jumping = (Timeline(build(WorldSpec(HostSpec(vms=vms)))) for _ in range(2))
    digests = {}
    for n in range(0, 60_000, 4_000):
        straight.seek(Moment(n))
        digests[n] = straight.digest()
    for n in (56_000, 4_000, 32_000, 0, 44_000):
        jumping.seek(Moment(n))
        assert jumping.digest() == digests[n]
    jumping.inject(DerivedDropRequested())


def test_all_state_is_declared() -> None:
    vm = build(WorldSpec(HostSpec(vms=(foreign(),)))).host.tenants["gamma"]
    assert isinstance(vm, ForeignVm)
    for thing in (vm, vm.cpu, vm.board.finisher):
        assert set(vars(thing)) == {*thing.STATE, *thing.DERIVED}


def test_the_end_of_a_wild_guest_is_the_same_run_to_or_stepped_to(tmp_path: Path) -> None:
    (tmp_path / "wild.asm").write_text("arch rv32\norg 0x80000000\nnop\nnop\nebreak\n", encoding="ascii")
    spec = alone("wild.asm", tmp_path)
    ran, stepped = Timeline(build(spec, tmp_path)), Timeline(build(spec, tmp_path))
    ran.run(100)
    while stepped.run(1) is Outcome.LIMIT:
        pass
    assert ran.position == stepped.position == Moment(2, 1)
    assert ran.digest() == stepped.digest()
