"""What Qlib's 158 factors read of one and of two sessions, in float32 throughout, as there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.kernels.compiled import Floats, compiled

Singles = NDArray[np.float32]

OPEN, HIGH, LOW, CLOSE, VWAP, VOLUME, LOG_VOLUME, LOG_CHANGE = range(8)
"""Rows of the inputs; the last two are ln(volume + 1) and ln(volume / volume before + 1)."""

RATIO, TRADED, RISEN, FALLEN, GAIN, LOSS, MOVED, MORE, LESS, CHANGED = range(10)
"""Rows of what is derived from two sessions: close / close before, and volume times the absolute return, NaN
where unknown; whether closes rose or fell; by how much, and whether that is known; the same of volumes."""
DERIVED = 10

BARS = 13
"""Factors of single bars."""
TINY = np.float32(1e-12)


@compiled
def log_arguments(volume: Singles, scales: Floats, sessions: int) -> Singles:
    """Return volume + 1 and volume / volume before + 1, shape (2, n_rows).

    The logarithm itself is NumPy's own for float32, which is other by a bit than that of the compiler.
    """
    out = np.empty((2, volume.size), dtype=np.float32)
    one = np.float32(1.0)
    for row in range(volume.size):
        out[0, row] = volume[row] + one
        unit = scales[row] if scales.size > 0 else 1.0
        known = row % sessions > 0 and unit != 0.0
        before = np.float32(volume[row - 1] * unit) if known else np.float32(np.nan)
        out[1, row] = volume[row] / before + one
    return out


@compiled
def derive_changes(inputs: Singles, price: Floats, share: Floats, out: Floats) -> None:
    """Fill what is derived from two sessions of one symbol; NaN where either is unknown."""
    zero, one, nan = np.float32(0.0), np.float32(1.0), np.float32(np.nan)
    for row in range(out.shape[1]):
        close, volume = inputs[CLOSE, row], inputs[VOLUME, row]
        known = row > 0 and price[row] != 0.0
        close_before = np.float32(inputs[CLOSE, row - 1] * price[row]) if known else nan
        known = row > 0 and share[row] != 0.0
        volume_before = np.float32(inputs[VOLUME, row - 1] * share[row]) if known else nan
        moved, traded = close - close_before, volume - volume_before
        out[RATIO, row] = close / close_before
        out[GAIN, row] = max(zero, moved)
        out[LOSS, row] = -moved if moved < zero else zero
        out[RISEN, row] = 1.0 if close > close_before else 0.0
        out[FALLEN, row] = 1.0 if close < close_before else 0.0
        out[MORE, row] = max(zero, traded)
        out[LESS, row] = -traded if traded < zero else zero
        out[MOVED, row] = 0.0 if np.isnan(moved) else 1.0
        out[CHANGED, row] = 0.0 if np.isnan(traded) else 1.0
        out[TRADED, row] = abs(close / close_before - one) * volume


@compiled
def put(value: float | np.float32, known: bool) -> np.float32:
    """Return a value as it is stored: NaN where it is not finite or the session has no bar."""
    stored = np.float32(value)
    return stored if known and abs(stored) < np.inf else np.float32(np.nan)


@compiled
def write_bars(inputs: Singles, out: Singles) -> None:
    """Write the factors of single bars, in float32 throughout."""
    two = np.float32(2.0)
    for row in range(out.shape[1]):
        first, high, low, close = inputs[OPEN, row], inputs[HIGH, row], inputs[LOW, row], inputs[CLOSE, row]
        reach = high - low + TINY
        top, bottom = np.maximum(first, close), np.minimum(first, close)
        shift = two * close - high - low
        out[0, row] = put((close - first) / first, True)
        out[1, row] = put((high - low) / first, True)
        out[2, row] = put((close - first) / reach, True)
        out[3, row] = put((high - top) / first, True)
        out[4, row] = put((high - top) / reach, True)
        out[5, row] = put((bottom - low) / first, True)
        out[6, row] = put((bottom - low) / reach, True)
        out[7, row] = put(shift / first, True)
        out[8, row] = put(shift / reach, True)
        out[9, row] = put(first / close, True)
        out[10, row] = put(high / close, True)
        out[11, row] = put(low / close, True)
        out[12, row] = put(inputs[VWAP, row] / close, True)
