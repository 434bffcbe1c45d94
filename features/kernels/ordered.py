"""Ranks and quantiles of several windows, each kept sorted."""

from __future__ import annotations

import numpy as np

from features.kernels.compiled import Floats, Integers, compiled

UPPER, LOWER, REACHED, COUNT = 0, 2, 4, 5
"""Rows of what is found: the two values around the upper quantile and around the lower one, how many older
values are below the last one and how many at most equal to it, together, and how many are known."""
ROWS = 6


@compiled
def _exchange(ordered: Floats, window: np.uint64, old: float, new: float) -> None:
    """Put a value into a sorted window in the place of one that is there; the window is padded with ∞."""
    # Each place takes one of three neighbours, and an unsigned index is never negative: several at once.
    one, here, before = np.uint64(1), ordered[0], -np.inf
    for at in range(window):
        after = ordered[at + one]
        left = here if here < old else after  # the window without the old value
        ordered[at] = min(left, max(before, new))
        before, here = left, after


@compiled
def _count_reached(values: Floats, scale: Floats, windows: Integers, out: Floats) -> None:
    """Fill `REACHED` of each window."""
    aged, units = values.copy(), np.where(scale == 0.0, np.nan, scale)
    reached = np.zeros(values.size)
    longest, changed = windows[windows.size - 1], (scale != 1.0).any()
    at = 0
    for shift in range(1, longest + 1):
        if shift == windows[at]:
            out[at, REACHED] = reached
            at += 1
        older, last, unit = aged[: values.size - shift], values[shift:], units[shift:]
        counted = reached[shift:]
        if changed:
            for row in range(last.size):
                older[row] *= unit[row]
        for row in range(last.size):
            below = 1.0 if older[row] < last[row] else 0.0
            counted[row] += below + (1.0 if older[row] <= last[row] else 0.0)


@compiled
def _places(longest: int, share: float) -> Integers:
    """Return at which place of so many sorted values the one below a quantile is."""
    places = np.zeros(longest + 1, dtype=np.int64)
    for count in range(1, longest + 1):
        places[count] = int(share * (count - 1))
    return places


@compiled
def slide_order(
    values: Floats, scale: Floats, windows: Integers, shares: tuple[float, float], out: Floats
) -> None:
    """Fill what ranks and quantiles of the known values of each window of one symbol rest on.

    Parameters
    ----------
    values : shape (n_sessions,)
    scale : shape (n_sessions,)
        What a unit of the session before counts; 0 where nobody knows. Older values are brought to the units
        of each session in turn, so theirs do not depend on where the slice starts.
    windows : shape (n_windows,)
        Ascending.
    shares : (float, float)
        Of the upper and of the lower quantile.
    out : shape (n_windows, 6, n_sessions)
        See `UPPER`; without meaning where the last value is not known.
    """
    _count_reached(values, scale, windows, out)
    longest = windows[windows.size - 1]
    upper, lower = _places(longest, shares[0]), _places(longest, shares[1])
    keys = np.full(longest + values.size, np.inf)  # what is not known is above all that is
    ordered = np.full((windows.size, longest + 2), np.inf)
    counts = np.zeros(windows.size, dtype=np.int64)
    for row in range(values.size):
        if scale[row] == 0.0:
            keys[row : row + longest] = np.inf
            ordered[:] = np.inf
            counts[:] = 0
        elif scale[row] != 1.0:  # keeps the order: rounding is monotone
            keys[row : row + longest] *= scale[row]
            ordered *= scale[row]
        new = values[row] if not np.isnan(values[row]) else np.inf
        keys[row + longest] = new
        for at in range(windows.size):
            old, kept = keys[row + longest - windows[at]], ordered[at]
            _exchange(kept, np.uint64(windows[at]), old, new)
            counts[at] += int(new < np.inf) - int(old < np.inf)
            count = counts[at]
            out[at, UPPER, row], out[at, UPPER + 1, row] = kept[upper[count]], kept[upper[count] + 1]
            out[at, LOWER, row], out[at, LOWER + 1, row] = kept[lower[count]], kept[lower[count] + 1]
            out[at, COUNT, row] = count
