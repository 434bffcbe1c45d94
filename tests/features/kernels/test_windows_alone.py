"""Every kernel against a plain reading of each window by itself, in extended precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from features import windows
from features.alpha158 import compute_factors
from features.compute import compute_features
from features.kernels import (
    across_symbols,
    deviations,
    extremes,
    moments,
    pairs,
    single_bars,
    sums,
    symbol_factors,
)
from features.kernels.ladder import ladder
from features.kernels.pairs import Fit
from features.panel import mask_bars
from features.sessions import SessionCalendar
from features.views import find_view
from tests.panels import random_panel

SYMBOLS, SESSIONS = 3, 150
WINDOWS = (1, 2, 3, 5, 7, 14, 20, 26, 60, 120)
ENTRIES = (
    sums.window_sum, sums.gross_change, moments.window_spread, moments.window_shape, pairs.window_fit,
    extremes.window_extreme, deviations.window_deviation, across_symbols.session_statistic,
    across_symbols.session_rank, single_bars.log_arguments, symbol_factors.compute_factors,
)  # fmt: skip
"""What is called from Python; what these call in turn is compiled with them."""

Long = Any  # numpy.longdouble arrays
Measure = Callable[[Long, Long], float]


def _frame() -> pl.DataFrame:
    """Two series with gaps, and factors with a split, dividends and one change that nobody knows."""
    random = np.random.default_rng(5)
    rows = SYMBOLS * SESSIONS
    x = np.exp(random.normal(0, 0.02, rows).cumsum()) * 100
    factor = np.where(random.random(rows) < 0.03, random.choice([2.0, 0.5, 1.01], rows), 1.0)
    factor[SESSIONS + 70] = np.nan
    x[random.random(rows) < 0.05] = np.nan
    y = random.normal(0, 0.01, rows)
    y[random.random(rows) < 0.05] = np.nan
    frame = pl.DataFrame({"x": x, "y": y, "factor": factor}).fill_nan(None)
    return frame.with_columns(position=pl.Series(np.tile(np.arange(SESSIONS), SYMBOLS)))


FRAME = _frame()


def _window(row: int, window: int, *, adjusted: bool) -> tuple[Long, Long]:
    """Return x, in units of the last session, and y of one window, newest first, gaps as NaN."""
    length = min(window, row % SESSIONS + 1)
    at = np.arange(row, row - length, -1)
    x, y = (FRAME[name].fill_null(np.nan).to_numpy()[at].astype(np.longdouble) for name in ("x", "y"))
    if adjusted:
        factors = FRAME["factor"].fill_null(np.nan).to_numpy()[at].astype(np.longdouble)
        x = x / np.concatenate([[1], np.cumprod(factors)[:-1]])
    return x, y


def _known(values: Long) -> Long:
    return values[~np.isnan(values)]


def _moment(values: Long, power: int) -> Long:
    return ((values - values.mean()) ** power).mean()


def _std(x: Long, _y: Long) -> float:
    taken = _known(x)
    return np.sqrt(_moment(taken, 2) * len(taken) / (len(taken) - 1)) if len(taken) > 1 else np.nan


def _skew(_x: Long, y: Long) -> float:
    taken, n = _known(y), len(_known(y))
    if n < 3:
        return np.nan
    return _moment(taken, 3) / _moment(taken, 2) ** 1.5 * np.sqrt(n * (n - 1)) / (n - 2)


def _kurtosis(_x: Long, y: Long) -> float:
    taken, n = _known(y), len(_known(y))
    if n < 4:
        return np.nan
    raw = _moment(taken, 4) / _moment(taken, 2) ** 2
    return ((n + 1) * raw - 3 * (n - 1)) * (n - 1) / ((n - 2) * (n - 3))


def _since_highest(x: Long, _y: Long) -> float:
    return float(np.nanargmax(x))


def _exponential(x: Long, _y: Long) -> float:
    weights = np.where(np.isnan(x), 0, (1 - 2 / np.longdouble(4 + 1)) ** np.arange(len(x)))
    return (np.nan_to_num(x) * weights).sum() / weights.sum()


def _line(x: Long, y: Long) -> tuple[Long, Long, Long]:
    both = ~(np.isnan(x) | np.isnan(y))
    x, y = x[both] - x[both].mean(), y[both] - y[both].mean()
    return (x * x).sum(), (x * y).sum(), (y * y).sum()


def _correlation(x: Long, y: Long) -> float:
    xx, xy, yy = _line(x, y)
    return xy / np.sqrt(xx * yy)


def _residual_std(x: Long, y: Long) -> float:
    xx, xy, yy = _line(x, y)
    both = ~(np.isnan(x) | np.isnan(y))
    return np.sqrt((yy - xy**2 / xx) / (both.sum() - 2))


def _check(expression: pl.Expr, window: int, measure: Measure, *, adjusted: bool, enough: int = 1) -> None:
    found = FRAME.select(expression).to_series().fill_null(np.nan).to_numpy()
    for row in range(len(found)):
        x, y = _window(row, window, adjusted=adjusted)
        paired = np.isnan(x) | np.isnan(y) if measure in {_correlation, _residual_std} else np.isnan(x)
        known = (~(np.isnan(y) if measure in {_skew, _kurtosis} else paired)).sum()
        if known < max(windows.required_samples(window), enough):
            assert np.isnan(found[row])
        else:
            assert found[row] == pytest.approx(float(measure(x, y)), rel=1e-11, abs=1e-14)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("adjustment", [None, "factor"])
def test_sums_extremes_and_spreads(window, adjustment):
    given: dict[str, Any] = {"adjustment": adjustment}
    adjusted = adjustment is not None
    _check(windows.total("x", window, **given), window, lambda x, _: np.nansum(x), adjusted=adjusted)
    _check(windows.mean("x", window, **given), window, lambda x, _: np.nanmean(x), adjusted=adjusted)
    _check(windows.std("x", window, **given), window, _std, adjusted=adjusted, enough=2)
    _check(windows.minimum("x", window, **given), window, lambda x, _: np.nanmin(x), adjusted=adjusted)
    _check(windows.since_maximum("x", window, **given), window, _since_highest, adjusted=adjusted)
    _check(
        windows.mean_absolute_deviation("x", window, **given),
        window,
        lambda x, _: np.abs(_known(x) - np.nanmean(x)).mean(),
        adjusted=adjusted,
    )


@pytest.mark.parametrize("window", [5, 14, 60])
def test_shapes_and_lines(window):
    _check(windows.skew("y", window), window, _skew, adjusted=False, enough=3)
    _check(windows.kurtosis("y", window), window, _kurtosis, adjusted=False, enough=4)
    for kind, measure in ((Fit.CORRELATION, _correlation), (Fit.RESIDUAL_STD, _residual_std)):
        _check(windows.fit(kind, "y", "x", window), window, measure, adjusted=False, enough=3)


def test_exponential_mean_in_units_of_the_last_session():
    expression = windows.exponential_mean("x", 4, adjustment="factor", min_samples=16)
    _check(expression, windows.exponential_length(4), _exponential, adjusted=True)


@pytest.mark.parametrize(("price", "error"), [(1.0, 1e-13), (100.0, 1e-11), (1e6, 1e-7)])
def test_a_small_spread_on_a_large_level_keeps_its_digits(price, error):
    # Sums of squares keep 6 digits at 100 and none at 10⁶.
    values = price + np.random.default_rng(1).normal(0, 1e-3, 60)
    found = pl.DataFrame({"v": values, "position": range(60)}).select(windows.std("v", 60)).item(59, 0)
    exact = np.sqrt(_moment(values.astype(np.longdouble), 2) * 60 / 59)
    assert found == pytest.approx(float(exact), rel=error)


@pytest.mark.parametrize("level", [0.1, 1 / 3, 1e9 / 7, 0.7294965609839984])
@pytest.mark.parametrize("gap", [slice(0, 0), slice(15, 20)])
def test_flat_windows_have_no_spread_and_no_slope(level, gap):
    values = [level] * 60
    values[gap] = [None] * len(values[gap])
    frame = pl.DataFrame({"v": values, "t": [*range(60)], "position": range(60)})
    assert frame.select(windows.skew("v", 60), kurtosis=windows.kurtosis("v", 60)).row(59) == (None, None)
    found = frame.select(
        std=windows.std("v", 60),
        beta=windows.fit(Fit.BETA, "v", pl.col("t").cast(pl.Float64), 60),
        correlation=windows.fit(Fit.CORRELATION, "v", pl.col("t").cast(pl.Float64), 60),
    )
    assert found.row(59) == (0.0, 0.0, None)


EXPRESSIONS = [
    windows.total("x", 60, adjustment="factor"),
    windows.std("x", 60, adjustment="factor"),
    windows.maximum("x", 26, adjustment="factor"),
    windows.exponential_mean("x", 12, adjustment="factor"),
    windows.change(60, column="x", adjustment="factor"),
    windows.kurtosis("y", 60),
    windows.fit(Fit.BETA, "y", "x", 60),
    windows.mean_absolute_deviation("x", 20, adjustment="factor"),
]


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=range(len(EXPRESSIONS)))
def test_a_window_alone_gives_the_same_bits(expression):
    frame = FRAME.with_columns(factor=pl.col("factor").fill_null(1.5), x=pl.col("x").fill_null(99.0))
    frame = frame.with_columns(x=pl.when(pl.int_range(pl.len()) % 23 > 0).then("x"))
    whole, compared = frame.select(expression).to_series(), 0
    for row in range(SESSIONS + 61, 2 * SESSIONS):
        alone = frame[row - 60 : row + 1].with_columns(position=pl.int_range(61))
        found = alone.select(expression).item(60, 0)
        compared += found is not None
        assert (found is None) == (whole[row] is None)
        assert found is None or np.float64(found).view(np.int64) == np.float64(whole[row]).view(np.int64)
    assert compared > 60


def test_what_is_infinite_is_unknown_and_stays_behind_a_change_of_units():
    frame = pl.DataFrame({"v": [float("inf"), 2.0, 3.0], "factor": [1.0, None, 1.0], "position": [0, 1, 2]})
    found = frame.select(windows.total("v", 3, adjustment="factor", min_samples=1)).to_series()
    assert found.to_list() == [None, 2.0, 5.0]


@pytest.mark.parametrize("position", [[7, 8, 9] * 2, [0, 1, 2, 0, 1]])
def test_rows_of_a_panel_that_is_not_whole_are_refused(position):
    frame = pl.DataFrame({"v": [1.0] * len(position), "position": position})
    with pytest.raises(ValueError, match="are no dense panel: compute on the whole panel"):
        frame.select(windows.total("v", 2))


def test_windows_without_a_session_are_refused():
    with pytest.raises(ValueError, match=r"skip=5 must be at least 0 and below window=5"):
        windows.change(5, skip=5)
    with pytest.raises(ValueError, match=r"windows=\(0,\) must have at least one session each"):
        ladder(0)


def test_every_kernel_is_compiled_for_one_mix_of_arrays():
    panel = random_panel(3, 300)
    compute_features(panel, SessionCalendar(), find_view("features_daily").features)
    compute_factors(mask_bars(panel))
    assert {one.__name__: len(one.signatures) for one in ENTRIES} == dict.fromkeys(
        (one.__name__ for one in ENTRIES), 1
    )
