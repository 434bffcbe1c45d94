"""Spread and shape of windows: central moments, merged from those of the parts.

The moments of two parts merge by the distance δ of their means (Chan, Golub and LeVeque, 1983, The American
Statistician 37(3); third and fourth moments: Pébay, 2008, Sandia report SAND2008-6212, eqs. 1.5 to 1.7), so
nothing large is subtracted, and equal values have exactly no spread.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from features.kernels.compiled import Floats, Integers, compiled
from features.kernels.sums import fill_scales

COUNT, MEAN, SECOND, THIRD, FOURTH = 0, 1, 2, 3, 4
"""Rows of a table of moments: known values, their mean, and sums of powers of the distances from it."""


class Shape(IntEnum):
    """Statistic of the distribution of one window."""

    SKEW = 0
    KURTOSIS = 1


@compiled
def fill_moments(values: Floats, out: Floats) -> None:
    """Fill the table of single sessions."""
    out[:] = 0.0
    for row in range(values.size):
        known = abs(values[row]) < np.inf
        out[COUNT, row] = 1.0 if known else 0.0
        out[MEAN, row] = values[row] if known else 0.0


@compiled
def merge_parts(newer: Floats, older: Floats, scale: Floats, shift: int, out: Floats) -> None:
    """Fill count, mean and second moment of windows from those of both parts.

    Parameters
    ----------
    newer, older, out : shape (3 or more, n_sessions)
        `COUNT`, `MEAN` and `SECOND`.
    scale : shape (n_sessions,)
        Units of the newer part's windows, see `features.kernels.sums.fill_scales`.
    shift : int
        Sessions of the newer part.
    """
    out[:3, :shift] = newer[:3, :shift]
    count, mean, second = out[COUNT][shift:], out[MEAN][shift:], out[SECOND][shift:]
    n, new_mean, new_second = newer[COUNT][shift:], newer[MEAN][shift:], newer[SECOND][shift:]
    m, old_mean, old_second = older[COUNT], older[MEAN], older[SECOND]
    units = scale[shift:]
    for row in range(units.size):
        unit = units[row]
        there = m[row] * (1.0 if unit != 0.0 else 0.0)
        both = n[row] + there
        share = there / max(1.0, both)
        step = old_mean[row] * unit - new_mean[row]
        count[row] = both
        mean[row] = new_mean[row] + step * share
        second[row] = (new_second[row] + old_second[row] * (unit * unit)) + step * (step * (n[row] * share))


@compiled
def fill_spreads(values: Floats, scale: Floats, steps: Integers, out: Floats) -> None:
    """Fill means and second moments of the windows of one symbol.

    Parameters
    ----------
    scale : shape (n_tables, n_sessions)
        Units of each window.
    out : shape (n_tables, 3, n_sessions)
    """
    fill_moments(values, out[0])
    for at in range(1, steps.shape[0]):
        new = steps[at, 1]
        merge_parts(out[new], out[steps[at, 2]], scale[new], steps[new, 0], out[at])


@compiled
def window_spread(
    values: Floats, scales: Floats, size: tuple[int, int, int], steps: Integers, lost_degrees: int
) -> Floats:
    """Return the standard deviation of each window; exactly zero for equal values.

    Parameters
    ----------
    size : (int, int, int)
        Sessions of each symbol, of the window, and how many must be known.
    steps : shape (n_tables, 3)
        See `features.kernels.ladder`.
    lost_degrees : int
        1 for a sample, 0 for a population.
    """
    sessions, _, required = size
    out = np.full(values.size, np.nan)
    tables = np.empty((steps.shape[0], 3, sessions))
    scale = np.ones((steps.shape[0], sessions))
    for first in range(0, values.size, sessions):
        span = slice(first, first + sessions)
        if scales.size > 0:
            fill_scales(scales[span], steps, scale)
        fill_spreads(values[span], scale, steps, tables)
        made = tables[steps.shape[0] - 1]
        for row in range(sessions):
            if made[COUNT, row] >= max(required, lost_degrees + 1):
                out[first + row] = np.sqrt(made[SECOND, row] / (made[COUNT, row] - lost_degrees))
    return out


@compiled
def merge_shapes(newer: Floats, older: Floats, shift: int, out: Floats) -> None:
    """Fill all moments of windows, up to the fourth, from those of both parts; units stay the same."""
    out[:, :shift] = newer[:, :shift]
    count, mean, second = out[COUNT][shift:], out[MEAN][shift:], out[SECOND][shift:]
    third, fourth = out[THIRD][shift:], out[FOURTH][shift:]
    new_count, new_mean, new_second = newer[COUNT][shift:], newer[MEAN][shift:], newer[SECOND][shift:]
    new_third, new_fourth = newer[THIRD][shift:], newer[FOURTH][shift:]
    old_count, old_mean, old_second = older[COUNT], older[MEAN], older[SECOND]
    old_third, old_fourth = older[THIRD], older[FOURTH]
    for row in range(count.size):
        n, m = new_count[row], old_count[row]
        distance = old_mean[row] - new_mean[row]
        step = distance / max(1.0, n + m)
        square = step * step
        cross = n * m * (n + m)
        count[row] = n + m
        # Not step · m: a part without values must leave the other's mean as it is.
        mean[row] = new_mean[row] + distance * (m / max(1.0, n + m))
        second[row] = new_second[row] + old_second[row] + square * cross
        third[row] = (new_third[row] + old_third[row]) + (
            square * step * cross * (n - m) + 3.0 * step * (n * old_second[row] - m * new_second[row])
        )
        fourth[row] = (new_fourth[row] + old_fourth[row]) + (
            square * square * cross * (n * n - n * m + m * m)
            + 6.0 * square * (n * n * old_second[row] + m * m * new_second[row])
            + 4.0 * step * (n * old_third[row] - m * new_third[row])
        )


@compiled
def _skew(size: float, second: float, third: float) -> float:
    """Return the adjusted Fisher-Pearson skewness of sums of powers."""
    if size < 3 or second == 0.0:
        return np.nan
    raw = (third / size) / (second / size) ** 1.5
    return float(raw * np.sqrt(size * (size - 1.0)) / (size - 2.0))


@compiled
def _kurtosis(size: float, second: float, fourth: float) -> float:
    """Return the unbiased excess kurtosis of sums of powers."""
    if size < 4 or second == 0.0:
        return np.nan
    raw = size * fourth / (second * second)
    return float((size - 1.0) / ((size - 2.0) * (size - 3.0)) * ((size + 1.0) * raw - 3.0 * (size - 1.0)))


@compiled
def window_shape(values: Floats, size: tuple[int, int, int], steps: Integers, shape: int) -> Floats:
    """Return a `Shape` of each window, NaN for equal values."""
    sessions, _, required = size
    out = np.full(values.size, np.nan)
    tables = np.empty((steps.shape[0], 5, sessions))
    for first in range(0, values.size, sessions):
        fill_moments(values[first : first + sessions], tables[0])
        for at in range(1, steps.shape[0]):
            new = steps[at, 1]
            merge_shapes(tables[new], tables[steps[at, 2]], steps[new, 0], tables[at])
        made = tables[steps.shape[0] - 1]
        for row in range(sessions):
            count, second = made[COUNT, row], made[SECOND, row]
            if count >= required:
                if shape == Shape.SKEW:
                    out[first + row] = _skew(count, second, made[THIRD, row])
                else:
                    out[first + row] = _kurtosis(count, second, made[FOURTH, row])
    return out
