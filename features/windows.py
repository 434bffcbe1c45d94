"""Window and cross-section primitives as Polars expressions, backed by `features.kernels`.

All of them read a prepared panel (`features.panel`): dense, sorted by symbol and session, with the column
`position`. A window of n covers the sessions (t − n, t]; unknown values are skipped, and the result is null
where fewer than `min_samples` are known: by default four fifths of the window.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.kernels import across_symbols, deviations, extremes, moments, pairs, sums
from features.kernels.across_symbols import Across
from features.kernels.compiled import Floats
from features.kernels.ladder import ladder
from features.kernels.moments import Shape
from features.kernels.pairs import Fit
from features.kernels.single_bars import Singles

COVERAGE = 0.8
"""Share of a window's sessions that must be known, unless a primitive is told otherwise."""

TRUNCATION = 5
"""An exponential mean of span n is cut after 5 n sessions, where e⁻¹⁰ of the weight is left."""

Column = str | pl.Expr
Number = TypeVar("Number", bound=np.generic)


def _read_only(array: NDArray[Number]) -> NDArray[Number]:
    """Mark `array` as read-only: numba compiles a kernel once more for each mix of writable inputs."""
    array.flags.writeable = False
    return array


_NOT_ADJUSTED = _read_only(np.empty(0))


def required_samples(window: int) -> int:
    """Return how many of a window's sessions must be known."""
    return max(1, math.ceil(COVERAGE * window))


def as_expression(column: Column) -> pl.Expr:
    """Return `column` as an expression."""
    return pl.col(column) if isinstance(column, str) else column


def _floats(series: pl.Series) -> Floats:
    return _read_only(series.cast(pl.Float64).fill_null(np.nan).to_numpy())


def sessions_of(position: pl.Series) -> int:
    """Return how many sessions each symbol of a dense panel has.

    Raises
    ------
    ValueError
        If rows of the panel are missing: kernels take it for granted that every symbol has all sessions.
    """
    if not position.len():
        return 1
    sessions = int(position[-1]) + 1
    if position[0] != 0 or position.len() % sessions:
        msg = (
            f"positions from {position[0]} to {position[-1]} over {position.len()} rows are no dense panel: "
            "compute on the whole panel (features.panel.prepare_panel) and filter what comes out"
        )
        raise ValueError(msg)
    return sessions


def map_kernel(
    inputs: Sequence[Column], function: Callable[..., Floats | Singles], **constants: float | str
) -> pl.Expr:
    """Apply a top-level function to the inputs' series and constants.

    Polars cannot look into a Python function. So the expression carries the function's path and constants
    as an alias, which `features.code_digest` reads: a feature's digest then knows which code it rests on.
    """

    def apply(series: Sequence[pl.Series]) -> pl.Series:
        return pl.Series(function(series, **constants), dtype=pl.Float64).fill_nan(None)

    told = ", ".join(f"{name}={value!r}" for name, value in constants.items())
    described = f"{function.__module__}.{function.__qualname__}({told})"
    columns = [as_expression(column) for column in inputs]
    return pl.map_batches(columns, apply, return_dtype=pl.Float64).alias(described)


def _adjusted(column: Column, adjustment: str | None) -> list[Column]:
    """Return the inputs of a window of one column: values, position and, if adjusted, factors."""
    return [column, "position", *([adjustment] if adjustment else [])]


def _scales(series: Sequence[pl.Series]) -> Floats:
    """Return what a unit of the session before counts in units of each row; 0 where nobody knows."""
    if len(series) < 3:
        return _NOT_ADJUSTED
    return _read_only(scales_of(_floats(series[2])))


def scales_of(factors: Floats) -> Floats:
    """Return one over factors of adjustment; 0, which the kernels take for unknown, where that is no unit."""
    known = np.isfinite(factors) & (factors > 0.0)
    return np.divide(1.0, factors, out=np.zeros_like(factors), where=known)


def _required(window: int, min_samples: int | None) -> int:
    return required_samples(window) if min_samples is None else min_samples


def lag(column: Column, sessions: int = 1) -> pl.Expr:
    """Return the value `sessions` sessions earlier of the same symbol, as it stood (no adjustment)."""
    return pl.when(pl.col("position") >= sessions).then(as_expression(column).shift(sessions))


