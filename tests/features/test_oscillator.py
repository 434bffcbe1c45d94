"""Oscillators against pandas on the adjusted bars, and by hand."""

import numpy as np
import pandas as pd
import pytest

from tests.panels import compute_daily, panel_of


@pytest.mark.parametrize(("window", "length"), [(2, 15), (14, 135)])
def test_rsi(check, bars, window, length):
    def smooth(moves: pd.Series) -> pd.Series:
        parts = (moves.iloc[max(0, end - length) : end] for end in range(1, len(moves) + 1))
        means = [part.ewm(alpha=1 / window, min_periods=window).mean().iloc[-1] for part in parts]
        return pd.Series(means, index=moves.index)

    moves = bars.close.diff()
    up, down = smooth(moves.clip(lower=0)), smooth((-moves).clip(lower=0))
    check(f"osc_rsi_{window}d", (up / (up + down)))


def test_stochastic(check, bars):
    low, high = bars.low.rolling(14, min_periods=12).min(), bars.high.rolling(14, min_periods=12).max()
    fast = (bars.close - low) / (high - low)
    check("osc_stochastic_k_14d", fast)
    check("osc_stochastic_d_14d", fast.rolling(3, min_periods=3).mean())


def test_bollinger(check, bars):
    window = bars.close.rolling(20, min_periods=16)
    middle, spread = window.mean(), window.std(ddof=0)
    check("osc_bollinger_position_20d", (bars.close - middle) / (2 * spread))
    check("osc_bollinger_width_20d", (4 * spread / middle))


def test_cci(check, bars):
    typical = (bars.high + bars.low + bars.close) / 3
    window = typical.rolling(20, min_periods=16)
    deviation = window.apply(lambda part: np.nanmean(np.abs(part - np.nanmean(part))), raw=True)
    check("osc_cci_20d", (typical - window.mean()) / (0.015 * deviation))


@pytest.mark.parametrize(("step", "expected"), [(1.0, 1.0), (-1.0, 0.0), (0.0, None)])
def test_rsi_of_a_steady_move(step, expected):
    closes = [100.0 + step * at for at in range(30)]
    assert compute_daily(panel_of({"A": closes})).get_column("osc_rsi_14d")[-1] == expected
