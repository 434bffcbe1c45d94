"""Reversal against pandas and by hand."""

import pandas as pd
import pytest

from tests.panels import compute_daily, panel_of


@pytest.mark.parametrize(("window", "vol_window"), [(1, 20), (5, 60)])
def test_scaled(check, bars, window, vol_window):
    expected = bars.log_return.rolling(vol_window, min_periods=int(0.8 * vol_window)).std() * window**0.5
    check(f"rev_scaled_{window}d", -(bars.close / bars.close.shift(window) - 1) / expected)


def test_gap_and_intraday(check, bars):
    check("rev_gap_1d", 1 - bars.open / bars.close.shift())
    check("rev_intraday_1d", 1 - bars.close / bars.open)
    check("rev_close_location_1d", -(2 * bars.close - bars.high - bars.low) / (bars.high - bars.low))


def test_market_excess_by_hand():
    panel = panel_of({"A": [100.0] * 5 + [110.0], "B": [100.0] * 5 + [104.0], "C": [100.0] * 5 + [None]})
    last = compute_daily(panel).group_by("symbol", maintain_order=True).last()
    # returns of 10 % and 4 %: the mean is 7 %, and C has no bar
    assert last.get_column("rev_market_excess_5d").to_list() == [
        pytest.approx(-0.03),
        pytest.approx(0.03),
        None,
    ]


def test_flat_bar_has_no_close_location():
    value = compute_daily(panel_of({"A": [10.0, 10.0]})).get_column("rev_close_location_1d")
    assert value.to_list() == [None, None]
    assert pd.isna(value.to_pandas()).all()
