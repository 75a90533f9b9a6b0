from hypothesis import given
from hypothesis import strategies as st

from teachvm.machine.computer import Board, devices_for
from teachvm.machine.events import ConsoleWrote, DeviceRefused
from teachvm.trace.recorder import Recorder
from teachvm.trace.state import Registry


def board_on(recorder: Recorder) -> Board:
    return devices_for("host", lambda: recorder.clock.cycles, recorder)


def out(board: Board, *writes: tuple[int, int]) -> None:
    for port, value in writes:
        board.ports.out(port, 1, value)


MASTER_WORDS = ((0x20, 0x11), (0x21, 0x20), (0x21, 0x04), (0x21, 0x01))
SLAVE_WORDS = ((0xA0, 0x11), (0xA1, 0x28), (0xA1, 0x02), (0xA1, 0x01))
PIC_SETUP = MASTER_WORDS + SLAVE_WORDS
PORTS = (*range(0x40, 0x44), 0x20, 0x21, 0xA0, 0xA1, 0x61, *range(0x3F8, 0x400))


def test_timer_interrupts_at_vector_32_when_it_is_due() -> None:
    recorder = Recorder()
    board = board_on(recorder)
    out(board, *PIC_SETUP, (0x43, 0x34), (0x40, 0xEF), (0x40, 0x00))
    assert not board.pic.pending
    low = board.next_due()
    assert low is not None
    recorder.clock.cycles = low
    board.service()
    assert not board.pic.pending, "OUT fell; it rises one tick later"
    high = board.next_due()
    assert high is not None
    recorder.clock.cycles = high - 1
    board.service()
    assert not board.pic.pending
    recorder.clock.cycles = high
    board.service()
    assert board.pic.acknowledge() == 0x20


def test_console_input_interrupts_at_vector_36() -> None:
    board = board_on(Recorder())
    out(board, *PIC_SETUP, (0x3FC, 0x08), (0x3F9, 0x01))
    board.console.receive(b"a")
    assert board.pic.acknowledge() == 0x24


def test_console_output_is_an_event_of_the_board_by_name() -> None:
    recorder = Recorder()
    out(board_on(recorder), (0x3F8, ord("!")))
    assert [(e.source, e.byte) for e in recorder.log.of(ConsoleWrote)] == [("host", ord("!"))]


def test_timer_mode_that_is_not_modelled_is_an_event() -> None:
    recorder = Recorder()
    out(board_on(recorder), (0x43, 0x38))
    assert [e.source for e in recorder.log.of(DeviceRefused)] == ["host"]


def test_port_61_opens_the_gate_of_counter_2_and_reads_its_output() -> None:
    recorder = Recorder()
    board = board_on(recorder)
    out(board, (0x43, 0xB0), (0x42, 10), (0x42, 0), (0x61, 0x03))
    assert board.ports.in_(0x61, 1) & 0x23 == 0x03
    recorder.clock.cycles = 1000
    assert board.ports.in_(0x61, 1) & 0x20


@given(
    accesses=st.lists(
        st.tuples(
            st.sampled_from(PORTS),
            st.integers(0, 255),
        ),
        max_size=40,
    ),
    later=st.integers(1, 5000),
)
def test_restored_board_goes_on_exactly_as_the_original_did(accesses: list[tuple[int, int]], later: int) -> None:
    recorder, registry = Recorder(), Registry()
    board = board_on(recorder)
    registry.add("clock", recorder.clock)
    board.register(registry, "host")
    half = len(accesses) // 2
    captures = []
    for index, (port, value) in enumerate(accesses):
        if index == half:
            captures.append(registry.capture())
        out(board, (port, value))
        board.ports.in_(port, 1)
        recorder.clock.cycles += later
        board.service()
    if not captures:
        captures.append(registry.capture())
    end, due = registry.capture(), board.next_due()
    registry.restore(captures[0])
    for port, value in accesses[half:]:
        out(board, (port, value))
        board.ports.in_(port, 1)
        recorder.clock.cycles += later
        board.service()
    assert registry.capture() == end
    assert board.next_due() == due


def test_every_attribute_of_a_device_is_state_or_named_derived() -> None:
    for path, thing in board_on(Recorder()).state():
        assert set(vars(thing)) == {*thing.STATE, *thing.DERIVED}, path
