"""What a VMM can compute again may be thrown away at any moment: no guest sees it."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachvm.trace.timeline import Timeline
from teachvm.vmm.addresses import Gpa
from teachvm.vmm.events import DerivedDropped
from teachvm.vmm.techniques import Technique
from teachvm.vmm.view import GuestState
from teachvm.vmm.vm import Vm
from teachvm.world.inputs import DerivedDropRequested
from teachvm.world.world import World
from tests.world.guests import KERNELS, RANDOM_KERNELS, SYSTEMS
from tests.world.kernels import MIB, TRANSLATE, TRAP, Sample, kernel, world

SEEDS = st.integers(0, 2**32 - 1)
GUESTS = ("alpha", "beta")


def vm_of(subject: World, name: str) -> Vm:
    found = subject.host.tenants[name]
    assert isinstance(found, Vm)
    return found


def completed(vm: Vm) -> int:
    """Instructions the guest has completed: what its own time consists of, besides sleep."""
    return vm.instructions


def seen_by(subject: World, vm: Vm) -> tuple[GuestState, bytes, str, str | None]:
    """Everything a guest can see, and what it wrote to the outside."""
    memory = b"".join(vm.memory.read_bytes(Gpa(gpa), 4096) for gpa in range(0, MIB, 4096))
    return vm.vcpu.state(), memory, subject.console(vm.name), vm.ended and vm.ended.text


def compare(sample: Sample, vms: int, seed: int, longest: int, technique: Technique = TRAP) -> None:
    """Run a world twice, once with drops at random moments; each guest is looked at after the same instruction."""
    random = Random(seed)
    subject = world(sample, technique, vms)
    dropped = Timeline(subject)
    looks: dict[str, dict[int, tuple[object, ...]]] = {name: {} for name in GUESTS[:vms]}
    while dropped.position.n < longest and subject.stopped is None:
        dropped.run(random.choice((1, 2, 10, 60, 300)))
        for name, seen in looks.items():
            vm = vm_of(subject, name)
            if vm.engine.settled:
                seen[completed(vm)] = seen_by(subject, vm)
        if subject.stopped is None:
            dropped.inject(DerivedDropRequested())
    plain = world(sample, technique, vms)
    for name, seen in looks.items():
        vm = vm_of(plain, name)
        for count, expected in seen.items():
            while (completed(vm) < count or not vm.engine.settled) and plain.unit():
                pass
            if technique is TRANSLATE and completed(vm) > count:
                continue  # a jump without an instruction of its own is complete with the one before it
            assert completed(vm) == count
            if vm.ended is None and expected[-1] is not None:
                while vm.ended is None and plain.unit():
                    pass
            if expected[-1] is not None or not vm.vcpu.state().halted:
                assert seen_by(plain, vm) == expected
        plain = world(sample, technique, vms)  # from the beginning again, for the other guest


TECHNIQUES = st.sampled_from((TRAP, TRANSLATE))


@given(KERNELS, st.sampled_from((1, 1, 2)), SEEDS, TECHNIQUES)
@settings(max_examples=8)
def test_no_small_kernel_sees_derived_state_go(sample: Sample, vms: int, seed: int, technique: Technique) -> None:
    compare(sample, vms, seed, 800, technique)


@given(RANDOM_KERNELS, SEEDS, TECHNIQUES)
@settings(max_examples=8)
def test_no_random_bytes_see_derived_state_go(sample: Sample, seed: int, technique: Technique) -> None:
    compare(sample, 1, seed, 300, technique)


@pytest.mark.parametrize("technique", [TRAP, TRANSLATE])
@given(sample=SYSTEMS, seed=SEEDS)
@settings(max_examples=1)
def test_tinyos_does_not_see_derived_state_go(technique: Technique, sample: Sample, seed: int) -> None:
    compare(sample, 1, seed, 6_000, technique)


@pytest.mark.soak
@given(st.one_of(KERNELS, RANDOM_KERNELS, SYSTEMS), st.sampled_from((1, 2)), SEEDS, TECHNIQUES)
@settings(max_examples=300)
def test_nobody_ever_sees_derived_state_go(sample: Sample, vms: int, seed: int, technique: Technique) -> None:
    compare(sample, vms, seed, 20_000, technique)


def test_a_drop_gives_frames_back_and_the_tables_come_again() -> None:
    subject = world(kernel([("program", 3), ("unmap", 1)], 100, 50), TRAP)
    timeline = Timeline(subject)
    timeline.run(400)
    vm = vm_of(subject, "alpha")
    assert vm.shadow.leaves
    timeline.inject(DerivedDropRequested())
    assert not vm.shadow.leaves
    assert len(list(subject.recorder.log.of(DerivedDropped))) == 1
    timeline.run(50)
    assert vm.shadow.leaves
