"""Arithmetic laws that hold for every operand, and the corner values of the manual."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachvm.isa import alu, shifts
from teachvm.isa.alu import DivideError
from teachvm.isa.flags import AF, CF, OF, PF, SF, ZF

EDGES = (0, 1, 2, 0x0F, 0x10, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[int, int, int]:
    width = draw(st.sampled_from((8, 16, 32)))
    value = st.one_of(st.sampled_from(EDGES), st.integers(0, 0xFFFFFFFF)).map(lambda one: one & (1 << width) - 1)
    return draw(value), draw(value), width


def has(flags: int, mask: int) -> bool:
    return flags & mask != 0


@given(pairs(), st.integers(0, 1))
def test_addition_and_its_flags_follow_from_integers(pair: tuple[int, int, int], carry: int) -> None:
    a, b, width = pair
    result, flags = alu.adc(a, b, carry, width)
    total = alu.signed(a, width) + alu.signed(b, width) + carry
    assert result == (a + b + carry) % (1 << width)
    assert has(flags, CF) == (a + b + carry >= 1 << width)
    assert has(flags, OF) == (alu.signed(result, width) != total)
    assert has(flags, AF) == ((a & 15) + (b & 15) + carry > 15)
    assert has(flags, ZF) == (result == 0)
    assert has(flags, SF) == (alu.signed(result, width) < 0)
    assert has(flags, PF) == (bin(result & 0xFF).count("1") % 2 == 0)


@given(pairs(), st.integers(0, 1))
def test_subtraction_and_its_flags_follow_from_integers(pair: tuple[int, int, int], borrow: int) -> None:
    a, b, width = pair
    result, flags = alu.sbb(a, b, borrow, width)
    assert result == (a - b - borrow) % (1 << width)
    assert has(flags, CF) == (a < b + borrow)
    assert has(flags, OF) == (alu.signed(result, width) != alu.signed(a, width) - alu.signed(b, width) - borrow)
    assert has(flags, AF) == ((a & 15) < (b & 15) + borrow)


@given(pairs())
def test_subtraction_undoes_addition(pair: tuple[int, int, int]) -> None:
    a, b, width = pair
    assert alu.sub(alu.add(a, b, width)[0], b, width)[0] == a
    assert alu.neg(a, width) == alu.sub(0, a, width)
    assert alu.not_(a, width) == alu.sub((1 << width) - 1, a, width)[0]


@given(pairs())
def test_increment_is_addition_of_one_without_the_carry(pair: tuple[int, int, int]) -> None:
    a, _, width = pair
    result, flags = alu.add(a, 1, width)
    assert alu.inc(a, width) == (result, flags & ~CF)
    result, flags = alu.sub(a, 1, width)
    assert alu.dec(a, width) == (result, flags & ~CF)


@given(pairs())
def test_logic_clears_carry_overflow_and_adjust(pair: tuple[int, int, int]) -> None:
    a, b, width = pair
    for function, expected in ((alu.and_, a & b), (alu.or_, a | b), (alu.xor, a ^ b)):
        result, flags = function(a, b, width)
        assert result == expected
        assert flags & (CF | OF | AF) == 0
        assert has(flags, ZF) == (expected == 0)


@given(pairs())
def test_products_are_whole_and_tell_when_they_need_the_high_half(pair: tuple[int, int, int]) -> None:
    a, b, width = pair
    low, high, flags = alu.mul(a, b, width)
    assert high << width | low == a * b
    assert has(flags, CF) == has(flags, OF) == (high != 0)
    low, high, flags = alu.imul(a, b, width)
    product = alu.signed(a, width) * alu.signed(b, width)
    assert alu.signed(high << width | low, 2 * width) == product
    assert has(flags, CF) == has(flags, OF) == (alu.signed(low, width) != product)


@given(pairs(), st.integers(0, 0xFFFFFFFF))
def test_quotient_and_remainder_give_back_the_dividend(pair: tuple[int, int, int], high: int) -> None:
    low, divisor, width = pair
    high &= (1 << width) - 1
    dividend = high << width | low
    try:
        quotient, remainder = alu.div(low, high, divisor, width)
    except DivideError:
        assert divisor == 0 or dividend // divisor >= 1 << width
    else:
        assert quotient * divisor + remainder == dividend
        assert remainder < divisor


@given(pairs(), st.integers(0, 0xFFFFFFFF))
def test_signed_division_rounds_towards_zero(pair: tuple[int, int, int], high: int) -> None:
    low, divisor, width = pair
    high &= (1 << width) - 1
    dividend, by = alu.signed(high << width | low, 2 * width), alu.signed(divisor, width)
    try:
        quotient, remainder = (alu.signed(one, width) for one in alu.idiv(low, high, divisor, width))
    except DivideError:
        return
    assert quotient * by + remainder == dividend
    assert abs(remainder) < abs(by)
    assert remainder == 0 or (remainder < 0) == (dividend < 0)


@pytest.mark.parametrize("width", [8, 16, 32])
def test_the_most_negative_number_divides_only_by_what_leaves_room(width: int) -> None:
    top = 1 << width - 1
    ones = (1 << width) - 1
    with pytest.raises(DivideError):
        alu.idiv(top, ones, ones, width)  # -2 ** (width - 1) / -1
    assert alu.idiv(top, ones, 1, width) == (top, 0)
    with pytest.raises(DivideError):
        alu.div(0, 1, 1, width)
    with pytest.raises(DivideError):
        alu.idiv(0, 0, 0, width)


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 1))
def test_daa_makes_sums_of_packed_decimals_decimal(a: int, b: int, carry: int) -> None:
    packed_a, packed_b = int(str(a), 16), int(str(b), 16)
    total, flags = alu.adc(packed_a, packed_b, carry, 8)
    result, flags = alu.daa(total, flags)
    assert int(f"{result:x}") + (100 if flags & CF else 0) == a + b + carry


@given(st.integers(0, 99), st.integers(0, 99))
def test_das_makes_differences_of_packed_decimals_decimal(a: int, b: int) -> None:
    difference, flags = alu.sub(int(str(a), 16), int(str(b), 16), 8)
    result, flags = alu.das(difference, flags)
    assert int(f"{result:x}") - (100 if flags & CF else 0) == a - b


@given(st.integers(0, 9), st.integers(0, 9))
def test_aaa_and_aas_keep_one_digit_and_carry_into_ah(a: int, b: int) -> None:
    total, flags = alu.add(a, b, 8)
    ax, flags = alu.aaa(total, flags)
    assert (ax >> 8) * 10 + (ax & 0xFF) == a + b
    assert has(flags, CF) == (a + b > 9)
    difference, flags = alu.sub(a, b, 8)
    ax, flags = alu.aas(0x100 | difference, flags)
    assert (ax >> 8) * 10 + (ax & 0xFF) == 10 + a - b
    assert has(flags, CF) == (a < b)


@given(st.integers(0, 255), st.integers(1, 255))
def test_aad_undoes_aam(al: int, base: int) -> None:
    ax, _ = alu.aam(al, base)
    assert (ax >> 8, ax & 0xFF) == divmod(al, base)
    assert alu.aad(ax, base)[0] == al


def test_aam_by_zero_is_a_divide_error() -> None:
    with pytest.raises(DivideError):
        alu.aam(1, 0)


def test_sign_extension_copies_the_top_bit() -> None:
    assert alu.sign_extend(0x80, 8, 32) == 0xFFFFFF80
    assert alu.sign_extend(0x7F, 8, 16) == 0x7F
    assert alu.sign_fill(0x8000, 16) == 0xFFFF
    assert alu.sign_fill(0x7FFF, 16) == 0
    assert alu.bswap(0x12345678, 32) == 0x78563412


def carry_of(flags: int) -> int:
    return flags & CF


@given(pairs(), st.integers(1, 31))
def test_a_shift_is_that_many_single_shifts(pair: tuple[int, int, int], count: int) -> None:
    a, _, width = pair
    for function in (shifts.shl, shifts.shr, shifts.sar, shifts.rol, shifts.ror):
        value, flags = a, 0
        for _ in range(count):
            value, flags = function(value, 1, width)
        result, once = function(a, count, width)
        assert result == value, function.__name__
        assert carry_of(once) == carry_of(flags), function.__name__
        if function is not shifts.shr:
            assert has(once, OF) == has(flags, OF), function.__name__


@given(pairs(), st.integers(1, 31), st.integers(0, 1))
def test_a_rotation_through_carry_is_that_many_single_ones(pair: tuple[int, int, int], count: int, carry: int) -> None:
    a, _, width = pair
    for function in (shifts.rcl, shifts.rcr):
        value, through = a, carry
        for _ in range(count):
            value, flags = function(value, 1, through, width)
            through = carry_of(flags)
        result, once = function(a, count, carry, width)
        assert (result, carry_of(once)) == (value, through)


@given(pairs(), st.integers(1, 31))
def test_rotations_undo_each_other(pair: tuple[int, int, int], count: int) -> None:
    a, _, width = pair
    assert shifts.ror(shifts.rol(a, count, width)[0], count, width)[0] == a
    turned, flags = shifts.rcl(a, count, 1, width)
    back, flags = shifts.rcr(turned, count, carry_of(flags), width)
    assert (back, carry_of(flags)) == (a, CF)


@given(pairs(), st.integers(1, 31))
def test_a_double_shift_moves_bits_of_the_second_operand_in(pair: tuple[int, int, int], count: int) -> None:
    a, filler, width = pair
    if count > width:
        return
    mask = (1 << width) - 1
    result, flags = shifts.shld(a, filler, count, width)
    assert result == (a << count | filler >> width - count) & mask
    assert carry_of(flags) == a >> width - count & 1
    result, flags = shifts.shrd(a, filler, count, width)
    assert result == (a >> count | filler << width - count) & mask
    assert carry_of(flags) == a >> count - 1 & 1


@given(st.integers(0, 0xFFFFFFFF), st.integers(0, 31))
def test_bit_operations_change_one_bit_and_report_it(value: int, bit: int) -> None:
    old = CF if value >> bit & 1 else 0
    assert shifts.bt(value, bit) == old
    assert shifts.bts(value, bit) == (value | 1 << bit, old)
    assert shifts.btr(value, bit) == (value & ~(1 << bit), old)
    assert shifts.btc(value, bit) == (value ^ 1 << bit, old)


@given(st.integers(1, 0xFFFFFFFF))
def test_scans_find_the_outermost_set_bits(value: int) -> None:
    low, high = shifts.bsf(value)[0], shifts.bsr(value)[0]
    assert low is not None
    assert high is not None
    assert value >> low & 1
    assert value % (1 << low) == 0
    assert value >> high == 1


def test_scanning_zero_sets_zf_and_finds_nothing() -> None:
    assert shifts.bsf(0) == (None, ZF)
    assert shifts.bsr(0) == (None, ZF)
