"""The software CPU walks the guest's tables anew wherever a walk would come to something else, or change a bit."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from teachvm.isa import paging
from teachvm.isa.control import CR0_PE, CR0_PG, CR0_WP, CR4_PSE
from teachvm.machine.exceptions import Fault
from teachvm.machine.mmu import Access
from teachvm.vmm.vcpu import SoftwareCpu
from tests.vmm.room import Room

DIRECTORY, TABLE = 0x6_0000, 0x6_1000
ENTRIES = st.sampled_from([paging.P | rest for rest in (0x02, 0x04, 0x06, 0x26, 0x66, 0x60)] + [0, 0x66])
LINEAR = [0x0000_1000, 0x0000_2000, 0x0040_1000]
SEVERAL = st.sampled_from(("read", "write"))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("access"), st.sampled_from(LINEAR), st.sampled_from(list(Access)), st.booleans()),
        st.tuples(st.just("pte"), st.integers(0, 3), ENTRIES, st.integers(0x70, 0x77)),
        st.tuples(st.just("pde"), st.integers(0, 1), ENTRIES, st.booleans()),
        st.tuples(SEVERAL, st.sampled_from(LINEAR), st.sampled_from((0, 4, 2, 0xFF0)), st.sampled_from((0, 3))),
        st.tuples(st.just("mode"), st.booleans(), st.booleans(), st.just(0)),
    ),
    min_size=4,
    max_size=40,
)


@settings(max_examples=150)
@given(STEPS)
def test_what_it_keeps_in_mind_of_walks_is_never_seen(steps: list[tuple[str, int, int | Access, int]]) -> None:
    mindful, forgetful = Room("hlt"), Room("hlt")
    cpus = [room.vm.vcpu.cpu for room in (mindful, forgetful)]
    for cpu in cpus:
        cpu.cr0, cpu.cr3, cpu.cr4 = CR0_PE | CR0_PG, DIRECTORY, 0
        for index in range(2):
            cpu.memory.write(DIRECTORY + 4 * index, 4, TABLE | 7)
    for kind, first, second, third in steps:
        outcomes = []
        for cpu in cpus:
            if cpu is cpus[1]:
                cpu._walked.clear()
            match kind, second:
                case "access", Access():
                    outcomes.append(outcome(cpu, first, second, bool(third)))
                case "read" | "write", int():
                    outcomes.append(several(cpu, first + second, third, write=kind == "write"))
                case "pte", int():
                    cpu.memory.write(TABLE + 4 * first, 4, third << 12 | second)
                case "pde", int():
                    cpu.memory.write(DIRECTORY + 4 * first, 4, TABLE | second | (paging.PS if third else 0))
                case _:
                    cpu.cr0 = CR0_PE | CR0_PG | (CR0_WP if first else 0)
                    cpu.cr4 = CR4_PSE if second else 0
        assert len(set(outcomes)) <= 1
        assert tables(mindful) == tables(forgetful)


def outcome(cpu: SoftwareCpu, linear: int, access: Access, user: bool) -> tuple[str, int | None]:
    try:
        return "frame", cpu.translate(linear, access, user)
    except Fault as fault:
        return "fault", fault.error


def several(cpu: SoftwareCpu, linear: int, privilege: int, *, write: bool) -> tuple[str, int | tuple[int, ...] | None]:
    """Five doublewords at once where that can be, else one by one."""
    addresses = [linear + 4 * index for index in range(5)]
    try:
        if write:
            if not cpu.store_run(linear, [5, 4, 3, 2, 1], privilege):
                for address in addresses:
                    cpu.probe_linear(address, 4, privilege == 3)
                for value, address in enumerate(addresses, 1):
                    cpu.write_linear(address, 4, value, privilege == 3)
            return "written", None
        found = cpu.words_at(linear, 5, privilege)
        if found is not None:
            return "read", tuple(found)
        return "read", tuple(cpu.read_linear(address, 4, privilege == 3) for address in addresses)
    except Fault as fault:
        return "fault", fault.error


def tables(room: Room) -> bytes:
    return room.vm.memory.read_bytes(DIRECTORY, 0x2_0000)
