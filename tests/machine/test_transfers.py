"""Far jumps, calls and returns, call gates, IRET: between segments and between rings."""

import struct

import pytest

from teachvm.isa.descriptors import CALL_GATE_16, CALL_GATE_32, INTERRUPT_GATE_32, TASK_GATE, Gate
from teachvm.isa.flags import AC, CF, DF, ID, IF, IOPL_MASK, NT, RF, TF, VIF, VIP, VM
from teachvm.isa.operands import CS, DS, ES, ESP, FS, GS, SS
from teachvm.machine.events import InterruptReturned
from teachvm.machine.exceptions import CpuStopped, StopReason
from tests.machine.pc import (
    CODE,
    DONE,
    FREE_SELECTOR,
    KERNEL_CODE,
    KERNEL_DATA,
    KERNEL_STACK,
    RING1_CODE,
    SPARE_TSS,
    STACK,
    TSS_SELECTOR,
    USER_CODE,
    USER_DATA,
    USER_STACK,
    Pc,
    descriptor,
)

GP, NP, SS_FAULT, TS = 13, 11, 12, 10
GATE = 0x68
CONFORMING = 0x70


@pytest.fixture
def pc() -> Pc:
    pc = Pc()
    pc.describe(CONFORMING, descriptor(0, 0xFFFFF, 0x9F, 0xC))
    return pc


def put_gate(pc: Pc, target: int, *, dpl: int = 3, type_: int = CALL_GATE_32, present: bool = True, params: int = 0,
             offset: int = CODE + 0x100) -> None:  # fmt: skip
    pc.describe(GATE, Gate(target, offset, type_, dpl, present, params).pack())
    pc.memory.write_bytes(CODE + 0x100, b"\xcd\x30")


# ---- direct ----------------------------------------------------------------------------------------


def test_a_far_jump_loads_cs_and_keeps_the_ring(pc: Pc) -> None:
    caught = pc.run(f"jmp {USER_CODE & ~3}:there\nnop\nthere: int 0x30", 3)
    assert (caught.vector, caught.cs) == (DONE, USER_CODE)


@pytest.mark.parametrize(
    ("selector", "access", "ring", "outcome"),
    [
        pytest.param(0, None, 0, (GP, 0), id="null"),
        pytest.param(0x100, None, 0, (GP, 0x100), id="outside the GDT"),
        pytest.param(KERNEL_DATA, None, 0, (GP, KERNEL_DATA), id="data"),
        pytest.param(KERNEL_CODE, None, 3, (GP, KERNEL_CODE), id="an inner ring"),
        pytest.param(USER_CODE, None, 0, (GP, USER_CODE & ~3), id="an outer ring"),
        pytest.param(KERNEL_CODE | 3, None, 0, (GP, KERNEL_CODE), id="RPL above CPL"),
        pytest.param(FREE_SELECTOR, 0x1B, 0, (NP, FREE_SELECTOR), id="not present"),
        pytest.param(CONFORMING, None, 3, (DONE, None), id="conforming code of an inner ring"),
        pytest.param(FREE_SELECTOR, 0xFF, 0, (GP, FREE_SELECTOR), id="conforming code of an outer ring"),
    ],
)
@pytest.mark.parametrize("instruction", ["jmp", "call"])
def test_direct_far_transfers_are_checked(
    pc: Pc, instruction: str, selector: int, access: int | None, ring: int, outcome: tuple[int, int | None]
) -> None:
    if access is not None:
        pc.describe(FREE_SELECTOR, descriptor(0, 0xFFFFF, access, 0xC))
    caught = pc.run(f"{instruction} {selector}:there\nthere: int 0x30", ring)
    assert (caught.vector, caught.error) == outcome
    if outcome[0] == DONE:
        assert caught.cs == selector & ~3 | ring
    else:
        assert (caught.eip, caught.cs & 3) == (CODE, ring)


def test_a_target_beyond_the_limit_is_gp_0_before_anything_is_pushed(pc: Pc) -> None:
    pc.describe(FREE_SELECTOR, descriptor(0, 0xFF, 0x9B, 4))
    for instruction in ("jmp", "call"):
        caught = pc.run(f"{instruction} {FREE_SELECTOR}:0x100")
        assert (caught.vector, caught.error, caught.eip) == (GP, 0, CODE)
        assert pc.cpu.regs[ESP] == STACK - 16


