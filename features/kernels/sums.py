"""Sums, means and exponential means of windows, and changes between their ends."""

from __future__ import annotations

import numpy as np

from features.kernels.compiled import Floats, Integers, compiled

TOTAL, WEIGHT, COUNT = 0, 1, 2
"""Rows of a table of sums: of the weighted values, of the weights of known values, of known values."""


@compiled
def fill_scales(scales: Floats, steps: Integers, out: Floats) -> None:
    """Fill `out` with the product of the scales of every window.

    Parameters
    ----------
    scales : shape (n_sessions,)
        Of one symbol.
    steps : shape (n_tables, 3)
        See `features.kernels.ladder`.
    out : shape (n_tables, n_sessions)
        ``out[k, t]`` leads from the units of t − `steps[k, 0]` to those of t.
    """
    out[:] = 1.0
    changed = False
    for row in range(scales.size):
        changed |= scales[row] != 1.0
    if changed:
        out[0] = scales
        for at in range(1, steps.shape[0]):
            shift = steps[steps[at, 1], 0]
            newer, older, product = out[steps[at, 1]], out[steps[at, 2]], out[at]
            product[:shift] = newer[:shift]
            newer, product = newer[shift:], product[shift:]
            for row in range(product.size):
                product[row] = newer[row] * older[row]


@compiled
def add_parts(newer: Floats, older: Floats, scale: Floats, part: tuple[int, float], out: Floats) -> None:
    """Fill a table of sums from those of both parts of its windows.

    Parameters
    ----------
    newer, older, out : shape (3, n_sessions)
        `TOTAL`, `WEIGHT` and `COUNT`.
    scale : shape (n_sessions,)
        Units of the newer part's windows, see `fill_scales`.
    part : (int, float)
        Sessions of the newer part, and what an older value weighs for their sake.
    """
    shift, decay = part
    out[:, :shift] = newer[:, :shift]
    total, weight, count = out[TOTAL][shift:], out[WEIGHT][shift:], out[COUNT][shift:]
    new_total, new_weight, new_count = newer[TOTAL][shift:], newer[WEIGHT][shift:], newer[COUNT][shift:]
    old_total, old_weight, old_count = older[TOTAL], older[WEIGHT], older[COUNT]
    units = scale[shift:]
    for row in range(units.size):
        known = 1.0 if units[row] != 0.0 else 0.0
        total[row] = new_total[row] + old_total[row] * (units[row] * decay)
        weight[row] = new_weight[row] + old_weight[row] * (known * decay)
        count[row] = new_count[row] + old_count[row] * known


@compiled
def add_totals(values: Floats, scale: Floats, steps: Integers, out: Floats) -> None:
    """Fill the sums of the windows of one symbol.

    Parameters
    ----------
    values : shape (n_sessions,)
        Without gaps: zeros where nothing is to be added.
    scale, out : shape (n_tables, n_sessions)
        Units of each window, see `fill_scales`, and its sum.
    """
    out[0] = values
    for at in range(1, steps.shape[0]):
        newer, older, total = out[steps[at, 1]], out[steps[at, 2]], out[at]
        shift = steps[steps[at, 1], 0]
        total[:shift] = newer[:shift]
        newer, total, units = newer[shift:], total[shift:], scale[steps[at, 1]][shift:]
        for row in range(total.size):
            total[row] = newer[row] + older[row] * units[row]


@compiled
def fill_sums(values: Floats, out: Floats) -> None:
    """Fill the table of single sessions."""
    for row in range(values.size):
        known = abs(values[row]) < np.inf
        out[TOTAL, row] = values[row] if known else 0.0
        out[WEIGHT, row] = 1.0 if known else 0.0
        out[COUNT, row] = out[WEIGHT, row]


@compiled
def window_sum(
    values: Floats, scales: Floats, size: tuple[int, int, int], steps: Integers, decays: Floats
) -> tuple[Floats, Floats]:
    """Return the weighted sum of the known values of each window, and the sum of their weights.

    Parameters
    ----------
    size : (int, int, int)
        Sessions of each symbol, of the window, and how many must be known.
    steps : shape (n_tables, 3)
        See `features.kernels.ladder`; the last table is that of the window.
    decays : shape (n_tables,)
        What a value counts that is older by the sessions of each table; ones for a plain sum.

    Returns
    -------
    tuple of numpy.ndarray, shape (n_rows,)
        NaN where fewer than required are known.
    """
    sessions, _, required = size
    totals, weights = np.full(values.size, np.nan), np.full(values.size, np.nan)
    tables = np.empty((steps.shape[0], 3, sessions))
    scale = np.ones((steps.shape[0], sessions))
    for first in range(0, values.size, sessions):
        span = slice(first, first + sessions)
        if scales.size > 0:
            fill_scales(scales[span], steps, scale)
        fill_sums(values[span], tables[0])
        for at in range(1, steps.shape[0]):
            new, old = steps[at, 1], steps[at, 2]
            add_parts(tables[new], tables[old], scale[new], (steps[new, 0], decays[new]), tables[at])
        made = tables[steps.shape[0] - 1]
        for row in range(sessions):
            if made[COUNT, row] >= required:
                totals[first + row] = made[TOTAL, row]
                weights[first + row] = made[WEIGHT, row]
    return totals, weights


@compiled
def gross_change(
    values: Floats, scales: Floats, sessions: int, ends: tuple[int, int], steps: Integers
) -> Floats:
    """Return value(t − newest) over value(t − oldest), both in the same units.

    Parameters
    ----------
    ends : (int, int)
        Sessions from t back to the newest and to the oldest value.
    steps : shape (n_tables, 3)
        The last table is that of the sessions from one to the other.
    """
    newest, oldest = ends
    out = np.full(values.size, np.nan)
    scale = np.ones((steps.shape[0], sessions))
    last = scale[steps.shape[0] - 1]
    for first in range(0, values.size, sessions):
        if scales.size > 0:
            fill_scales(scales[first : first + sessions], steps, scale)
        for row in range(oldest, sessions):
            at = first + row
            known = last[row - newest] != 0.0
            older = values[at - oldest] * last[row - newest]
            out[at] = values[at - newest] / older if known else np.nan
    return out
