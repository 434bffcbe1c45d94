"""Liquidity against pandas, and spreads by hand."""

from math import exp, log, sqrt

import numpy as np
import polars as pl
import pytest

from tests.panels import compute_daily, panel_of, random_panel


def test_amihud_and_dollars(check, bars):
    impact = (bars.simple_return.abs() / bars.dollars).rolling(20, min_periods=16).mean()
    check("liq_amihud_20d", impact * 1e6)
    check("liq_dollar_volume_20d", np.log10(bars.dollars.rolling(20, min_periods=16).mean()))
    short, long = (bars.dollars.rolling(n, min_periods=int(0.8 * n)).mean() for n in (5, 60))
    check("liq_dollar_volume_ratio_5d_60d", short / long)


def test_zero_returns_by_hand():
    closes = [10.0, 10.0, 11.0] * 20 + [11.0]
    share = compute_daily(panel_of({"A": closes})).get_column("liq_zero_return_60d")
    # of 60 changes, one in each of the 20 triples and the very last are none
    assert share[-1] == pytest.approx(21 / 60)
    assert share[47] is None
    assert share[48] == pytest.approx(16 / 48)


def test_roll_spread(check, bars):
    covariance = bars.log_return.rolling(60, min_periods=48).cov(bars.log_return.shift())
    check("liq_roll_spread_60d", 2 * np.sqrt((-covariance).clip(lower=0)))


def test_corwin_schultz_of_a_repeated_bar_by_hand():
    count = 21
    panel = panel_of({"A": [10.0] * count}, high=[10.2] * count, low=[9.8] * count)
    reach = log(10.2 / 9.8) ** 2
    alpha = (sqrt(4 * reach) - sqrt(2 * reach)) / (3 - 2 * sqrt(2)) - sqrt(reach / (3 - 2 * sqrt(2)))
    spread = 2 * (exp(alpha) - 1) / (1 + exp(alpha))
    assert compute_daily(panel).get_column("liq_corwin_schultz_20d")[-1] == pytest.approx(spread)
    assert spread == pytest.approx(0.04, abs=1e-4)  # the whole range is spread when it never moves


def test_amounts_are_null_where_levels_hold_later_dividends():
    features = compute_daily(random_panel(3, 30, basis="total_return"))
    amounts = features.select("liq_amihud_20d", "liq_dollar_volume_20d", "xs_rank_liq_amihud_20d")
    assert amounts.select(pl.all().is_null().all()).row(0) == (True, True, True)
    assert features.get_column("volume_money_flow_14d").is_not_null().any()


def test_no_volume_is_no_infinite_impact():
    panel = panel_of({"A": [10.0 + at % 3 for at in range(25)]}, volume=[0.0] * 25)
    assert compute_daily(panel).get_column("liq_amihud_20d").is_null().all()