def test_a_far_call_pushes_cs_and_eip_and_retf_goes_back(pc: Pc) -> None:
    caught = pc.run("call 8:there\nint 0x30\nthere: mov eax, [esp]\nmov edx, [esp + 4]\nretf 8", 0)
    assert (caught.vector, pc.cpu.regs[0], pc.cpu.regs[2]) == (DONE, CODE + 7, KERNEL_CODE)
    assert pc.cpu.regs[ESP] == STACK + 8 - 12


def test_a_sixteen_bit_far_call_pushes_words(pc: Pc) -> None:
    pc.load("db 0x66, 0x9a\ndw 0x4000, 8")
    pc.step()
    assert pc.cpu.regs[ESP] == STACK - 4
    assert struct.unpack("<HH", pc.memory.read_bytes(STACK - 4, 4)) == (CODE + 6 & 0xFFFF, KERNEL_CODE)
    assert pc.cpu.eip == 0x4000


def test_a_far_pointer_in_memory_serves_as_well(pc: Pc) -> None:
    source = "jmp far [pointer]\npointer: dd there\ndw 8\nnop\nthere: int 0x30"
    assert pc.run(source).vector == DONE


# ---- call gates --------------------------------------------------------------------------------------


def test_a_gate_to_the_same_ring_is_a_plain_far_call_to_its_own_offset(pc: Pc) -> None:
    put_gate(pc, KERNEL_CODE)
    caught = pc.run(f"call {GATE}:0x12345678")
    assert (caught.vector, caught.eip) == (DONE, CODE + 0x102)
    assert pc.memory.read32(STACK - 8) == CODE + 7


def test_a_gate_to_an_inner_ring_switches_stacks_and_copies_parameters(pc: Pc) -> None:
    put_gate(pc, KERNEL_CODE, params=2)
    pc.enter_ring(3)
    pc.load(f"push dword 0x11\npush dword 0x22\ncall {GATE}:0")
    pc.step(3)
    cpu = pc.cpu
    assert (cpu.cpl, cpu.segs[CS].selector, cpu.segs[SS].selector, cpu.eip) == (0, 8, 0x10, CODE + 0x100)
    assert cpu.regs[ESP] == KERNEL_STACK - 24
    frame = struct.unpack("<6I", pc.memory.read_bytes(KERNEL_STACK - 24, 24))
    assert frame == (CODE + 2 + 2 + 7, USER_CODE, 0x22, 0x11, USER_STACK - 8, USER_DATA)


def test_retf_through_a_gate_releases_parameters_on_both_stacks(pc: Pc) -> None:
    put_gate(pc, KERNEL_CODE, params=2, offset=CODE + 0x200)
    pc.memory.write_bytes(CODE + 0x200, b"\xca\x08\x00")
    caught = pc.run(f"push dword 0x11\npush dword 0x22\ncall {GATE}:0\nint 0x30", 3)
    assert (caught.vector, caught.cs, caught.esp, caught.ss) == (DONE, USER_CODE, USER_STACK, USER_DATA)


def test_a_sixteen_bit_gate_pushes_words(pc: Pc) -> None:
    put_gate(pc, KERNEL_CODE, type_=CALL_GATE_16, offset=0x4000)
    pc.enter_ring(3)
    pc.load(f"call {GATE}:0")
    pc.step()
    assert (pc.cpu.regs[ESP], pc.cpu.eip) == (KERNEL_STACK - 8, 0x4000)


def test_a_jump_through_a_gate_cannot_change_the_ring(pc: Pc) -> None:
    put_gate(pc, KERNEL_CODE)
    caught = pc.run(f"jmp {GATE}:0", 3)
    assert (caught.vector, caught.error) == (GP, KERNEL_CODE)
    put_gate(pc, USER_CODE)
    assert pc.run(f"jmp {GATE}:0", 3).vector == DONE


@pytest.mark.parametrize(
    ("gate", "ring", "outcome"),
    [
        pytest.param({"dpl": 0}, 3, (GP, GATE), id="gate of an inner ring"),
        pytest.param({"present": False}, 3, (NP, GATE), id="gate not present"),
        pytest.param({"target": 0}, 3, (GP, 0), id="null target"),
        pytest.param({"target": KERNEL_DATA}, 3, (GP, KERNEL_DATA), id="target is data"),
        pytest.param({"target": USER_CODE}, 0, (GP, USER_CODE & ~3), id="target in an outer ring"),
        pytest.param({"type_": INTERRUPT_GATE_32}, 3, (GP, GATE), id="an interrupt gate"),
    ],
)
def test_call_gates_are_checked(pc: Pc, gate: dict[str, int], ring: int, outcome: tuple[int, int]) -> None:
    put_gate(pc, **{"target": KERNEL_CODE, **gate})
    caught = pc.run(f"call {GATE}:0", ring)
    assert (caught.vector, caught.error) == outcome