def total(
    column: Column, window: int, *, adjustment: str | None = None, min_samples: int | None = None
) -> pl.Expr:
    """Return the sum of the known values."""
    required = _required(window, min_samples)
    return map_kernel(_adjusted(column, adjustment), _total, window=window, required=required)


def _total(series: Sequence[pl.Series], *, window: int, required: int) -> Floats:
    return _sums(series, window, required, 1.0)[0]


def _sums(series: Sequence[pl.Series], window: int, required: int, kept: float) -> tuple[Floats, Floats]:
    """Return sum and weight of a window in which a value counts `kept` of one that is a session newer."""
    steps = ladder(window)
    decays = _read_only(np.power(kept, steps[:, 0], dtype=np.float64))
    size = (sessions_of(series[1]), window, required)
    return sums.window_sum(_floats(series[0]), _scales(series), size, steps, decays)


def mean(
    column: Column, window: int, *, adjustment: str | None = None, min_samples: int | None = None
) -> pl.Expr:
    """Return the arithmetic mean; with `adjustment`, in units of the last session."""
    required = _required(window, min_samples)
    return map_kernel(_adjusted(column, adjustment), _mean, window=window, required=required)


def _mean(series: Sequence[pl.Series], *, window: int, required: int) -> Floats:
    totals, weights = _sums(series, window, required, 1.0)
    return totals / weights


def std(column: Column, window: int, *, adjustment: str | None = None, population: bool = False) -> pl.Expr:
    """Return the standard deviation, with n − 1 in the denominator unless `population`."""
    lost, required = int(not population), required_samples(window)
    return map_kernel(
        _adjusted(column, adjustment), _std, window=window, required=required, lost_degrees=lost
    )


def _std(series: Sequence[pl.Series], *, window: int, required: int, lost_degrees: int) -> Floats:
    size = (sessions_of(series[1]), window, required)
    return moments.window_spread(_floats(series[0]), _scales(series), size, ladder(window), lost_degrees)


def minimum(column: Column, window: int, *, adjustment: str | None = None) -> pl.Expr:
    """Return the smallest value."""
    return _extreme(column, window, adjustment, sign=-1.0, since=False)


def maximum(column: Column, window: int, *, adjustment: str | None = None) -> pl.Expr:
    """Return the largest value."""
    return _extreme(column, window, adjustment, sign=1.0, since=False)


def since_minimum(column: Column, window: int, *, adjustment: str | None = None) -> pl.Expr:
    """Return the sessions since the smallest value (of equals, the latest)."""
    return _extreme(column, window, adjustment, sign=-1.0, since=True)


def since_maximum(column: Column, window: int, *, adjustment: str | None = None) -> pl.Expr:
    """Return the sessions since the largest value (of equals, the latest)."""
    return _extreme(column, window, adjustment, sign=1.0, since=True)


def _extreme(column: Column, window: int, adjustment: str | None, *, sign: float, since: bool) -> pl.Expr:
    constants = {"window": window, "required": required_samples(window), "sign": sign, "since": since}
    return map_kernel(_adjusted(column, adjustment), _window_extreme, **constants)


def _window_extreme(
    series: Sequence[pl.Series], *, window: int, required: int, sign: float, since: bool
) -> Floats:
    size = (sessions_of(series[1]), window, required)
    found, ages = extremes.window_extreme(_floats(series[0]), _scales(series), size, ladder(window), sign)
    return ages if since else found


def skew(column: Column, window: int) -> pl.Expr:
    """Return the adjusted Fisher–Pearson skewness, as `pandas.Series.skew`."""
    return map_kernel([column, "position"], _shape, shape=int(Shape.SKEW), window=window)


def kurtosis(column: Column, window: int) -> pl.Expr:
    """Return the unbiased excess kurtosis, as `pandas.Series.kurt`."""
    return map_kernel([column, "position"], _shape, shape=int(Shape.KURTOSIS), window=window)


def _shape(series: Sequence[pl.Series], *, shape: int, window: int) -> Floats:
    size = (sessions_of(series[1]), window, required_samples(window))
    return moments.window_shape(_floats(series[0]), size, ladder(window), shape)


