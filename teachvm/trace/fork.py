"""Futures that were seen, and left behind when the past was changed."""

from __future__ import annotations

from dataclasses import dataclass

from teachvm.trace.moment import Moment
from teachvm.trace.subject import Input


@dataclass(frozen=True, slots=True)
class Fork:
    """A future left behind when the past was changed: where it branched off and what came from outside in it.

    `cycles` and `frontier_cycles` are the host's clock where it branched off, and at the end of what was seen of it.
    """

    at: Moment
    inputs: tuple[tuple[int, Input], ...]
    frontier: Moment
    cycles: int
    frontier_cycles: int