def test_a_missing_parameter_faults_before_the_stacks_are_switched(pc: Pc) -> None:
    pc.identity_paging()
    pc.set_page(0xD000, 0)
    put_gate(pc, KERNEL_CODE, params=4)
    pc.enter_ring(3)
    pc.cpu.regs[ESP] = 0xCFF8
    pc.load(f"call {GATE}:0")
    caught = pc.until_handler()
    assert (caught.vector, caught.error, caught.esp, pc.cpu.cr2) == (14, 4, 0xCFF8, 0xD004)


@pytest.mark.parametrize("selector", [SPARE_TSS, GATE])
@pytest.mark.parametrize("instruction", ["jmp", "call"])
def test_a_transfer_to_a_task_ends_the_cpu_and_says_why(pc: Pc, instruction: str, selector: int) -> None:
    pc.describe(GATE, Gate(SPARE_TSS, 0, TASK_GATE, 0).pack())
    pc.load(f"{instruction} {selector}:0")
    with pytest.raises(CpuStopped) as caught:
        pc.step()
    assert caught.value.reason is StopReason.TASK_SWITCH


def test_a_busy_task_or_one_of_an_inner_ring_is_only_refused(pc: Pc) -> None:
    assert pc.run(f"jmp {TSS_SELECTOR}:0").error == TSS_SELECTOR
    assert pc.run(f"jmp {SPARE_TSS}:0", 3).error == SPARE_TSS


# ---- returns -----------------------------------------------------------------------------------------


def iret_to(cs: int, eflags: int, ss: int | None = None, esp: int = 0, eip: str = "there") -> str:
    outer = "" if ss is None else f"push dword {ss}\npush dword {esp}\n"
    return f"{outer}push dword {eflags}\npush dword {cs}\npush dword {eip}\niretd\nthere: int 0x30"


def test_iret_to_ring_3_loads_the_outer_stack_and_nulls_segments_it_may_not_use(pc: Pc) -> None:
    pc.enter_ring(0)
    pc.cpu.segs[FS] = pc.segment(USER_DATA)
    pc.cpu.segs[GS] = pc.segment(CONFORMING)
    pc.load(iret_to(USER_CODE, 0x202, USER_DATA, 0x8000))
    pc.step(6)
    cpu = pc.cpu
    assert (cpu.cpl, cpu.segs[CS].selector, cpu.segs[SS].selector, cpu.regs[ESP]) == (3, USER_CODE, USER_DATA, 0x8000)
    assert [cpu.segs[index].selector for index in (ES, DS, FS, GS)] == [0, 0, USER_DATA, CONFORMING]
    assert not cpu.segs[DS].present
    returned = list(pc.recorder.log.of(InterruptReturned))
    assert [(event.from_cpl, event.to_cpl, event.eip) for event in returned] == [(0, 3, cpu.eip)]


def test_iret_in_ring_0_loads_every_flag_of_the_image(pc: Pc) -> None:
    image = CF | TF | IF | DF | IOPL_MASK | NT | RF | AC | ID | VIF | VIP | 2
    pc.load(iret_to(KERNEL_CODE, image))
    pc.step(4)
    assert pc.cpu.eflags == image


@pytest.mark.parametrize(
    ("ring", "iopl", "changed"), [(1, 0, 0), (1, 1 << 12, IF), (3, 0, 0), (3, 3 << 12, IF), (3, 1 << 12, 0)]
)
def test_iret_outside_ring_0_changes_if_by_iopl_and_iopl_never(pc: Pc, ring: int, iopl: int, changed: int) -> None:
    cs = {1: RING1_CODE, 3: USER_CODE}[ring]
    caught = pc.run(iret_to(cs, IF | (~iopl & IOPL_MASK) | CF | VIP | VIF | 2), ring, 2 | iopl)
    assert (caught.vector, caught.eflags & ~RF) == (DONE, 2 | iopl | changed | CF)


def test_a_sixteen_bit_iret_leaves_the_upper_flags(pc: Pc) -> None:
    pc.enter_ring(0, 2 | AC | ID)
    pc.load("push word 0x203\npush word 8\npush word 0x4000\niretw")
    pc.step(4)
    assert (pc.cpu.eip, pc.cpu.eflags, pc.cpu.regs[ESP]) == (0x4000, 0x203 | AC | ID, STACK)


