"""Numba kernels over a dense panel flattened symbol by symbol.

Every kernel recomputes each window from its own rows, in a fixed order. Incremental sums (as in Polars'
`rolling_*`) carry rounding from rows that have left the window, so the same session would get other bits
when the slice starts elsewhere; here a value is, bit for bit, a function of the rows in its window.

Conventions: `values` is float64 with NaN for unknown; `position` is the row's index within its symbol
(0 = first session of the block), which keeps windows inside one symbol; results are NaN where fewer than
`min_samples` values are known. `factors` is empty, or holds for each row the factor by which one unit of
the session before counts in units of that row (see `features.adjust`); older values are divided by it, so
a window of prices is expressed in units of its last session. Where a factor is NaN, older values are unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
WindowSize = tuple[int, int]
"""Sessions of a window, and how many of them must be known."""

F = TypeVar("F", bound=Callable[..., object])

MIN_UNIVERSE = 2
"""Symbols that a session needs before a cross-sectional value is given."""


class Statistic(IntEnum):
    """Statistic of one window or one session."""

    SUM = 0
    MEAN = 1
    STD = 2
    POPULATION_STD = 3
    MINIMUM = 4
    MAXIMUM = 5
    SINCE_MINIMUM = 6
    SINCE_MAXIMUM = 7
    SKEW = 8
    KURTOSIS = 9
    MEAN_ABSOLUTE_DEVIATION = 10


class Fit(IntEnum):
    """Statistic of one window of pairs."""

    BETA = 0
    ALPHA = 1
    RESIDUAL_STD = 2
    CORRELATION = 3
    COVARIANCE = 4


def _compiled(function: F) -> F:
    return cast(F, numba.njit(cache=True, nogil=True)(function))


@_compiled
def _gather(values: Floats, factors: Floats, row: int, length: int, taken: Floats) -> int:
    """Fill `taken` with the known values of the window, newest first, and their ages; return their number."""
    count = 0
    scale = 1.0
    for age in range(length):
        at = row - age
        if not np.isnan(values[at]):
            taken[0, count] = values[at] * scale
            taken[1, count] = age
            count += 1
        # The factor of `at` leads from the units of at − 1 to those of at: it scales what is older than `at`.
        if factors.size > 0 and factors[at] != 1.0:
            if np.isnan(factors[at]):  # what is older stands in units that nobody knows
                break
            scale /= factors[at]
    return count


@_compiled
def _total(sample: Floats) -> float:
    total = 0.0
    for value in sample:
        total += value
    return total


@_compiled
def _mean(sample: Floats) -> float:
    return _total(sample) / sample.size


@_compiled
def _moments(sample: Floats) -> tuple[float, float, float]:
    """Return the second, third and fourth central moment."""
    centre = _mean(sample)
    second, third, fourth = 0.0, 0.0, 0.0
    for value in sample:
        square = (value - centre) * (value - centre)
        second += square
        third += square * (value - centre)
        fourth += square * square
    return second / sample.size, third / sample.size, fourth / sample.size


@_compiled
def _variation(sample: Floats) -> float:
    """Return the sum of squared distances from the mean."""
    centre = _mean(sample)
    total = 0.0
    for value in sample:
        total += (value - centre) * (value - centre)
    return total


@_compiled
def _is_constant(sample: Floats) -> bool:
    for value in sample:  # noqa: SIM110 - numba compiles no generator expressions
        if value != sample[0]:
            return False
    return True


@_compiled
def _spread(sample: Floats, lost_degrees: int) -> float:
    """Return the standard deviation: exactly zero for equal values, NaN when too few."""
    if sample.size <= lost_degrees:
        return np.nan
    if _is_constant(sample):  # the mean of equal values can miss them by a bit, which is no spread
        return 0.0
    return float(np.sqrt(_variation(sample) / (sample.size - lost_degrees)))


@_compiled
def _skew(sample: Floats) -> float:
    """Return the adjusted Fisher-Pearson skewness."""
    size = sample.size
    if size < 3 or _is_constant(sample):
        return np.nan
    second, third, _ = _moments(sample)
    raw = third / second**1.5
    return float(raw * np.sqrt(size * (size - 1.0)) / (size - 2.0))


@_compiled
def _kurtosis(sample: Floats) -> float:
    """Return the unbiased excess kurtosis."""
    size = sample.size
    if size < 4 or _is_constant(sample):
        return np.nan
    second, _, fourth = _moments(sample)
    raw = fourth / (second * second)
    return float((size - 1.0) / ((size - 2.0) * (size - 3.0)) * ((size + 1.0) * raw - 3.0 * (size - 1.0)))


@_compiled
def _mean_absolute_deviation(sample: Floats) -> float:
    if _is_constant(sample):
        return 0.0
    centre = _mean(sample)
    total = 0.0
    for value in sample:
        total += abs(value - centre)
    return total / sample.size


@_compiled
def _extreme(sample: Floats, sign: float) -> int:
    """Return the place of the largest `sign × value`; of equals, the newest."""
    best = 0
    for at in range(1, sample.size):
        if sign * sample[at] > sign * sample[best]:
            best = at
    return best


@_compiled
def _location(sample: Floats, ages: Floats, statistic: int) -> float:
    if statistic == Statistic.MINIMUM:
        return float(sample[_extreme(sample, -1.0)])
    if statistic == Statistic.MAXIMUM:
        return float(sample[_extreme(sample, 1.0)])
    if statistic == Statistic.SINCE_MINIMUM:
        return float(ages[_extreme(sample, -1.0)])
    return float(ages[_extreme(sample, 1.0)])


@_compiled
def _shape(sample: Floats, statistic: int) -> float:
    if statistic == Statistic.STD:
        return _spread(sample, 1)
    if statistic == Statistic.POPULATION_STD:
        return _spread(sample, 0)
    if statistic == Statistic.SKEW:
        return _skew(sample)
    if statistic == Statistic.KURTOSIS:
        return _kurtosis(sample)
    return _mean_absolute_deviation(sample)


@_compiled
def _summarise(sample: Floats, ages: Floats, statistic: int) -> float:
    if statistic == Statistic.MEAN:
        return _mean(sample)
    if statistic == Statistic.SUM:
        return _total(sample)
    if Statistic.MINIMUM <= statistic <= Statistic.SINCE_MAXIMUM:
        return _location(sample, ages, statistic)
    return _shape(sample, statistic)


@_compiled
def window_statistic(
    values: Floats, factors: Floats, position: Integers, size: WindowSize, statistic: int
) -> Floats:
    """Return `statistic` of the last rows of each row's symbol."""
    window, min_samples = size
    out = np.full(values.size, np.nan)
    taken = np.empty((2, window))
    for row in range(values.size):
        count = _gather(values, factors, row, min(window, position[row] + 1), taken)
        if count >= min_samples:
            out[row] = _summarise(taken[0, :count], taken[1, :count], statistic)
    return out


