"""Going back is exact: any guest, under every technique, at every moment, with everything that is state."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachvm.app.control import Control
from teachvm.app.focus import Focus
from teachvm.trace.grain import Grain
from teachvm.trace.moment import START, Moment
from teachvm.trace.timeline import Outcome, Timeline
from teachvm.vmm.techniques import Technique
from teachvm.world.inputs import ConsoleTyped, DerivedDropRequested
from tests.world.guests import KERNELS, RANDOM_KERNELS, SYSTEMS
from tests.world.kernels import BARE, TRAP, Sample, timeline, world

SETUPS = st.sampled_from(((BARE, 1), (TRAP, 1), (TRAP, 1), (TRAP, 2)))
Setup = tuple[Technique, int]
SEEDS = st.integers(0, 2**32 - 1)


def there_and_back(subject: Timeline, steps: int) -> None:
    """Step forward from where the timeline stands, and back again, comparing everything at every moment."""
    seen = [(subject.position, subject.digest())]
    for _ in range(steps):
        if subject.step() is Outcome.ENDED:
            break
        seen.append((subject.position, subject.digest()))
    for moment in reversed(seen[:-1]):
        subject.back()
        assert (subject.position, subject.digest()) == moment


def seek_at_random(sample: Sample, setup: Setup, seed: int, longest: int, seeks: int) -> None:
    """Visit moments in random order, with few and with many checkpoints; each is as in a straight run."""
    random = Random(seed)
    end = random.randint(1, longest)
    moments = [Moment(random.randint(0, end), random.choice((0, 0, 1, 2, 5))) for _ in range(seeks)]
    straight = timeline(sample, *setup, spacing=10**9)
    digests: dict[Moment, str] = {}
    for moment in sorted(moments):
        reached = straight.seek(moment)
        digests[reached] = straight.digest()
    wandering = timeline(sample, *setup, spacing=random.choice((100, 500, 2_000)))
    visits = list(digests)
    random.shuffle(visits)
    for moment in visits:
        if random.random() < 0.4:
            wandering.run(random.randint(1, 300))
        assert wandering.seek(moment) == moment
        assert wandering.digest() == digests[moment]


@given(KERNELS, SETUPS, st.integers(20, 2_000))
@settings(max_examples=12)
def test_a_small_kernel_stepped_forward_then_back_shows_every_digest_again(s: Sample, setup: Setup, at: int) -> None:
    subject = timeline(s, *setup)
    subject.run(at)
    there_and_back(subject, 40)


@given(RANDOM_KERNELS, SETUPS)
@settings(max_examples=15)
def test_random_bytes_stepped_forward_then_back_show_every_digest_again(sample: Sample, setup: Setup) -> None:
    there_and_back(timeline(sample, *setup), 60)


@given(SYSTEMS, SETUPS, st.integers(0, 12_000))
@settings(max_examples=6)
def test_tinyos_stepped_forward_then_back_shows_every_digest_again(sample: Sample, setup: Setup, at: int) -> None:
    subject = timeline(sample, *setup, spacing=4_000)
    subject.run(at)
    there_and_back(subject, 40)


@given(KERNELS, SETUPS, SEEDS)
@settings(max_examples=10)
def test_moments_visited_in_any_order_are_those_of_a_straight_run(sample: Sample, setup: Setup, seed: int) -> None:
    seek_at_random(sample, setup, seed, 2_000, 6)


@given(SYSTEMS, SETUPS, SEEDS)
@settings(max_examples=4)
def test_moments_of_tinyos_visited_in_any_order_are_those_of_a_straight_run(s: Sample, setup: Setup, seed: int) -> None:
    seek_at_random(s, setup, seed, 9_000, 5)


@pytest.mark.soak
@given(st.one_of(KERNELS, RANDOM_KERNELS, SYSTEMS), SETUPS, st.integers(0, 30_000), SEEDS)
@settings(max_examples=1_000)
def test_time_travel_is_exact_at_length(sample: Sample, setup: Setup, at: int, seed: int) -> None:
    subject = timeline(sample, *setup, spacing=1_000)
    subject.run(at)
    there_and_back(subject, 80)
    seek_at_random(sample, setup, seed, at + 1, 15)


@pytest.mark.parametrize("cards", [(), ("guest-walk",)])
@pytest.mark.parametrize("setup", [(BARE, 1), (TRAP, 1), (TRAP, 2)])
def test_steps_of_the_finest_grain_are_the_same_forward_and_back(cards: tuple[str, ...], setup: Setup) -> None:
    sample = Sample(guest="tinyos")
    control = Control(world(sample, *setup).spec)
    control.look(Focus(cards=cards))
    for start in (0, 700, 4_000):
        control.seek(Moment(start))
        seen = [control.position]
        for _ in range(60):
            control.step(Grain.VISIBLE)
            seen.append(control.position)
        for moment in reversed(seen[:-1]):
            control.back(Grain.VISIBLE)
            assert control.position == moment


@given(st.one_of(KERNELS, SYSTEMS), SETUPS, SEEDS)
@settings(max_examples=8)
def test_what_came_from_outside_comes_again_at_its_moment(sample: Sample, setup: Setup, seed: int) -> None:
    random = Random(seed)
    subject = timeline(sample, *setup, spacing=random.choice((60, 600)))
    for _ in range(random.randint(1, 3)):
        subject.run(random.randint(0, 800))
        if random.random() < 0.5:
            subject.step()  # perhaps to a phase inside a unit
        here, forks = subject.position, len(subject.forks)
        known = subject.frontier
        if random.random() < 0.5:
            guests = list(subject._subject.guests)  # type: ignore[attr-defined]
            subject.inject(ConsoleTyped(random.choice(guests), bytes(random.choices(range(256), k=3))))
        else:
            subject.inject(DerivedDropRequested())
        assert subject.position == Moment(here.n)
        assert len(subject.forks) == forks + (known > Moment(here.n))
    subject.run(800)
    end, digest = subject.position, subject.digest()
    again = timeline(sample, *setup, spacing=10**9)
    for number, came in subject.inputs:
        again.seek(Moment(number))
        again.inject(came)
    again.seek(end)
    assert again.digest() == digest
    middle = Moment(random.randint(0, end.n))
    subject.seek(middle)
    again.seek(middle)
    assert again.digest() == subject.digest()
    subject.seek(START)
    subject.seek(end)
    assert subject.digest() == digest


def test_a_fork_keeps_what_came_from_outside_in_the_future_left_behind() -> None:
    subject = timeline(Sample(guest="tinyos"), TRAP)
    subject.run(2_000)
    late = ConsoleTyped("alpha", b"late")
    subject.inject(late)
    subject.run(500)
    frontier = subject.frontier
    subject.seek(Moment(1_000))
    subject.inject(ConsoleTyped("alpha", b"early"))
    (fork,) = subject.forks
    assert fork.at == Moment(1_000)
    assert fork.inputs == ((2_000, late),)  # all that came in it, and nothing came before
    assert fork.frontier == frontier
    assert subject.inputs == ((1_000, ConsoleTyped("alpha", b"early")),)
