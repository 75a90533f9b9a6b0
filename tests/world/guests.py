"""Random guests: kernels of random pieces, random bytes as a kernel, and tinyos with random programs."""

from __future__ import annotations

from hypothesis import strategies as st

from teachvm.world.spec import ProgramSpec
from tests.world.kernels import PIECES, Sample, bytes_of, kernel

BYTES = st.integers(0, 255)
KERNELS = st.builds(
    kernel,
    st.lists(st.tuples(st.sampled_from(list(PIECES)), BYTES), min_size=1, max_size=12),
    st.integers(20, 600),
    st.integers(1, 60),
)
RANDOM_KERNELS = st.binary(min_size=1, max_size=200).map(lambda code: Sample((("guest.asm", bytes_of(code, 0x10000)),)))
PROGRAMS = st.sampled_from(
    (
        ProgramSpec("hello"),
        ProgramSpec("pages"),
        ProgramSpec("pages", 2),
        ProgramSpec("sieve", 40),
        ProgramSpec("spinner", 300),
        ProgramSpec("ticker", 0x0141),
        ProgramSpec("random.asm"),
    )
)
SYSTEMS = st.builds(
    lambda programs, code: Sample((("random.asm", bytes_of(code, 0x08048000)),), tuple(programs), "tinyos"),
    st.lists(PROGRAMS, min_size=1, max_size=3),
    st.binary(min_size=1, max_size=100),
)