@_compiled
def weighted_mean(
    values: Floats, factors: Floats, position: Integers, weights: Floats, min_samples: int
) -> Floats:
    """Return the mean with `weights` (newest first), normalised over the known values."""
    out = np.full(values.size, np.nan)
    taken = np.empty((2, weights.size))
    for row in range(values.size):
        count = _gather(values, factors, row, min(weights.size, position[row] + 1), taken)
        if count >= min_samples:
            total = 0.0
            weight = 0.0
            for at in range(count):
                share = weights[int(taken[1, at])]
                total += share * taken[0, at]
                weight += share
            out[row] = total / weight
    return out


@_compiled
def gross_change(values: Floats, factors: Floats, position: Integers, newest: int, oldest: int) -> Floats:
    """Return value(t − newest) over value(t − oldest), both in the same units."""
    out = np.full(values.size, np.nan)
    for row in range(values.size):
        if position[row] >= oldest:
            scale = 1.0
            # The older value's own factor leads to its units, so it is not among those in between.
            for age in range(newest, oldest):
                if factors.size > 0 and factors[row - age] != 1.0:
                    scale *= factors[row - age]
            out[row] = values[row - newest] * scale / values[row - oldest]
    return out


@_compiled
def _gather_pairs(y: Floats, x: Floats, row: int, length: int, pairs: Floats) -> int:
    count = 0
    for at in range(row, row - length, -1):
        if not (np.isnan(y[at]) or np.isnan(x[at])):
            pairs[0, count] = y[at]
            pairs[1, count] = x[at]
            count += 1
    return count


