"""What was decoded is kept by its bytes alone, and is what the decoder says."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from teachvm.isa.decode import DecodeError, Insn, decode
from teachvm.machine.operation import decoded

TRANSFERS = st.sampled_from([b"\xe8", b"\xe9", *(bytes((0x0F, 0x80 + condition)) for condition in range(16))])
WINDOWS = st.one_of(
    st.binary(min_size=1, max_size=15),
    st.builds(
        lambda prefix, head, rest: (prefix + head + rest)[:15],
        st.sampled_from([b"", b"", b"\x66", b"\x2e", b"\xf0"]),
        TRANSFERS,
        st.binary(max_size=13),
    ),
)


def read(code: bytes, bits: int, *, kept: bool) -> Insn | str:
    try:
        return decoded(code, bits).insn if kept else decode(code, bits)
    except DecodeError as refused:
        return type(refused).__name__


@settings(max_examples=300)
@given(st.lists(st.tuples(WINDOWS, st.sampled_from((16, 32))), min_size=1, max_size=12))
def test_it_is_what_the_decoder_says_whatever_was_decoded_before(windows: list[tuple[bytes, int]]) -> None:
    for code, bits in windows:
        assert read(code, bits, kept=True) == read(code, bits, kept=False)


def test_the_same_instruction_before_other_bytes_is_the_same_object() -> None:
    first = decoded(b"\x83\xc0\x07\x90\x90", 32)
    assert decoded(b"\x83\xc0\x07\xc3", 32) is first
    assert decoded(b"\x83\xc0\x08\xc3", 32) is not first
