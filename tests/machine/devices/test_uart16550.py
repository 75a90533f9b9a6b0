from hypothesis import given
from hypothesis import strategies as st

from teachvm.machine.devices.i8259 import I8259
from teachvm.machine.devices.uart16550 import TEXT_LIMIT, Uart16550

RBR_THR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR = range(0x3F8, 0x400)


class Bench:
    def __init__(self) -> None:
        self.levels: list[bool] = []
        self.sent = bytearray()
        self.uart = Uart16550(self.levels.append, self.sent.append)
        self.uart.write_port(MCR, 0x08)

    @property
    def interrupting(self) -> bool:
        return self.levels[-1]


def test_transmitted_bytes_are_kept_and_counted_and_the_transmitter_is_ready_at_once() -> None:
    bench = Bench()
    for byte in b"hello":
        assert bench.uart.read_port(LSR) == 0x60
        bench.uart.write_port(RBR_THR, byte)
    assert bench.uart.text == bytes(bench.sent) == b"hello"
    assert bench.uart.written == 5


def test_only_the_tail_of_a_flood_is_kept() -> None:
    bench = Bench()
    bench.uart.text = bytes(TEXT_LIMIT)
    bench.uart.written = TEXT_LIMIT
    bench.uart.write_port(RBR_THR, ord("x"))
    assert len(bench.uart.text) == TEXT_LIMIT
    assert bench.uart.text.endswith(b"x")
    assert bench.uart.written == TEXT_LIMIT + 1


def test_received_bytes_wait_on_the_line_until_there_is_room() -> None:
    bench = Bench()
    bench.uart.receive(b"abc")
    read = []
    while bench.uart.read_port(LSR) & 1:
        read.append(bench.uart.read_port(RBR_THR))
    assert bytes(read) == b"abc"
    assert bench.uart.read_port(RBR_THR) == 0


def test_each_received_byte_is_an_edge_for_the_interrupt_controller() -> None:
    pic = I8259()
    for word, a0 in ((0x13, 0), (0x20, 1), (0x01, 1)):
        pic.write(a0, word)
    uart = Uart16550(lambda level: pic.set_line(4, level), lambda byte: None)
    uart.write_port(MCR, 0x08)
    uart.write_port(IER, 0x01)
    uart.receive(b"xyz")
    read = []
    while pic.int_out:
        assert pic.acknowledge() == 4
        read.append(uart.read_port(RBR_THR))
        pic.write(0, 0x20)
    assert bytes(read) == b"xyz"


def test_interrupt_needs_out2() -> None:
    bench = Bench()
    bench.uart.write_port(IER, 0x01)
    bench.uart.receive(b"a")
    assert bench.interrupting
    bench.uart.write_port(MCR, 0x00)
    assert not bench.interrupting
    bench.uart.write_port(MCR, 0x08)
    assert bench.interrupting


def test_transmit_interrupt_comes_when_enabled_and_goes_when_identified() -> None:
    bench = Bench()
    bench.uart.write_port(IER, 0x02)
    assert bench.interrupting
    assert bench.uart.read_port(IIR_FCR) == 0x02
    assert not bench.interrupting
    assert bench.uart.read_port(IIR_FCR) == 0x01
    bench.levels.clear()
    bench.uart.write_port(RBR_THR, ord("x"))
    assert bench.interrupting


def test_receiver_is_identified_before_the_transmitter() -> None:
    bench = Bench()
    bench.uart.write_port(IER, 0x03)
    bench.uart.receive(b"a")
    assert bench.uart.read_port(IIR_FCR) == 0x04
    bench.uart.read_port(RBR_THR)
    assert bench.uart.read_port(IIR_FCR) == 0x02


def test_fifo_below_its_trigger_level_reports_a_time_out() -> None:
    bench = Bench()
    bench.uart.write_port(IIR_FCR, 0x81)
    bench.uart.write_port(IER, 0x01)
    bench.uart.receive(b"1234567")
    assert bench.uart.read_port(IIR_FCR) == 0xCC
    bench.uart.receive(b"8")
    assert bench.uart.read_port(IIR_FCR) == 0xC4


def test_fifo_holds_sixteen_and_clearing_it_loses_them() -> None:
    bench = Bench()
    bench.uart.write_port(IIR_FCR, 0x01)
    bench.uart.receive(bytes(range(20)))
    assert len(bench.uart.received) == 16
    bench.uart.write_port(IIR_FCR, 0x03)
    assert bench.uart.read_port(RBR_THR) == 16
    bench.uart.write_port(IIR_FCR, 0x00)
    assert bench.uart.read_port(LSR) == 0x60


def test_divisor_hides_behind_its_latch_bit() -> None:
    bench = Bench()
    bench.uart.write_port(LCR, 0x83)
    bench.uart.write_port(RBR_THR, 0x0C)
    bench.uart.write_port(IER, 0x01)
    assert (bench.uart.read_port(RBR_THR), bench.uart.read_port(IER)) == (0x0C, 0x01)
    bench.uart.write_port(LCR, 0x03)
    assert (bench.uart.divisor, bench.uart.ier, bench.uart.text) == (0x010C, 0, b"")
    assert bench.uart.read_port(LCR) == 0x03


def test_loop_mode_hears_itself_and_disconnects_the_line() -> None:
    bench = Bench()
    bench.uart.write_port(IER, 0x09)
    bench.uart.write_port(MCR, 0x1B)
    bench.uart.write_port(RBR_THR, ord("x"))
    assert bench.uart.text == b""
    assert not bench.interrupting, "OUT2 is off in loop mode"
    assert bench.uart.read_port(IIR_FCR) == 0x04
    assert bench.uart.read_port(RBR_THR) == ord("x")
    assert bench.uart.read_port(MSR) & 0xF0 == 0xB0


def test_modem_status_reports_a_change_once() -> None:
    bench = Bench()
    bench.uart.write_port(IER, 0x08)
    bench.uart.write_port(MCR, 0x10)
    assert bench.uart.read_port(IIR_FCR) == 0x00
    assert bench.uart.read_port(MSR) == 0x0B
    assert bench.uart.read_port(MSR) == 0x00
    assert bench.uart.read_port(IIR_FCR) == 0x01


@given(st.integers(0, 255))
def test_scratch_register_keeps_any_byte(value: int) -> None:
    uart = Bench().uart
    uart.write_port(SCR, value)
    assert uart.read_port(SCR) == value


@given(st.lists(st.tuples(st.integers(0x3F8, 0x3FF), st.integers(0, 255)), max_size=40), st.binary(max_size=40))
def test_any_accesses_keep_the_line_true_to_the_identification_register(
    writes: list[tuple[int, int]], data: bytes
) -> None:
    bench = Bench()
    bench.uart.receive(data)
    for port, value in writes:
        bench.uart.write_port(port, value)
        due = bench.uart._cause() != 0x01
        assert bench.interrupting == (due and bench.uart.mcr & 0x18 == 0x08)
        bench.uart.read_port(port)
