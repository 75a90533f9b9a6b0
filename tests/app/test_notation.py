from teachvm.app.notation import THIN, count, hex32, hexbytes, percent, plural, radixes


def test_hexadecimal_is_lower_case_and_grouped() -> None:
    assert hex32(0x100247) == "0010 0247"
    assert hex32(-1) == "ffff ffff"
    assert hexbytes(b"\xfa\xf4") == "fa f4"
    assert hexbytes(bytes(9), 3) == "00 00 00 …"


def test_counts_use_a_thin_space() -> None:
    assert count(2318) == f"2{THIN}318"
    assert count(999) == "999"
    assert plural(1, "trap") == "1 trap"
    assert plural(14, "trap") == "14 traps"


def test_a_share_that_is_there_is_never_nothing() -> None:
    assert percent(0.92) == f"92{THIN}%"
    assert percent(0.001) == f"<{THIN}1{THIN}%"
    assert percent(0) == f"0{THIN}%"


def test_one_value_in_every_radix() -> None:
    assert dict(radixes(0xFFFFFFFE)) == {
        "hexadecimal": "0xfffffffe",
        "decimal": "4294967294",
        "signed": "-2",
        "binary": "1111 1111 1111 1111 1111 1111 1111 1110",
    }
    assert dict(radixes(5, 8))["binary"] == "0000 0101"
