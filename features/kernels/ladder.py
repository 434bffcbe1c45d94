"""From which shorter windows a window is put together."""

from __future__ import annotations

from functools import cache

import numpy as np

from features.kernels.compiled import Integers

FIVE = 5
"""Windows are counted in weeks of five sessions, then in single ones: trading windows are mostly so."""


def _powers(number: int) -> list[int]:
    """Return the powers of two that add up to `number`, the largest first."""
    return [1 << bit for bit in reversed(range(number.bit_length())) if number >> bit & 1]


def split_window(window: int) -> tuple[int, int]:
    """Return the sessions of the newer and of the older part of a window.

    Parameters
    ----------
    window : int
        At least 2 sessions.

    Returns
    -------
    tuple of int
        Both at least 1, together `window`: 252 is 250 and 2, 250 is 240 and 10, 240 is 160 and 80, 160 is 80
        and 80, and so on down to 10, which is 5 and 5, 5, which is 4 and 1, 4 and 2. One rule for every
        window, so that a value never depends on which other windows are computed beside it.
    """
    weeks, days = divmod(window, FIVE)
    parts = [FIVE * weeks_of for weeks_of in _powers(weeks)] + _powers(days)
    if len(parts) > 1:
        return window - parts[-1], parts[-1]
    return (4, 1) if window == FIVE else (window // 2, window // 2)


@cache
def ladder(*windows: int) -> Integers:
    """Return the steps that make tables of windows, each from two tables made before it.

    Parameters
    ----------
    *windows : int
        Wanted lengths in sessions, at least 1 each.

    Returns
    -------
    numpy.ndarray, shape (n_tables, 3)
        Of each table, in ascending order of its window: its sessions, and the numbers of the tables of the
        newer and of the older part, whose sessions add up to it. The first is that of a single session, which
        has no parts (zeros). Read-only.

    Raises
    ------
    ValueError
        If a window is shorter than one session.
    """
    if min(windows) < 1:
        msg = f"windows={windows} must have at least one session each"
        raise ValueError(msg)
    lengths, waiting = {1}, list(windows)
    while waiting:
        window = waiting.pop()
        if window not in lengths:
            lengths.add(window)
            waiting += split_window(window)
    ordered = sorted(lengths)
    place = {length: at for at, length in enumerate(ordered)}
    steps = [(1, 0, 0)]
    for length in ordered[1:]:
        newer, older = split_window(length)
        steps.append((length, place[newer], place[older]))
    table = np.array(steps, dtype=np.int64)
    table.flags.writeable = False
    return table
