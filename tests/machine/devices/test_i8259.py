from hypothesis import given
from hypothesis import strategies as st

from teachvm.machine.devices.i8259 import I8259, I8259Pair


def initialized(chip: I8259, icw1: int = 0x11, base: int = 0x20, icw4: int = 0x01) -> I8259:
    chip.write(0, icw1)
    chip.write(1, base)
    if not icw1 & 2:
        chip.write(1, 0x04)
    if icw1 & 1:
        chip.write(1, icw4)
    return chip


def pc_pair() -> I8259Pair:
    pair = I8259Pair()
    initialized(pair.master, base=0x20)
    initialized(pair.slave, base=0x28)
    return pair


class NaivePic:
    """Requests and services as sets, priorities as a list from highest to lowest."""

    def __init__(self) -> None:
        self.order = list(range(8))
        self.requests: set[int] = set()
        self.serving: set[int] = set()
        self.masked: set[int] = set()

    def candidate(self) -> int | None:
        for line in self.order:
            if line in self.serving:
                return None
            if line in self.requests - self.masked:
                return line
        return None

    def acknowledge(self) -> int:
        line = self.candidate()
        if line is None:
            return 7
        self.requests.discard(line)
        self.serving.add(line)
        return line

    def end(self, line: int | None, rotate: bool) -> None:
        if line is None:
            line = next((each for each in self.order if each in self.serving), None)
        if line is None:
            return
        self.serving.discard(line)
        if rotate:
            self.set_lowest(line)

    def set_lowest(self, line: int) -> None:
        self.order = [(line + step) % 8 for step in range(1, 9)]


ACTIONS = st.one_of(
    st.tuples(st.just("raise"), st.integers(0, 7)),
    st.tuples(st.just("drop"), st.integers(0, 7)),
    st.tuples(st.just("mask"), st.integers(0, 255)),
    st.tuples(st.just("acknowledge"), st.just(0)),
    st.tuples(st.just("eoi"), st.just(0)),
    st.tuples(st.just("specific eoi"), st.integers(0, 7)),
    st.tuples(st.just("rotate eoi"), st.just(0)),
    st.tuples(st.just("rotate specific eoi"), st.integers(0, 7)),
    st.tuples(st.just("set priority"), st.integers(0, 7)),
)


def act(chip: I8259, naive: NaivePic, action: str, number: int) -> None:
    match action:
        case "raise":
            if not chip.lines >> number & 1:
                naive.requests.add(number)
            chip.set_line(number, True)
        case "drop":
            naive.requests.discard(number)
            chip.set_line(number, False)
        case "mask":
            naive.masked = {line for line in range(8) if number >> line & 1}
            chip.write(1, number)
        case "acknowledge":
            assert chip.acknowledge() == naive.acknowledge()
        case "eoi":
            naive.end(None, rotate=False)
            chip.write(0, 0x20)
        case "specific eoi":
            naive.end(number, rotate=False)
            chip.write(0, 0x60 | number)
        case "rotate eoi":
            naive.end(None, rotate=True)
            chip.write(0, 0xA0)
        case "rotate specific eoi":
            naive.end(number, rotate=True)
            chip.write(0, 0xE0 | number)
        case "set priority":
            naive.set_lowest(number)
            chip.write(0, 0xC0 | number)


@given(st.lists(ACTIONS, max_size=60))
def test_priorities_equal_those_of_a_list_of_lines(actions: list[tuple[str, int]]) -> None:
    chip, naive = initialized(I8259()), NaivePic()
    for action, number in actions:
        act(chip, naive, action, number)
        assert chip.int_out == (naive.candidate() is not None)
        chip.write(0, 0x0A)
        assert chip.read(0) == sum(1 << line for line in naive.requests)
        chip.write(0, 0x0B)
        assert chip.read(0) == sum(1 << line for line in naive.serving)


def test_uninitialized_chip_asks_for_nothing() -> None:
    chip = I8259()
    chip.set_line(0, True)
    assert not chip.int_out


def test_chip_asks_for_nothing_between_two_initialization_words() -> None:
    chip = I8259()
    chip.write(0, 0x11)
    chip.set_line(1, True)
    assert not chip.int_out
    for word in (0x20, 0x04, 0x01):
        chip.write(1, word)
    assert chip.int_out


def test_single_chip_skips_icw3_and_without_icw4_needs_no_fourth_word() -> None:
    chip = I8259()
    chip.write(0, 0x12)
    chip.write(1, 0x48)
    chip.write(1, 0xFE)
    assert (chip.vector_base, chip.imr) == (0x48, 0xFE)


