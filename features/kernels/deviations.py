"""Distances from a window's mean: no parts make them up, so every window is read row by row."""

from __future__ import annotations

import numpy as np

from features.kernels.compiled import Floats, compiled


@compiled
def _gather(values: Floats, scales: Floats, row: int, length: int, taken: Floats) -> int:
    """Fill `taken` with the known values of the window in units of its last row; return their number."""
    count = 0
    scale = 1.0
    for at in range(row, row - length, -1):
        if not np.isnan(values[at]):
            taken[count] = values[at] * scale
            count += 1
        if scales.size > 0:
            scale *= scales[at]
            if scale == 0.0:  # what is older stands in units that nobody knows
                break
    return count


@compiled
def _mean_distance(sample: Floats) -> float:
    """Return the mean distance from the mean, exactly zero for equal values."""
    total = 0.0
    equal = True
    for value in sample:
        total += value
        equal = equal and value == sample[0]
    if equal:  # the mean of equal values can miss them by a bit, which is no distance
        return 0.0
    centre = total / sample.size
    distance = 0.0
    for value in sample:
        distance += abs(value - centre)
    return float(distance / sample.size)


@compiled
def window_deviation(values: Floats, scales: Floats, size: tuple[int, int, int]) -> Floats:
    """Return the mean absolute deviation of each window.

    Parameters
    ----------
    size : (int, int, int)
        Sessions of each symbol, of the window, and how many must be known.
    """
    sessions, window, required = size
    out = np.full(values.size, np.nan)
    taken = np.empty(window)
    for row in range(values.size):
        count = _gather(values, scales, row, min(window, row % sessions + 1), taken)
        if count >= max(required, 1):
            out[row] = _mean_distance(taken[:count])
    return out
