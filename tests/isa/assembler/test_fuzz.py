"""Nothing typed can hang the assembler, crash it or make it eat memory: it assembles, or says what is wrong."""

import random
import tracemalloc
from itertools import pairwise

import pytest

from teachvm.isa.assembler import AsmError, Assembly, FolderResolver, Problem, assemble, limits
from tests.isa.assembler import golden, sources

SAMPLES = tuple((golden.FOLDER / f"{name}.asm").read_text() for name in golden.SAMPLES)
SPICE = (
    *"%%+-*/()[]{},:;'\"`$&|^~!<>=.\\#@?_ \t\n0a",
    *("%macro m 1\n", "%endmacro\n", "%rep 3\n", "%endrep\n", "%if 1\n", "%else\n", "%endif\n", "%define x x\n", "%1"),
    *("times 3 ", "resb ", "align 16\n", "org 5\n", "bits 16\n", "equ ", "0x", "0xffffffffffffffff", "-1", "9" * 30),
    *("lock ", "rep ", "es:", "byte ", "far ", "short ", "eax", "[", "]", "dword ", "$$", "..@", "é", "\0", "\r"),
)
STEPS = 200_000
"""Far more than any of these sources needs, far less than a hang."""


def _checked(source: str) -> Assembly | None:
    """Assemble, and look at whatever comes of it."""
    try:
        made = assemble(source, "fuzz.asm", FolderResolver(golden.FOLDER), steps=STEPS)
    except AsmError as error:
        _check_problems(error.problems, source)
        return None
    assert len(made.data) == sum(span.length for span in made.map)
    assert all(a.address + a.length == b.address for a, b in pairwise(made.map))
    assert made.listing.endswith("\n")
    return made


def _check_problems(problems: tuple[Problem, ...], source: str) -> None:
    """Each is one readable line about a place that exists."""
    assert 0 < len(problems) <= limits.ERRORS
    for problem in problems:
        text = str(problem)
        assert "\n" not in text
        assert len(text) < 600
        assert problem.excerpt().startswith(text)
        assert min(problem.line, problem.column) >= 1
        if problem.file == "fuzz.asm" and "asks for too much" not in text:
            row = source.split("\n")[problem.line - 1].rstrip("\r")
            assert problem.source in (row, "")
            assert problem.column <= len(row) + 1


def _mistyped(choose: random.Random, text: str) -> str:
    """The text with a few slips of the finger."""
    for _ in range(choose.choice((1, 1, 2, 4))):
        at = choose.randrange(len(text) + 1)
        end = min(len(text), at + choose.choice((0, 1, 1, 3, 20)))
        slip = choose.choice(("drop", "insert", "replace", "swap", "repeat"))
        if slip == "drop":
            text = text[:at] + text[end:]
        elif slip == "insert":
            text = text[:at] + choose.choice(SPICE) + text[at:]
        elif slip == "replace":
            text = text[:at] + choose.choice(SPICE) + text[end:]
        elif slip == "swap":
            text = text[:at] + text[at : at + 2][::-1] + text[at + 2 :]
        else:
            text = text[:end] + text[at:end] * 2 + text[end:]
    return text


def _lines(choose: random.Random) -> str:
    """A few lines of a sample, or some statements."""
    if choose.random() < 0.5:
        rows = choose.choice(SAMPLES).split("\n")
        start = choose.randrange(len(rows))
        return "\n".join(rows[start : start + choose.randrange(1, 12)])
    return "\n".join(f"l{i}: {row}" for i, row in enumerate(sources.statements(4, choose.randrange(1 << 30))))


def _fuzz_typing(seed: int, cases: int) -> int:
    choose = random.Random(seed)
    return sum(_checked(_mistyped(choose, _lines(choose))) is not None for _ in range(cases))


def test_slips_of_the_finger_are_told_or_assembled():
    assembled = _fuzz_typing(1, 800)
    assert 80 < assembled < 720  # both happen


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_thirty_thousand_slips_of_the_finger_are_told_or_assembled(seed):
    assert _fuzz_typing(1000 + seed, 3000)


