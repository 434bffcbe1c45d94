"""Rounding noise of features, told from effects: how far do values move when only last bits differ?

A function that adds in another order, rescales by a later factor, or carries a running sum through another
history returns other last bits without having seen anything. How large these are is the function's own affair
(cancellation may leave three digits), so it is measured: the same rows with every symbol's prices and volumes
multiplied by 1 ± a few times 2⁻⁵², which keeps ties and the order of open, high, low and close. Sliding sums
that run on from one symbol to the next keep rounding errors of what they have passed: they show when the
symbols exchange their names, and with them their places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.leakcheck.value_grid import Flags, Values

MARGIN = 100.0
"""An effect counts from so many times the noise on: noise of another sample stays far below."""
SEPARATION = 10.0
"""Once both sides are disturbed, their ranges must lie so many times their width apart."""
RESOLUTION = 1e-12
"""Share of a value, or of the feature's standard deviation, below which doubles tell nothing."""
POOLED_QUANTILE = 0.8
UNSTABLE = 1e-6
"""Share of the standard deviation from which noise makes a cell unstable: a tie, a division by nearly 0."""
LARGEST = 1e300
"""What stands for infinity."""
STEPS = (2.0**-24, 2.0**-23, 2.0**-22)
"""Three steps, each twice the one before, about as wide as the last bit of a number in single precision."""
COARSE = 0.01
"""Share of the standard deviation up to which what bends under such steps may be rounding."""
CHANCE = 0.03
"""Share of the unstable cells that may lie apart by chance: a coin shows the same side nine times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """The noise of each feature, from runs that differ in last bits.

    Parameters
    ----------
    base : Values
        The undisturbed run.
    low, high : Values
        Range of all runs, NaN where every run has a null.
    spread : Values
        Width of that range; infinite where some runs have a null and others a value.
    pooled : array of shape (n_features, 1, 1)
        The width that four cells in five stay below.
    scale : array of shape (n_features, 1, 1)
        Standard deviation of the base's values, 0 where there are none.
    resolution : Values
        What doubles tell of a cell, whatever the noise.
    threshold : Values
        The effect from which a cell counts as changed.
    ordered : Flags
        Cells that mean something by the order or the names of symbols: steady under other last bits, and
        another value when symbols exchange names. There an exchange tells no noise.
    """

    base: Values
    low: Values
    high: Values
    spread: Values
    pooled: Values
    scale: Values
    resolution: Values
    threshold: Values
    ordered: Flags

    @property
    def smallest_visible(self) -> Values:
        """The smallest effect that most cells would show, shape (n_features,)."""
        return (MARGIN * self.pooled + RESOLUTION * self.scale)[:, 0, 0]


def measure_noise(runs: Sequence[Values], exchanged: Sequence[Values] = ()) -> Noise:
    """Return the noise over runs of the same rows, the undisturbed one first.

    Parameters
    ----------
    runs : sequence of Values
        With other last bits.
    exchanged : sequence of Values
        With other last bits and exchanged symbols.
    """
    base, scale = runs[0], np.array([_deviation(one) for one in runs[0]])[:, None, None]
    plain = _range(runs)[2]
    steady = plain <= MARGIN * np.array([_quantile(one) for one in plain])[:, None, None] + RESOLUTION * scale
    moved = np.zeros(base.shape, dtype=bool)
    for one in exchanged:
        moved |= differences(base, one) > UNSTABLE * scale
    ordered = moved & steady
    low, high, spread = _range([*runs, *(np.where(ordered, base, one) for one in exchanged)])
    pooled = np.array([_quantile(one) for one in spread])[:, None, None]
    size = np.nan_to_num(np.abs(runs[0]), nan=0.0, posinf=0.0)
    resolution = RESOLUTION * np.maximum(size, scale)
    return Noise(
        base=runs[0],
        low=low,
        high=high,
        spread=spread,
        pooled=pooled,
        scale=scale,
        resolution=resolution,
        threshold=MARGIN * np.maximum(spread, pooled) + resolution,
        ordered=ordered,
    )


def rounds_in_single(noise: Noise, stepped: Sequence[Values]) -> Flags:
    """Return the features that round to single precision on their way, whatever they return.

    A column cast to Float32 and back rounds a price otherwise once a later factor multiplies it, and last
    bits of doubles do not show it. Second differences do: those of what is computed in doubles fall to a
    quarter when steps are halved, those of rounding stay.

    Parameters
    ----------
    stepped : sequence of Values
        The same rows with values moved by `STEPS`, in the same directions.
    """
    one, two, four = stepped
    near = _bend(noise.base, one, two)
    far = _bend(noise.base, two, four)
    scale = noise.scale[:, 0, 0]
    found: Flags = (near > noise.smallest_visible) & (near > far / 2) & (far <= COARSE * scale)
    return found


def _bend(start: Values, middle: Values, end: Values) -> Values:
    """Return how far most cells lie from a straight line, shape (n_features,)."""
    with np.errstate(invalid="ignore", over="ignore"):
        bends = np.abs(start - 2.0 * middle + end)
    return np.array([_quantile(one) for one in bends])


def _range(runs: Sequence[Values]) -> tuple[Values, Values, Values]:
    stacked = np.stack([_finite(one) for one in runs])
    low, high = np.fmin.reduce(stacked), np.fmax.reduce(stacked)
    unknown = np.isnan(stacked)
    spread = np.where(unknown.all(axis=0), 0.0, high - low)
    spread[unknown.any(axis=0) & ~unknown.all(axis=0)] = np.inf
    return low, high, spread


def _finite(values: Values) -> Values:
    """Return values with infinities as very large numbers, which can be subtracted."""
    return np.clip(values, -LARGEST, LARGEST) if np.isinf(values).any() else values


def _quantile(spread: Values) -> float:
    finite = spread[np.isfinite(spread)]
    return float(np.quantile(finite, POOLED_QUANTILE)) if finite.size else 0.0


def _deviation(values: Values) -> float:
    finite = values[np.isfinite(values)]
    return float(np.std(finite)) if finite.size else 0.0


def differences(one: Values, other: Values) -> Values:
    """Return how far two runs lie apart, cell by cell; infinite where one has a null, the other a value."""
    apart = np.abs(_finite(one) - _finite(other))
    apart[apart >= LARGEST] = np.inf
    either = np.isnan(apart)
    apart[either] = np.where(np.isnan(one[either]) & np.isnan(other[either]), 0.0, np.inf)
    return apart


def changed_cells(noise: Noise, run: Values, kept: Flags) -> Flags:
    """Return the kept cells whose value in `run` differs from the base beyond the noise."""
    flagged: Flags = kept & (differences(noise.base, run) > noise.threshold)
    return flagged


def separated_cells(noise: Noise, runs: Sequence[Values], kept: Flags) -> Flags:
    """Return the kept cells in which every one of `runs` lies clearly outside what the base's runs gave.

    Parameters
    ----------
    runs : sequence of Values
        The disturbed rows, themselves disturbed in last bits.

    Returns
    -------
    Flags
        Of a feature whose cells lie apart no more often than chance makes unstable cells do, none.
    """
    low, high, spread = _range(runs)
    gap = np.maximum(low - noise.high, noise.low - high)
    unknown = np.stack([np.isnan(noise.high), np.isnan(high)])
    width = np.maximum(np.maximum(noise.spread, spread), noise.pooled)
    # A null for a value says something where values stand firm: 0 / 0 in one run may be 0 / 1e-17 in another.
    firm = width <= np.maximum(UNSTABLE * noise.scale, MARGIN * noise.pooled)
    gap = np.where(unknown.any(axis=0), np.where(unknown.all(axis=0) | ~firm, 0.0, np.inf), gap)
    apart: Flags = kept & (gap > SEPARATION * width + noise.resolution)
    apart &= np.isfinite(width)
    unstable = (np.maximum(noise.spread, spread) > UNSTABLE * noise.scale) & kept
    many = apart.sum(axis=(1, 2)) > CHANCE * unstable.sum(axis=(1, 2))
    apart &= many[:, None, None]
    return apart