def test_initialization_forgets_edges_and_unmasks() -> None:
    chip = initialized(I8259())
    chip.write(1, 0xFF)
    chip.set_line(3, True)
    initialized(chip)
    assert chip.read(1) == 0
    assert not chip.int_out, "a line that is already high must fall and rise again"
    chip.set_line(3, False)
    chip.set_line(3, True)
    assert chip.int_out


def test_request_that_falls_before_its_acknowledgement_gives_the_spurious_level() -> None:
    chip = initialized(I8259())
    chip.set_line(2, True)
    assert chip.int_out
    chip.set_line(2, False)
    assert chip.acknowledge() == 7
    assert chip.isr == 0, "nothing is in service, so no EOI is owed"


def test_level_triggered_line_asks_again_after_eoi_while_it_stays_high() -> None:
    chip = initialized(I8259(), icw1=0x19)
    chip.set_line(5, True)
    assert chip.acknowledge() == 5
    assert not chip.int_out
    chip.write(0, 0x20)
    assert chip.int_out
    chip.set_line(5, False)
    assert not chip.int_out


def test_edge_triggered_line_asks_once() -> None:
    chip = initialized(I8259())
    chip.set_line(5, True)
    chip.acknowledge()
    chip.write(0, 0x20)
    assert not chip.int_out


def test_automatic_eoi_leaves_nothing_in_service_and_rotates_when_told_to() -> None:
    chip = initialized(I8259(), icw4=0x03)
    chip.set_line(4, True)
    assert chip.acknowledge() == 4
    assert chip.isr == 0
    chip.write(0, 0x80)
    chip.set_line(4, False)
    chip.set_line(4, True)
    chip.acknowledge()
    assert chip.lowest == 4


def test_special_mask_lets_lower_priorities_interrupt_a_masked_service() -> None:
    chip = initialized(I8259())
    chip.set_line(1, True)
    chip.acknowledge()
    chip.set_line(6, True)
    assert not chip.int_out
    chip.write(1, 0x02)
    chip.write(0, 0x68)
    assert chip.int_out
    chip.write(0, 0x20)
    assert chip.isr == 0x02, "a plain EOI passes by a masked level in special mask mode"
    chip.write(0, 0x48)
    assert not chip.int_out


def test_poll_command_acknowledges_with_the_next_read() -> None:
    chip = initialized(I8259())
    chip.write(0, 0x0C)
    assert chip.read(0) == 0
    chip.set_line(3, True)
    chip.write(0, 0x0C)
    assert chip.read(0) == 0x83
    assert chip.isr == 0x08


def test_slave_interrupts_through_line_2_and_both_chips_owe_an_eoi() -> None:
    pair = pc_pair()
    pair.set_line(14, True)
    assert pair.pending
    assert pair.acknowledge() == 0x2E
    assert (pair.master.isr, pair.slave.isr) == (0x04, 0x40)
    assert not pair.pending
    pair.set_line(8, True)
    assert pair.slave.int_out
    assert not pair.pending, "the master holds line 2 in service, unless it is specially fully nested"
    pair.write_port(0xA0, 0x20)
    pair.write_port(0x20, 0x20)
    assert pair.acknowledge() == 0x28


def test_specially_fully_nested_master_lets_the_slave_nest() -> None:
    pair = I8259Pair()
    initialized(pair.master, icw4=0x11)
    initialized(pair.slave, base=0x28)
    pair.set_line(14, True)
    pair.acknowledge()
    pair.set_line(8, True)
    assert pair.acknowledge() == 0x28


def test_spurious_interrupt_of_the_slave_leaves_the_master_in_service() -> None:
    pair = pc_pair()
    pair.set_line(9, True)
    # The line falls inside the INTA cycles: too late for the master, early enough for the slave.
    pair.slave.set_line(1, False)
    assert pair.acknowledge() == 0x28 + 7
    assert (pair.master.isr, pair.slave.isr) == (0x04, 0x00)


def test_ports_reach_the_right_chip_and_register() -> None:
    pair = pc_pair()
    pair.write_port(0x21, 0xFB)
    pair.write_port(0xA1, 0xEF)
    assert (pair.read_port(0x21), pair.read_port(0xA1)) == (0xFB, 0xEF)
    pair.set_line(12, True)
    assert pair.read_port(0xA0) == 0x10
    assert pair.read_port(0x20) == 0x04
    assert pair.acknowledge() == 0x2C


def test_higher_priority_interrupts_a_service_and_lower_waits_for_eoi() -> None:
    pair = pc_pair()
    pair.set_line(4, True)
    assert pair.acknowledge() == 0x24
    pair.set_line(5, True)
    assert not pair.pending
    pair.set_line(0, True)
    assert pair.acknowledge() == 0x20
    pair.write_port(0x20, 0x20)
    assert not pair.pending
    pair.write_port(0x20, 0x20)
    assert pair.acknowledge() == 0x25
