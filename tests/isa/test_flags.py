"""EFLAGS: where each bit is."""

import pytest

from teachvm.isa import flags
from teachvm.isa.flags import Flag


@pytest.mark.parametrize(
    ("flag", "bit"),
    [
        *(("CF", 0), ("PF", 2), ("AF", 4), ("ZF", 6), ("SF", 7), ("TF", 8), ("IF", 9), ("DF", 10), ("OF", 11)),
        *(("NT", 14), ("RF", 16), ("VM", 17), ("AC", 18), ("VIF", 19), ("VIP", 20), ("ID", 21)),
    ],
)
def test_a_flag_is_at_its_bit(flag: str, bit: int) -> None:
    assert Flag[flag] == 1 << bit
    assert getattr(flags, flag) == 1 << bit


def test_names_are_in_bit_order() -> None:
    assert flags.names(0x246) == ("PF", "ZF", "IF")
    assert flags.names(flags.RESERVED_ONE) == ()


def test_iopl_is_two_bits() -> None:
    assert [flags.iopl(level << 12 | 0x202) for level in range(4)] == [0, 1, 2, 3]
    assert flags.KNOWN == 0x3F7FD5