def test_whole_samples_with_slips_are_told_or_assembled():
    choose = random.Random(2)
    for _ in range(20):
        _checked(_mistyped(choose, choose.choice(SAMPLES)))


def test_random_bytes_are_told_or_assembled():
    choose = random.Random(3)
    for _ in range(300):
        _checked(choose.randbytes(choose.randrange(1, 200)).decode("latin-1"))


def test_random_words_are_told_or_assembled():
    choose = random.Random(4)
    words = (*SPICE, *sources.PLAIN, *sources.R32, *sources.ALU, "foo", "bar:", ".x", "db", "dd", "1", "2")
    for _ in range(600):
        _checked(" ".join(choose.choice(words) for _ in range(choose.randrange(1, 30))))


class Endless:
    """A resolver with files of every unpleasant kind."""

    def read(self, name: str, limit: int) -> bytes:
        if name == "zeros":
            return bytes(limit)
        if name == "lines":
            return b"\n" * limit
        if name == "comments":
            return (b";" + b"x" * 1900 + b"\n") * (limit // 1902)
        return f'%include "{name}"\n%include "{name}"\n'.encode()


BOMBS = {
    "a repeated table": "%rep 65536\n db " + ",".join("1" * 900) + "\n%endrep",
    "a repeated table of addresses": "x:\n%rep 65536\n dd " + ",".join("x" * 900) + "\n%endrep",
    "repetitions of repetitions": "%rep 60000\n%rep 60000\n%endrep\n%endrep",
    "arguments that double": "%macro m 1\n m {%1 %1}\n%endmacro\n m {1 2}",
    "words that double": "%macro m 1\n m %1%1\n%endmacro\n m aaaa",
    "a macro that calls itself twice": "%macro m 0\n m\n m\n%endmacro\n m",
    "definitions that double": "".join(f"%define w{i} w{i + 1} w{i + 1}\n" for i in range(40)) + " db w0",
    "large files, many times": '%rep 60000\nincbin "zeros", 0, 0\n%endrep',
    "large files, all kept": 'incbin "zeros"\n' * 50,
    "a file that includes itself twice": '%include "self"',
    "a file of empty lines": '%include "lines"',
    "a file of comments, many times": '%rep 60000\n%include "comments"\n%endrep',
    "large counts": "times 16777217 nop\nresb 0xffffffff\ntimes 0x7fffffffffffffff resq 0x7fffffffffffffff",
    "many large alignments": "align 16777216\n nop\n" * 1000,
    "repeated jumps": "times 65536 jmp $+5\n" * 60,
    "large numbers": " dd 1" + " << 63" * 60 + "\n dd " + "9" * 90,
    "deep conditions": "%if 1\n" * 30_000,
    "deep parentheses": " dd " + "(" * 1900,
    "many mistakes": " mvo\n" * 20_000,
    "names from the last to the first": "\n".join(f"n{i} equ n{i + 1}" for i in range(10_000)),
    "lengths that depend on themselves": "\n".join(f"x{i}: shl eax, y{i}-x{i}-2\ny{i}:" for i in range(1500)),
}


def _peak_of_refusal(bomb: str, steps: int) -> int:
    """Bytes held at most until the source was refused."""
    tracemalloc.start()
    try:
        with pytest.raises(AsmError):
            assemble(bomb, resolver=Endless(), steps=steps)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_source_that_wants_too_much_is_refused(bomb):
    # Memory grows with the steps taken, so that a small number of them shows it as well.
    assert _peak_of_refusal(bomb, limits.STEPS // 50) < 48 << 20


@pytest.mark.soak
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_source_that_wants_too_much_is_refused_at_full_length(bomb):
    assert _peak_of_refusal(bomb, limits.STEPS) < 256 << 20


def test_work_is_counted_in_steps_not_in_seconds():
    source = "\n".join(f"l{i}: jmp l{i + 1}" for i in range(100)) + "\nl100:"
    with pytest.raises(AsmError, match="asks for too much"):
        assemble(source, steps=900)
    assert assemble(source, steps=2000).data == b"\xeb\x00" * 100
