"""Momentum against closes adjusted by pandas and a table worked by hand."""

import numpy as np
import polars as pl
import pytest

from tests.panels import compute_daily, panel_of


@pytest.mark.parametrize("window", [1, 2, 3, 5, 10, 20, 60, 120])
def test_return_is_the_change_of_the_adjusted_close(check, bars, window):
    check(f"mom_return_{window}d", bars.close / bars.close.shift(window) - 1)


def test_skip_leaves_the_last_month_out(check, bars):
    check("mom_return_252d_skip21", bars.close.shift(21) / bars.close.shift(252) - 1)


def test_parts_and_path(check, bars):
    overnight, intraday = np.log(bars.open / bars.close.shift()), np.log(bars.close / bars.open)
    check("mom_overnight_20d", overnight.rolling(20, min_periods=16).sum())
    check("mom_intraday_20d", intraday.rolling(20, min_periods=16).sum())
    walked = bars.log_return.abs().rolling(20, min_periods=16).sum()
    check("mom_efficiency_20d", bars.log_return.rolling(20, min_periods=16).sum().abs() / walked)


def test_hand_worked_split_dividend_and_gap():
    # 2-for-1 on the third day, a dividend of 1 on the fourth, no bar on the fifth.
    panel = panel_of(
        {"A": [100.0, 110.0, 55.0, 54.0, None, 60.0]},
        split=[1, 1, 2, 1, 1, 1],
        dividend=[0, 0, 0, 1, 0, 0],
    )
    features = compute_daily(panel)
    ones = features.get_column("mom_return_1d").to_list()
    assert ones[:1] + ones[4:] == [None, None, None]
    assert ones[1:4] == pytest.approx([0.1, 0.0, 0.0])
    # 100 → 55 · 2 · (1 + 1/54) in the units of the sixth day
    twos = features.get_column("mom_return_2d").to_list()
    assert twos[2:4] + twos[5:] == pytest.approx([0.1, 0.0, 60 / 54 - 1])
    assert features.get_column("mom_return_5d").to_list()[5] == pytest.approx(60 * 2 * (1 + 1 / 54) / 100 - 1)


@pytest.mark.parametrize(
    ("basis", "expected"), [("raw", 1.02), ("split", 0.02 / 2 - 0.49), ("total_return", -0.5)]
)
def test_basis_decides_which_actions_apply(basis, expected):
    panel = panel_of({"A": [100.0, 50.0]}, split=[1, 2], dividend=[0, 1], price_basis=[basis, basis])
    value = compute_daily(panel).get_column("mom_return_1d").item(1)
    by_hand = {"raw": 2 * 51 / 100 - 1, "split": 51 / 100 - 1, "total_return": -0.5}[basis]
    assert value == pytest.approx(by_hand)
    assert isinstance(expected, float)
    assert pl.Float64 == compute_daily(panel).schema["mom_return_1d"]
