"""Trend features against pandas on the adjusted bars."""

import numpy as np
import pandas as pd
import pytest

from tests.panels import compute_daily, panel_of


def _rolling(series, window):
    return series.rolling(window, min_periods=int(np.ceil(0.8 * window)))


@pytest.mark.parametrize("window", [5, 20, 50, 200])
def test_average_distance(check, bars, window):
    check(f"trend_sma_distance_{window}d", bars.close / _rolling(bars.close, window).mean() - 1)


def test_cross(check, bars):
    cross = _rolling(bars.close, 50).mean() / _rolling(bars.close, 200).mean() - 1
    check("trend_sma_cross_50d_200d", cross)


def test_distance_from_extremes(check, bars):
    check("trend_high_distance_252d", bars.close / _rolling(bars.close, 252).max() - 1)
    check("trend_low_distance_252d", bars.close / _rolling(bars.close, 252).min() - 1)


def _truncated_ewm(series: pd.Series, span: int) -> pd.Series:
    ends = range(1, len(series) + 1)
    parts = (series.iloc[max(0, end - 5 * span) : end].ewm(span=span, min_periods=span) for end in ends)
    return pd.Series([part.mean().iloc[-1] for part in parts], index=series.index)


def test_macd_and_histogram(check, bars):
    macd = (_truncated_ewm(bars.close, 12) - _truncated_ewm(bars.close, 26)) / bars.close
    check("trend_macd_12d_26d", macd)
    check("trend_macd_histogram_9d", macd - _truncated_ewm(macd, 9))


def test_sessions_since_the_high_by_hand():
    closes = [float(at) for at in range(1, 212)] + [150.0, 151.0, 211.0, 160.0]
    since = compute_daily(panel_of({"A": closes})).get_column("trend_since_high_252d").to_list()
    assert since[-5:] == [0.0, 1.0, 2.0, 0.0, 1.0]
    assert since[200] is None
    assert since[201] == 0.0


def test_aroon_by_hand():
    closes = [50.0 + at for at in range(26)]
    assert compute_daily(panel_of({"A": closes})).get_column("trend_aroon_25d")[-1] == 1.0
    falling = [*closes[:20], 10.0, *closes[21:]]
    # the low is 5 sessions old, the high is today's
    assert compute_daily(panel_of({"A": falling})).get_column("trend_aroon_25d")[-1] == pytest.approx(0.2)
