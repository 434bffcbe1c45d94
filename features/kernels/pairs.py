"""Least-squares lines over windows of pairs: co-moments, merged from those of the parts."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from features.kernels.compiled import Floats, Integers, compiled

COUNT, Y_MEAN, X_MEAN, Y_SECOND, X_SECOND, PRODUCT = 0, 1, 2, 3, 4, 5
"""Rows of a table of pairs: known pairs, both means, and sums of products of the distances from them."""


class Fit(IntEnum):
    """Statistic of one window of pairs."""

    BETA = 0
    ALPHA = 1
    RESIDUAL_STD = 2
    CORRELATION = 3
    COVARIANCE = 4


@compiled
def fill_pairs(y: Floats, x: Floats, out: Floats) -> None:
    """Fill the table of single sessions; a pair is known where both are."""
    out[:] = 0.0
    for row in range(y.size):
        known = abs(y[row]) < np.inf and abs(x[row]) < np.inf
        out[COUNT, row] = 1.0 if known else 0.0
        out[Y_MEAN, row] = y[row] if known else 0.0
        out[X_MEAN, row] = x[row] if known else 0.0


@compiled
def merge_pairs(newer: Floats, older: Floats, scale: Floats, part: tuple[int, float], out: Floats) -> None:
    """Fill the co-moments of windows from those of both parts.

    Parameters
    ----------
    newer, older, out : shape (6, n_sessions)
        See the rows of a table of pairs.
    scale : shape (n_sessions,)
        Units of y in the newer part's windows, see `features.kernels.sums.fill_scales`; x has no units.
    part : (int, float)
        Sessions of the newer part, and what is added to an older x for their sake: 0, but for a time that is
        counted from the last session of each window.
    """
    shift, drift = part
    out[:, :shift] = newer[:, :shift]
    count, y_mean, x_mean = out[COUNT][shift:], out[Y_MEAN][shift:], out[X_MEAN][shift:]
    yy, xx, xy = out[Y_SECOND][shift:], out[X_SECOND][shift:], out[PRODUCT][shift:]
    n, new_y, new_x = newer[COUNT][shift:], newer[Y_MEAN][shift:], newer[X_MEAN][shift:]
    new_yy, new_xx, new_xy = newer[Y_SECOND][shift:], newer[X_SECOND][shift:], newer[PRODUCT][shift:]
    m, old_y, old_x = older[COUNT], older[Y_MEAN], older[X_MEAN]
    old_yy, old_xx, old_xy = older[Y_SECOND], older[X_SECOND], older[PRODUCT]
    units = scale[shift:]
    for row in range(units.size):
        unit = units[row]
        kept = 1.0 if unit != 0.0 else 0.0
        there = m[row] * kept
        both = n[row] + there
        share = there / max(1.0, both)
        weight = n[row] * share
        y_step = old_y[row] * unit - new_y[row]
        x_step = (old_x[row] + drift) - new_x[row]
        count[row] = both
        y_mean[row] = new_y[row] + y_step * share
        x_mean[row] = new_x[row] + x_step * share
        yy[row] = (new_yy[row] + old_yy[row] * (unit * unit)) + y_step * (y_step * weight)
        xx[row] = (new_xx[row] + old_xx[row] * kept) + x_step * (x_step * weight)
        xy[row] = (new_xy[row] + old_xy[row] * unit) + y_step * (x_step * weight)


@compiled
def fill_lines(y: Floats, x: Floats, scale: Floats, plan: tuple[Integers, bool], out: Floats) -> None:
    """Fill the co-moments of the windows of one symbol.

    Parameters
    ----------
    scale : shape (n_tables, n_sessions)
        Units of y in each window.
    plan : (shape (n_tables, 3), bool)
        Steps of the ladder, and whether x is the time since the window's end: zeros then.
    out : shape (n_tables, 6, n_sessions)
    """
    steps, timed = plan
    fill_pairs(y, x, out[0])
    for at in range(1, steps.shape[0]):
        new = steps[at, 1]
        drift = -float(steps[new, 0]) if timed else 0.0
        merge_pairs(out[new], out[steps[at, 2]], scale[new], (steps[new, 0], drift), out[at])


@compiled
def residual_std(pairs: Floats, row: int) -> float:
    """Return the standard deviation (n − 2) of y around the least-squares line of one window."""
    explained = pairs[PRODUCT, row] / pairs[X_SECOND, row] * pairs[PRODUCT, row]
    return float(np.sqrt(max(pairs[Y_SECOND, row] - explained, 0.0) / (pairs[COUNT, row] - 2.0)))


@compiled
def correlation(pairs: Floats, row: int) -> float:
    """Return the correlation of one window; NaN where y is constant."""
    if pairs[Y_SECOND, row] == 0.0:
        return np.nan
    explained = pairs[PRODUCT, row] / pairs[X_SECOND, row] * pairs[PRODUCT, row]
    return float(np.sign(pairs[PRODUCT, row]) * np.sqrt(min(explained / pairs[Y_SECOND, row], 1.0)))


@compiled
def describe_line(pairs: Floats, row: int, fit: int) -> float:
    """Return one statistic of the least-squares line y = alpha + beta x of one window."""
    count = pairs[COUNT, row]
    if fit == Fit.COVARIANCE:
        return float(pairs[PRODUCT, row] / (count - 1.0)) if count > 1.0 else np.nan
    if count < 3.0 or pairs[X_SECOND, row] == 0.0:
        return np.nan
    beta = pairs[PRODUCT, row] / pairs[X_SECOND, row]
    if fit == Fit.BETA:
        return float(beta)
    if fit == Fit.ALPHA:
        return float(pairs[Y_MEAN, row] - beta * pairs[X_MEAN, row])
    return residual_std(pairs, row) if fit == Fit.RESIDUAL_STD else correlation(pairs, row)


@compiled
def window_fit(y: Floats, x: Floats, size: tuple[int, int, int], steps: Integers, fit: int) -> Floats:
    """Return `fit` of y on x over each window.

    Parameters
    ----------
    size : (int, int, int)
        Sessions of each symbol, of the window, and how many pairs must be known.
    steps : shape (n_tables, 3)
        See `features.kernels.ladder`.
    """
    sessions, _, required = size
    out = np.full(y.size, np.nan)
    tables = np.empty((steps.shape[0], 6, sessions))
    same_units = np.ones((steps.shape[0], sessions))
    for first in range(0, y.size, sessions):
        span = slice(first, first + sessions)
        fill_lines(y[span], x[span], same_units, (steps, False), tables)
        made = tables[steps.shape[0] - 1]
        for row in range(sessions):
            if made[COUNT, row] >= required:
                out[first + row] = describe_line(made, row, fit)
    return out
