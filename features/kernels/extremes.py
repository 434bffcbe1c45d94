"""Largest and smallest values of windows, and how long ago they were."""

from __future__ import annotations

import numpy as np

from features.kernels.compiled import Floats, Integers, compiled
from features.kernels.sums import fill_scales

COUNT, BEST, AGE = 0, 1, 2
"""Rows of a table of extremes: known values, the largest (−∞ without one), sessions since it."""


@compiled
def fill_extremes(values: Floats, sign: float, out: Floats) -> None:
    """Fill the table of single sessions; `sign` −1 turns the smallest into the largest."""
    for row in range(values.size):
        known = abs(values[row]) < np.inf
        out[COUNT, row] = 1.0 if known else 0.0
        out[BEST, row] = sign * values[row] if known else -np.inf
        out[AGE, row] = 0.0


@compiled
def choose_larger(newer: Floats, older: Floats, scale: Floats, part: tuple[int, bool], out: Floats) -> None:
    """Fill the extremes of windows from those of both parts.

    Parameters
    ----------
    newer, older, out : shape (3, n_sessions)
        `COUNT`, `BEST` and `AGE`.
    scale : shape (n_sessions,)
        Units of the newer part's windows, see `features.kernels.sums.fill_scales`.
    part : (int, bool)
        Sessions of the newer part, and whether of equal values the oldest counts and not the newest.
    """
    shift, oldest = part
    out[:, :shift] = newer[:, :shift]
    count, best, age = out[COUNT][shift:], out[BEST][shift:], out[AGE][shift:]
    new_count, new_best, new_age = newer[COUNT][shift:], newer[BEST][shift:], newer[AGE][shift:]
    old_count, old_best, old_age = older[COUNT], older[BEST], older[AGE]
    units = scale[shift:]
    for row in range(units.size):
        unit, first = units[row], new_best[row]
        kept = 1.0 if unit != 0.0 else 0.0
        rival = old_best[row] * unit if unit != 0.0 else -np.inf
        wins = rival > first or (oldest and rival == first)
        count[row] = new_count[row] + old_count[row] * kept
        age[row] = old_age[row] + shift if wins else new_age[row]
        best[row] = max(first, rival)


@compiled
def fill_best(
    values: Floats, scale: Floats, steps: Integers, choice: tuple[float, bool], out: Floats
) -> None:
    """Fill the extremes of the windows of one symbol.

    Parameters
    ----------
    scale : shape (n_tables, n_sessions)
        Units of each window.
    choice : (float, bool)
        1 for the largest value, −1 for the smallest, and whether of equal ones the oldest counts.
    out : shape (n_tables, 3, n_sessions)
    """
    sign, oldest = choice
    fill_extremes(values, sign, out[0])
    for at in range(1, steps.shape[0]):
        new = steps[at, 1]
        choose_larger(out[new], out[steps[at, 2]], scale[new], (steps[new, 0], oldest), out[at])


@compiled
def window_extreme(
    values: Floats, scales: Floats, size: tuple[int, int, int], steps: Integers, sign: float
) -> tuple[Floats, Floats]:
    """Return the largest `sign × value` of each window, with its own sign, and the sessions since it.

    Parameters
    ----------
    size : (int, int, int)
        Sessions of each symbol, of the window, and how many must be known.
    steps : shape (n_tables, 3)
        See `features.kernels.ladder`.
    sign : float
        1 for the largest value, −1 for the smallest.
    """
    sessions, _, required = size
    found, ages = np.full(values.size, np.nan), np.full(values.size, np.nan)
    tables = np.empty((steps.shape[0], 3, sessions))
    scale = np.ones((steps.shape[0], sessions))
    for first in range(0, values.size, sessions):
        span = slice(first, first + sessions)
        if scales.size > 0:
            fill_scales(scales[span], steps, scale)
        fill_best(values[span], scale, steps, (sign, False), tables)
        made = tables[steps.shape[0] - 1]
        for row in range(sessions):
            if made[COUNT, row] >= max(required, 1):
                found[first + row] = sign * made[BEST, row]
                ages[first + row] = made[AGE, row]
    return found, ages
