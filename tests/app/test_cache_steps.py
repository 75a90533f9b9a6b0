"""Steps over translated code: one instruction of the guest may be several of the processor, both ways."""

from __future__ import annotations

from teachvm.app.control import Control
from teachvm.trace.grain import Grain
from teachvm.vmm.engines.translate.engine import BinaryTranslation
from teachvm.vmm.vm import Vm
from tests.app.test_control import control_of, label, standing
from tests.world.kernels import TRANSLATE
from tests.world.test_divergence import SMALL

SOURCE = SMALL.format(
    code="""mov edi, 3
again:  pushfd
        cli
        mov     eax, cs
        mov     [0x20000], eax
        popfd
        dec     edi
        jnz     again"""
)


def engine(control: Control) -> BinaryTranslation:
    vm = control.world.host.tenants["alpha"]
    assert isinstance(vm, Vm)
    assert isinstance(vm.engine, BinaryTranslation)
    return vm.engine


def at_the_loop() -> Control:
    control = control_of(SOURCE, TRANSLATE)
    for _ in range(3_000):
        if standing(control) == label(control, "again") and engine(control).in_cache and engine(control).settled:
            break
        control.step(Grain.PROCESSOR)
    control.step(Grain.INSTRUCTION)
    while standing(control) != label(control, "again"):
        control.step(Grain.INSTRUCTION)
    return control


def test_a_step_of_one_guest_instruction_passes_over_all_that_stands_for_it() -> None:
    control = at_the_loop()
    places, moments = [standing(control)], [control.position]
    for _ in range(8):
        control.step(Grain.INSTRUCTION)
        assert engine(control).settled
        places.append(standing(control))
        moments.append(control.position)
    first = label(control, "again")
    assert [place - first for place in places[:7]] == [0, 1, 2, 4, 9, 10, 11]
    assert moments[1].n - moments[0].n > 5


def test_and_the_same_backwards() -> None:
    control = at_the_loop()
    seen = []
    for _ in range(8):
        seen.append((control.position, standing(control), control.timeline.digest()))
        control.step(Grain.INSTRUCTION)
    for position, place, digest in reversed(seen):
        control.back(Grain.INSTRUCTION)
        assert (standing(control), engine(control).settled) == (place, True)
        assert (control.position, control.timeline.digest()) == (position, digest)


def test_a_processor_step_shows_each_instruction_in_the_cache_and_goes_back() -> None:
    control = at_the_loop()
    start, digest = control.position, control.timeline.digest()
    inside = 0
    for _ in range(9):
        control.step(Grain.PROCESSOR)
        inside += not engine(control).settled
    assert inside >= 4
    for _ in range(9):
        control.back(Grain.PROCESSOR)
    assert (control.position, control.timeline.digest()) == (start, digest)