def mean_absolute_deviation(column: Column, window: int, *, adjustment: str | None = None) -> pl.Expr:
    """Return the mean distance from the window's mean."""
    return map_kernel(_adjusted(column, adjustment), _deviation, window=window)


def _deviation(series: Sequence[pl.Series], *, window: int) -> Floats:
    size = (sessions_of(series[1]), window, required_samples(window))
    return deviations.window_deviation(_floats(series[0]), _scales(series), size)


def exponential_length(span: float) -> int:
    """Return after how many sessions an exponential mean of `span` is cut."""
    return math.ceil(TRUNCATION * span)


def exponential_mean(
    column: Column, span: float, *, adjustment: str | None = None, min_samples: int | None = None
) -> pl.Expr:
    """Return the exponential mean with α = 2 / (span + 1), cut after `exponential_length(span)` sessions.

    Notes
    -----
    The weights of known values are normalised to one: `pandas.Series.ewm(span=span)` on the last
    `exponential_length(span)` rows. By default `span` values (rounded up) must be known.
    """
    required = math.ceil(span) if min_samples is None else min_samples
    return map_kernel(_adjusted(column, adjustment), _exponential_mean, span=span, required=required)


def _exponential_mean(series: Sequence[pl.Series], *, span: float, required: int) -> Floats:
    totals, weights = _sums(series, exponential_length(span), required, 1.0 - 2.0 / (span + 1.0))
    return totals / weights


def wilder_span(window: int) -> float:
    """Return the span whose α is Wilder's 1 / window."""
    return 2.0 * window - 1.0


def change(
    window: int,
    *,
    skip: int = 0,
    column: Column = "close",
    adjustment: str | None = "price_adjustment_factor",
) -> pl.Expr:
    """Return value(t − skip) / value(t − window) − 1; null when either end is unknown.

    Raises
    ------
    ValueError
        Unless 0 ≤ skip < window.
    """
    if not 0 <= skip < window:
        msg = f"skip={skip} must be at least 0 and below window={window}"
        raise ValueError(msg)
    return map_kernel(_adjusted(column, adjustment), _change, skip=skip, window=window)


def _change(series: Sequence[pl.Series], *, skip: int, window: int) -> Floats:
    scales, steps = _scales(series), ladder(window - skip)
    return sums.gross_change(_floats(series[0]), scales, sessions_of(series[1]), (skip, window), steps) - 1.0


def fit(kind: Fit, y: Column, x: Column, window: int) -> pl.Expr:
    """Return a statistic of the least-squares line of y on x over the sessions where both are known."""
    required = required_samples(window)
    return map_kernel([y, x, "position"], _fit, kind=int(kind), window=window, required=required)


def _fit(series: Sequence[pl.Series], *, kind: int, window: int, required: int) -> Floats:
    size = (sessions_of(series[2]), window, required)
    return pairs.window_fit(_floats(series[0]), _floats(series[1]), size, ladder(window), kind)


def _across(statistic: Across, column: Column) -> pl.Expr:
    return map_kernel([column, "position"], _session_statistic, statistic=int(statistic))


def _session_statistic(series: Sequence[pl.Series], *, statistic: int) -> Floats:
    return across_symbols.session_statistic(_floats(series[0]), sessions_of(series[1]), statistic)


def session_mean(column: Column) -> pl.Expr:
    """Return the mean over the session's symbols, on each of its rows; null for fewer than two."""
    return _across(Across.MEAN, column)


def session_std(column: Column) -> pl.Expr:
    """Return the standard deviation (n − 1) over the session's symbols; null for fewer than two."""
    return _across(Across.STD, column)


def session_zscore(column: Column) -> pl.Expr:
    """Return the value less the session's mean, over its standard deviation."""
    return (as_expression(column) - session_mean(column)) / session_std(column)


def session_rank(column: Column) -> pl.Expr:
    """Return (mean rank − ½) / n − ½ among the session's n known values: median 0, within (−½, ½)."""
    return map_kernel([column, "position"], _session_rank)


def _session_rank(series: Sequence[pl.Series]) -> Floats:
    return across_symbols.session_rank(_floats(series[0]), sessions_of(series[1]))