@_compiled
def _product_moment(y: Floats, x: Floats, y_mean: float, x_mean: float) -> float:
    total = 0.0
    for at in range(y.size):
        total += (y[at] - y_mean) * (x[at] - x_mean)
    return total


@_compiled
def _scatter(variation: float, explained: float, beta: float, kind: tuple[int, int]) -> float:
    """Return the residual std or the correlation from the variation of y and its explained part."""
    size, fit = kind
    if fit == Fit.RESIDUAL_STD:
        return float(np.sqrt(max(variation - explained, 0.0) / (size - 2)))
    if variation <= 0.0:
        return np.nan
    return float(np.sign(beta) * np.sqrt(min(explained / variation, 1.0)))


@_compiled
def _fit(y: Floats, x: Floats, fit: int) -> float:
    """Return one statistic of the least-squares line y = alpha + beta x."""
    y_mean = _mean(y)
    x_mean = _mean(x)
    covariation = _product_moment(y, x, y_mean, x_mean)
    if fit == Fit.COVARIANCE:
        return covariation / (y.size - 1)
    if _is_constant(x) or y.size < 3:
        return np.nan
    x_variation = _product_moment(x, x, x_mean, x_mean)
    beta = covariation / x_variation
    if fit == Fit.BETA:
        return beta
    if fit == Fit.ALPHA:
        return y_mean - beta * x_mean
    return _scatter(_product_moment(y, y, y_mean, y_mean), beta * covariation, beta, (y.size, fit))


@_compiled
def window_fit(y: Floats, x: Floats, position: Integers, size: WindowSize, fit: int) -> Floats:
    """Return `fit` of y on x over the last rows of each row's symbol."""
    window, min_samples = size
    out = np.full(y.size, np.nan)
    pairs = np.empty((2, window))
    for row in range(y.size):
        count = _gather_pairs(y, x, row, min(window, position[row] + 1), pairs)
        if count >= min_samples:
            out[row] = _fit(pairs[0, :count], pairs[1, :count], fit)
    return out


@_compiled
def _gather_session(values: Floats, session: int, sessions: int, sample: Floats, rows: Integers) -> int:
    """Fill `sample` with the known values of one session, in the order of the symbols."""
    count = 0
    for row in range(session, values.size, sessions):
        if not np.isnan(values[row]):
            sample[count] = values[row]
            rows[count] = row
            count += 1
    return count


@_compiled
def session_statistic(values: Floats, sessions: int, statistic: int) -> Floats:
    """Return, on every row of a session, `statistic` over the symbols of that session."""
    out = np.full(values.size, np.nan)
    symbols = values.size // sessions
    sample = np.empty(symbols)
    rows = np.empty(symbols, dtype=np.int64)
    for session in range(sessions):
        count = _gather_session(values, session, sessions, sample, rows)
        if count >= MIN_UNIVERSE:
            summary = _summarise(sample[:count], sample[:count], statistic)
            out[session::sessions] = summary
    return out


@_compiled
def session_rank(values: Floats, sessions: int) -> Floats:
    """Return the mean rank among the session's known values, mapped to the open interval (−½, ½)."""
    out = np.full(values.size, np.nan)
    symbols = values.size // sessions
    sample = np.empty(symbols)
    rows = np.empty(symbols, dtype=np.int64)
    for session in range(sessions):
        count = _gather_session(values, session, sessions, sample, rows)
        if count < MIN_UNIVERSE:
            continue
        order = np.argsort(sample[:count], kind="mergesort")
        first = 0
        while first < count:
            last = first
            while last + 1 < count and sample[order[last + 1]] == sample[order[first]]:
                last += 1
            for at in range(first, last + 1):
                out[rows[order[at]]] = ((first + last) / 2.0 + 0.5) / count - 0.5
            first = last + 1
    return out
