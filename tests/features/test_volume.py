"""Volume features against pandas and by hand."""

import numpy as np
import pytest

from tests.panels import compute_daily, panel_of


def _rolling(series, window):
    return series.rolling(window, min_periods=int(np.ceil(0.8 * window)))


def test_ratios_and_zscore(check, bars):
    check("volume_ratio_1d_20d", bars.volume / _rolling(bars.volume, 20).mean())
    check("volume_ratio_5d_60d", _rolling(bars.volume, 5).mean() / _rolling(bars.volume, 60).mean())
    window = _rolling(bars.volume, 20)
    check("volume_zscore_20d", (bars.volume - window.mean()) / window.std())


def test_signed_share(check, bars):
    counted = bars.volume.where(bars.simple_return.notna())
    signed = counted * np.sign(bars.simple_return)
    check("volume_signed_share_20d", _rolling(signed, 20).sum() / _rolling(counted, 20).sum())


def test_return_correlation(check, bars):
    turnover = np.log(bars.volume).diff()
    check("volume_return_correlation_20d", _rolling(bars.log_return, 20).corr(turnover))


def test_money_flow_by_hand():
    closes = [10.0, 11.0, 10.5, 10.5] + [11.0, 10.0] * 6
    value = compute_daily(panel_of({"A": closes})).get_column("volume_money_flow_14d")
    # 14 changes up to the last row: +11 −10.5 0 then (+11 −10) five times and +11; the last −10 makes 15
    risen, fallen = 6 * 11.0, 10.5 + 6 * 10.0
    assert value[-1] == pytest.approx(risen / (risen + fallen))


def test_split_leaves_volume_ratio_alone():
    volume = [100.0] * 19 + [300.0]
    closes = [30.0] * 19 + [10.0]
    panel = panel_of({"A": closes}, volume=volume, split=[1.0] * 19 + [3.0])
    assert compute_daily(panel).get_column("volume_ratio_1d_20d")[-1] == pytest.approx(1.0)
