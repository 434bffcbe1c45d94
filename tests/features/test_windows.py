"""Window primitives: coverage, symbol borders and units."""

import numpy as np
import polars as pl
import pytest

from features import windows
from features.kernels.pairs import Fit
from tests.panels import panel_of

VALUES = pl.DataFrame({"x": [1.0, 2.0, None, 4.0, 10.0, 20.0, 30.0, 40.0], "position": [0, 1, 2, 3] * 2})


def _evaluate(expression: pl.Expr) -> list[float | None]:
    return VALUES.select(expression).to_series().to_list()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (windows.lag("x"), [None, 1, 2, None, None, 10, 20, 30]),
        (windows.total("x", 2), [None, 3, None, None, None, 30, 50, 70]),
        (windows.total("x", 2, min_samples=1), [1, 3, 2, 4, 10, 30, 50, 70]),
        (windows.mean("x", 3, min_samples=2), [None, 1.5, 1.5, 3, None, 15, 20, 30]),
        (windows.maximum("x", 4), [None, None, None, None, None, None, None, 40]),
        (
            windows.change(1, column="x", adjustment=None),
            [None, 1, None, None, None, 1, 0.5, pytest.approx(1 / 3)],
        ),
        (
            windows.change(3, skip=1, column="x", adjustment=None),
            [None, None, None, None, None, None, None, 2],
        ),
        (windows.session_mean("x"), [5.5, 11, None, 22] * 2),
        (windows.session_rank("x"), [-0.25, -0.25, None, -0.25, 0.25, 0.25, None, 0.25]),
    ],
)
def test_by_hand(expression, expected):
    assert _evaluate(expression) == expected


@pytest.mark.parametrize(("window", "required"), [(1, 1), (2, 2), (3, 3), (5, 4), (20, 16), (252, 202)])
def test_four_fifths_must_be_known(window, required):
    assert windows.required_samples(window) == required


def test_adjustment_puts_older_values_in_todays_units():
    frame = pl.DataFrame({"x": [8.0, 4.0, 5.0], "factor": [1.0, 2.0, 1.0], "position": [0, 1, 2]})
    values = frame.select(
        mean=windows.mean("x", 3, adjustment="factor"),
        low=windows.minimum("x", 3, adjustment="factor"),
        change=windows.change(2, column="x", adjustment="factor"),
        smooth=windows.exponential_mean("x", 1.5, adjustment="factor", min_samples=1),
    ).row(2, named=True)
    assert values == {
        "mean": pytest.approx((4 + 4 + 5) / 3),
        "low": 4.0,
        "change": 0.25,
        "smooth": pytest.approx((5 + 0.2 * 4 + 0.04 * 4) / 1.24),
    }


def test_what_is_no_factor_leaves_older_values_unknown():
    factors = [1.0, None, 0.0, -2.0, float("inf"), 2.0]
    frame = pl.DataFrame({"x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "factor": factors, "position": range(6)})
    total = windows.total("x", 3, adjustment="factor", min_samples=1)
    assert frame.select(total).to_series().to_list() == [1.0, 2.0, 3.0, 4.0, 5.0, 8.5]


def test_exponential_mean_is_cut():
    assert windows.exponential_length(26) == 130
    assert windows.exponential_length(windows.wilder_span(14)) == 135
    frame = pl.DataFrame({"x": [1e9, *[1.0] * 10], "position": range(11)})
    smooth = frame.select(windows.exponential_mean("x", 2)).to_series()
    assert smooth[10] == 1.0
    assert smooth[9] > 1.0


def test_constant_window_has_exactly_no_spread():
    frame = pl.DataFrame({"x": [0.1] * 7, "position": range(7)})
    row = frame.select(
        std=windows.std("x", 7), skew=windows.skew("x", 7), beta=windows.fit(Fit.BETA, "x", "x", 7)
    ).row(6)
    assert row == (0.0, None, None)


def test_windows_are_bit_equal_wherever_the_slice_starts():
    values = np.random.default_rng(2).normal(size=400) * 1e6
    whole = pl.DataFrame({"x": values, "position": range(400)}).select(windows.std("x", 50)).to_series()
    tail = pl.DataFrame({"x": values[300:], "position": range(100)}).select(windows.std("x", 50)).to_series()
    assert whole[350:].equals(tail[50:])


def test_prepared_position_counts_within_the_symbol():
    from features.panel import with_position

    panel = panel_of({"A": [1.0, 2.0], "B": [3.0, 4.0]})
    assert with_position(panel).get_column("position").to_list() == [0, 1, 0, 1]
