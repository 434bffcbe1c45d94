"""Volatility estimators against pandas, and by hand on one repeated bar."""

from math import log, sqrt

import numpy as np
import pandas as pd
import pytest

from tests.panels import compute_daily, panel_of


@pytest.mark.parametrize("window", [5, 20, 60, 120])
def test_realised(check, bars, window):
    deviation = bars.log_return.rolling(window, min_periods=int(0.8 * window)).std()
    check(f"vol_realised_{window}d", deviation * sqrt(252))


def _mean_root(variance: pd.Series) -> pd.Series:
    return np.sqrt(252 * variance.rolling(20, min_periods=16).mean())


def test_range_estimators(check, bars):
    reach, body = np.log(bars.high / bars.low), np.log(bars.close / bars.open)
    up, down = np.log(bars.high / bars.open), np.log(bars.low / bars.open)
    check("vol_range_1d", reach)
    check("vol_parkinson_20d", _mean_root(reach**2 / (4 * log(2))))
    check("vol_garman_klass_20d", _mean_root(0.5 * reach**2 - (2 * log(2) - 1) * body**2))
    check("vol_rogers_satchell_20d", _mean_root(up * (up - body) + down * (down - body)))


def test_yang_zhang(check, bars):
    overnight, body = np.log(bars.open / bars.close.shift()), np.log(bars.close / bars.open)
    up, down = np.log(bars.high / bars.open), np.log(bars.low / bars.open)
    inside = (up * (up - body) + down * (down - body)).rolling(20, min_periods=16).mean()
    share = 0.34 / (1.34 + 21 / 19)
    parts = [series.rolling(20, min_periods=16).var() for series in (overnight, body)]
    check("vol_yang_zhang_20d", np.sqrt(252 * (parts[0] + share * parts[1] + (1 - share) * inside)))


def test_downside_and_ratio(check, bars):
    check("vol_downside_20d", _mean_root(bars.log_return.clip(upper=0) ** 2))
    short, long = (bars.log_return.rolling(n, min_periods=int(0.8 * n)).std() for n in (5, 60))
    check("vol_ratio_5d_60d", short / long)


def test_atr_is_wilders_mean_of_the_last_135_sessions(check, bars):
    before = bars.close.shift()
    reach = np.maximum(bars.high, before) - np.minimum(bars.low, before)
    smooth = [
        reach.iloc[max(0, at - 134) : at + 1].ewm(alpha=1 / 14, min_periods=14).mean().iloc[-1]
        for at in range(300)
    ]
    check("vol_atr_14d", pd.Series(smooth, index=bars.index) / bars.close)


def test_one_repeated_bar_by_hand():
    count = 21
    bar = {"open": [10.0] * count, "high": [11.0] * count, "low": [9.0] * count}
    last = compute_daily(panel_of({"A": [10.0] * count}, **bar)).row(-1, named=True)
    assert last["vol_parkinson_20d"] == pytest.approx(log(11 / 9) * sqrt(252 / (4 * log(2))))
    assert last["vol_garman_klass_20d"] == pytest.approx(log(11 / 9) * sqrt(126))
    assert last["vol_rogers_satchell_20d"] == pytest.approx(sqrt(252 * (log(1.1) ** 2 + log(0.9) ** 2)))
    assert last["vol_atr_14d"] == pytest.approx(0.2)
    assert last["vol_realised_20d"] == 0.0
    assert last["vol_ratio_5d_60d"] is None
