"""Orthogonal routes between the sides of two rectangles."""

from __future__ import annotations

from typing import NamedTuple

from teachvm.app.presentation import Side

STUB = 14.0
"""How far a route goes straight out before it may turn."""

Point = tuple[float, float]


class Rect(NamedTuple):
    """A rectangle in layout pixels."""

    x: float
    y: float
    w: float
    h: float

    def on(self, side: Side, share: float) -> Point:
        """The point at a share (0..1) of a side, from the left or from the top."""
        if side in ("top", "bottom"):
            return self.x + self.w * share, self.y if side == "top" else self.y + self.h
        return self.x if side == "left" else self.x + self.w, self.y + self.h * share


_OUT: dict[Side, Point] = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1)}


def route(start: Point, start_side: Side, end: Point, end_side: Side, lane: float = 0.5) -> tuple[Point, ...]:
    """Points from `start` to `end`; `lane` (0..1) places the middle run between them."""
    (ax, ay), (bx, by) = start, end
    flat_start, flat_end = start_side in ("left", "right"), end_side in ("left", "right")
    if flat_start and flat_end:
        middle = _middle(ax, _OUT[start_side][0], bx, _OUT[end_side][0], lane)
        points = [start, (middle, ay), (middle, by), end]
    elif not flat_start and not flat_end:
        middle = _middle(ay, _OUT[start_side][1], by, _OUT[end_side][1], lane)
        points = [start, (ax, middle), (bx, middle), end]
    elif flat_start:
        points = _corner(start, _OUT[start_side][0], end, _OUT[end_side][1], lane)
    else:
        turned = _corner((ay, ax), _OUT[start_side][1], (by, bx), _OUT[end_side][0], lane)
        points = [(x, y) for y, x in turned]
    return tuple(_straightened(points))


def _middle(a: float, a_out: float, b: float, b_out: float, lane: float) -> float:
    """Where the middle run lies: between the ends, or outside both when they face the same way."""
    if a_out == b_out:
        return max(a, b) + STUB + 30 * lane if a_out > 0 else min(a, b) - STUB - 30 * lane
    if (b - a) * a_out >= 2 * STUB:
        return a + a_out * STUB + (b - a - 2 * a_out * STUB) * lane
    return (a + b) / 2


def _corner(start: Point, start_out: float, end: Point, end_out: float, lane: float) -> list[Point]:
    """Leave along x, arrive along y: one bend where the ends face each other, else three."""
    (ax, ay), (bx, by) = start, end
    if (bx - ax) * start_out >= STUB and (ay - by) * end_out >= STUB:
        return [start, (bx, ay), end]
    out_x = ax + start_out * (STUB + 24 * lane)
    out_y = by + end_out * STUB
    return [start, (out_x, ay), (out_x, out_y), (bx, out_y), end]


def _straightened(points: list[Point]) -> list[Point]:
    """Leave out repeated points and those in the middle of a straight run."""
    kept: list[Point] = []
    for point in points:
        if kept and abs(kept[-1][0] - point[0]) < 0.5 and abs(kept[-1][1] - point[1]) < 0.5:
            continue
        if len(kept) >= 2 and (
            abs(kept[-2][0] - kept[-1][0]) < 0.5 > abs(kept[-1][0] - point[0])
            or abs(kept[-2][1] - kept[-1][1]) < 0.5 > abs(kept[-1][1] - point[1])
        ):
            kept[-1] = point
        else:
            kept.append(point)
    return kept if len(kept) > 1 else [points[0], points[-1]]