@pytest.mark.parametrize(
    ("source", "ring", "outcome"),
    [
        pytest.param(iret_to(0, 2), 0, (GP, 0), id="null CS"),
        pytest.param(iret_to(KERNEL_CODE, 2), 3, (GP, KERNEL_CODE), id="into an inner ring"),
        pytest.param(iret_to(KERNEL_DATA, 2), 0, (GP, KERNEL_DATA), id="CS is data"),
        pytest.param(iret_to(USER_CODE & ~3, 2), 0, (GP, USER_CODE & ~3), id="RPL is not the DPL"),
        pytest.param(iret_to(0x100, 2), 0, (GP, 0x100), id="CS outside the GDT"),
        pytest.param(iret_to(FREE_SELECTOR, 2), 0, (NP, FREE_SELECTOR), id="CS not present"),
        pytest.param(iret_to(USER_CODE, 2, 0, 0), 0, (GP, 0), id="null outer SS"),
        pytest.param(iret_to(USER_CODE, 2, KERNEL_DATA), 0, (GP, KERNEL_DATA), id="outer SS of another ring"),
        pytest.param(iret_to(USER_CODE, 2, USER_CODE), 0, (GP, USER_CODE & ~3), id="outer SS is code"),
        pytest.param(iret_to(USER_CODE, 2, 0x7B), 0, (SS_FAULT, 0x78), id="outer SS not present"),
        pytest.param(iret_to(0x80, 2, eip="0x10000"), 0, (GP, 0), id="EIP beyond the limit"),
    ],
)
def test_a_bad_return_frame_is_refused_with_everything_in_place(
    pc: Pc, source: str, ring: int, outcome: tuple[int, int]
) -> None:
    pc.describe(FREE_SELECTOR, descriptor(0, 0xFFFFF, 0x1B, 0xC))
    pc.describe(0x78, descriptor(0, 0xFFFFF, 0x73, 0xC))
    pc.describe(0x80, descriptor(0, 0xFFFF, 0x9B, 0x4))
    pc.enter_ring(ring)
    length = pc.load(source)
    pc.step(source.count("push"))
    at_iret, segments = (pc.cpu.eip, pc.cpu.regs[ESP], pc.cpu.eflags), list(pc.cpu.segs)
    taken = []

    def hook(cpu: object, interruption: object) -> None:
        taken.append(interruption)

    pc.cpu.deliver = hook
    assert pc.step() == 0
    assert (taken[0].vector, taken[0].error) == outcome
    assert (pc.cpu.eip, pc.cpu.regs[ESP], pc.cpu.eflags) == at_iret
    assert pc.cpu.segs == segments
    assert at_iret[0] == CODE + length - 3


def test_retf_to_an_outer_ring_behaves_like_iret_without_flags(pc: Pc) -> None:
    frame = f"push dword {USER_DATA}\npush dword 0x8000\npush dword {USER_CODE}\npush dword there"
    caught = pc.run(f"{frame}\nretf\nthere: int 0x30", 0, 2 | CF)
    assert (caught.vector, caught.cs, caught.esp, caught.eflags & CF) == (DONE, USER_CODE, 0x8000, CF)
    assert [pc.cpu.segs[index].selector for index in (ES, DS)] == [0, 0]


def test_a_return_to_a_sixteen_bit_stack_restores_only_sp(pc: Pc) -> None:
    pc.describe(FREE_SELECTOR, descriptor(0, 0xFFFF, 0xF3, 0))
    pc.load(iret_to(USER_CODE, 2, FREE_SELECTOR | 3, 0x1234_8000))
    pc.cpu.regs[ESP] = 0x1_8000
    pc.step(6)
    assert pc.cpu.regs[ESP] == 0x1_8000


def test_iret_with_nt_and_no_task_behind_the_back_link_is_ts(pc: Pc) -> None:
    for ring in (0, 1, 3):
        caught = pc.run(iret_to(0, 2), ring, 2 | NT)
        assert (caught.vector, caught.error) == (TS, 0)


def test_iret_to_a_busy_task_or_to_virtual_8086_mode_ends_the_cpu(pc: Pc) -> None:
    pc.memory.write16(0x3000, TSS_SELECTOR)
    pc.enter_ring(0, 2 | NT)
    pc.load("iretd")
    with pytest.raises(CpuStopped, match="task switching"):
        pc.step()
    other = Pc()
    other.load(iret_to(KERNEL_CODE, VM | 2))
    with pytest.raises(CpuStopped, match="virtual-8086"):
        other.step(4)


def test_the_vm_flag_in_an_image_is_ignored_outside_ring_0(pc: Pc) -> None:
    caught = pc.run(iret_to(USER_CODE, VM | 2), 3)
    assert (caught.vector, caught.eflags & VM) == (DONE, 0)
