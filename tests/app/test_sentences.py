"""One sentence for each kind of event."""

import pytest

import teachvm.machine.events
import teachvm.vmm.events
import teachvm.world.events
from teachvm.app.sentences import SENTENCES, plainly, say
from teachvm.machine.events import PageWalked, PortAccessed
from teachvm.trace.events import EVENTS
from teachvm.trace.moment import Moment
from teachvm.vmm.events import InstructionEmulated
from teachvm.vmm.faults import FaultKind

AT = Moment(7, 1)


def test_every_event_of_machine_vmm_and_world_has_a_sentence() -> None:
    ours = {kind for kind in EVENTS.values() if kind.__module__.startswith("teachvm.")}
    assert ours == set(SENTENCES)


def test_what_the_software_cpu_does_is_said_of_the_vmm() -> None:
    event = PortAccessed(AT, 10, cpu="alpha", port=0x3F8, size=1, value=0x74, direction="out")
    assert plainly(event, "host.cpu0") == "VMM writes 0x74 to port 0x3f8"
    assert plainly(event, "alpha") == "CPU writes 0x74 to port 0x3f8"


def test_a_walk_that_fails_says_how() -> None:
    event = PageWalked(
        AT, 10, cpu="c", linear=0x0900_0000, access="write", user=True, steps=(("pde", 0x1024, 0),), frame=None, error=6
    )
    assert plainly(event, "c") == "CPU walks the tables for a write at 0900 0000: 1 reference, no translation, #PF(6)"


@pytest.mark.parametrize("kind", FaultKind)
def test_every_kind_of_fault_is_named(kind: FaultKind) -> None:
    event = teachvm.vmm.events.FaultClassified(
        AT, 10, vm="alpha", kind=kind, linear=0x1000, gpa=None, guest_saw=False, write=True, user=False
    )
    assert "fault" in plainly(event, "c") or kind is FaultKind.MMIO


def test_changes_are_told_without_the_noise_of_status_flags() -> None:
    changes = (("CPL", 3, 0), ("ZF", 0, 1), ("EIP", 1, 2))
    event = InstructionEmulated(AT, 10, vm="alpha", eip=0, changes=changes)
    text = "".join(span.text for span in say(event, "c").text)
    assert text == "emulates it: vcpu.CPL ← 0, vcpu.EIP ← 0000 0002"
