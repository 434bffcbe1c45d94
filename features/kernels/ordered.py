"""Ranks and quantiles: one sorted window for all of them."""

from __future__ import annotations

import numpy as np

from features.kernels.compiled import Floats, compiled

UPPER, LOWER, RANK = 0, 1, 2
"""Rows of what is found: both quantiles, and the average rank of the last value as a share."""


@compiled
def _find(ordered: Floats, count: int, value: float) -> int:
    """Return the first place of a value that is there."""
    below = 0
    for at in range(count):  # without a branch, several at once: quicker than halving for windows of months
        below += ordered[at] < value
    return below


@compiled
def _drop(ordered: Floats, count: int, value: float) -> int:
    """Remove a value that is there; return how many are left."""
    for at in range(_find(ordered, count, value), count - 1):
        ordered[at] = ordered[at + 1]
    return count - 1


@compiled
def _sink(ordered: Floats, at: int, value: float) -> int:
    """Move what is larger up by one place, from `at` down, and put the value below it; return its place."""
    while at > 0 and ordered[at - 1] > value:
        ordered[at] = ordered[at - 1]
        at -= 1
    ordered[at] = value
    return at


@compiled
def _exchange(ordered: Floats, count: int, old: float, new: float) -> int:
    """Put a value in the place of one that is there and move it to its own; return this place."""
    at = _find(ordered, count, old)
    while at + 1 < count and ordered[at + 1] < new:
        ordered[at] = ordered[at + 1]
        at += 1
    return _sink(ordered, at, new)


@compiled
def _mean_rank(ordered: Floats, count: int, at: int) -> float:
    """Return the rank, from 1, of the value at a place, that of equal ones averaged."""
    first, last = at, at
    while first > 0 and ordered[first - 1] == ordered[at]:
        first -= 1
    while last + 1 < count and ordered[last + 1] == ordered[at]:
        last += 1
    return (first + last) / 2.0 + 1.0


@compiled
def _quantile(ordered: Floats, count: int, share: float) -> float:
    """Return the quantile, linear between the two values around it."""
    place = share * (count - 1)
    at = int(place)
    if at == place:
        return float(ordered[at])
    return float(ordered[at] + (ordered[at + 1] - ordered[at]) * (place - at))


@compiled
def slide_order(values: Floats, scale: Floats, window: int, shares: tuple[float, float], out: Floats) -> None:
    """Fill ranks and quantiles of the known values of each window of one symbol.

    Parameters
    ----------
    values : shape (n_sessions,)
    scale : shape (n_sessions,)
        What a unit of the session before counts; 0 where nobody knows. Older values are brought to the units
        of each session in turn, so theirs do not depend on where the slice starts.
    shares : (float, float)
        Of the upper and of the lower quantile.
    out : shape (3, n_sessions)
        `UPPER`, `LOWER` and `RANK`, the rank of equal values averaged; NaN where nothing is known, and the
        rank where the last value is not.
    """
    ordered = np.empty(window)
    ring = np.full(window, np.nan)
    count = 0
    for row in range(values.size):
        if scale[row] == 0.0:
            ring[:] = np.nan
            count = 0
        elif scale[row] != 1.0:  # keeps the order: rounding is monotone
            ring *= scale[row]
            ordered *= scale[row]
        old, new = ring[row % window], values[row]
        ring[row % window] = new
        place = -1
        if not np.isnan(old) and not np.isnan(new):
            place = _exchange(ordered, count, old, new)
        elif not np.isnan(old):
            count = _drop(ordered, count, old)
        elif not np.isnan(new):
            place = _sink(ordered, count, new)
            count += 1
        out[UPPER, row] = _quantile(ordered, count, shares[0]) if count > 0 else np.nan
        out[LOWER, row] = _quantile(ordered, count, shares[1]) if count > 0 else np.nan
        out[RANK, row] = _mean_rank(ordered, count, place) / count if place >= 0 else np.nan
