"""Liquidity: price impact, currency traded and spreads estimated from daily bars.

Features that hold an amount of currency are null for the price basis ``total_return``: its levels are
scaled by dividends that came later.
"""

from __future__ import annotations

from functools import partial
from math import sqrt

import polars as pl

from features import windows
from features.feature import Feature
from features.kernels.pairs import Fit

_feature = partial(Feature, family="liq")

_CHORDIA = "Chordia, Subrahmanyam and Anshuman (2001), J. Financial Economics 59(1)"
_IMPACT = pl.col("simple_return").abs() / pl.col("dollar_volume") * 1e6
_AUTOCOVARIANCE = windows.fit(Fit.COVARIANCE, "log_return", windows.lag("log_return"), 60)


def _corwin_schultz() -> pl.Expr:
    """Return the spread of sessions t − 1 and t from their highs and lows, zero where negative."""
    high, low, factor = pl.col("high"), pl.col("low"), pl.col("price_adjustment_factor")
    high_before, low_before = windows.lag("high") / factor, windows.lag("low") / factor
    single = (high / low).log().pow(2) + (high_before / low_before).log().pow(2)
    joint = (pl.max_horizontal(high, high_before) / pl.min_horizontal(low, low_before)).log().pow(2)
    constant = 3.0 - 2.0 * sqrt(2.0)
    alpha = ((2.0 * single).sqrt() - single.sqrt()) / constant - (joint / constant).sqrt()
    return (2.0 * (alpha.exp() - 1.0) / (1.0 + alpha.exp())).clip(lower_bound=0.0)


FEATURES = (
    _feature(
        name="liq_amihud_20d",
        unit="fraction per million of currency",
        definition="mean of |return| / (close · volume) over 20 sessions · 10⁶",
        lookback_sessions=21,
        source="Amihud (2002), J. Financial Markets 5(1), eq. 1",
        expression=windows.mean(pl.when(_IMPACT.is_finite()).then(_IMPACT), 20),
    ),
    _feature(
        name="liq_dollar_volume_20d",
        unit="log10 of currency",
        definition="log10 of mean close · volume over 20 sessions",
        lookback_sessions=20,
        source=_CHORDIA,
        expression=windows.mean("dollar_volume", 20).log(10.0),
    ),
    _feature(
        name="liq_dollar_volume_ratio_5d_60d",
        unit="ratio",
        definition="mean close · volume of 5 sessions / of 60 sessions",
        lookback_sessions=60,
        source=_CHORDIA,
        expression=windows.mean("money_flow", 5) / windows.mean("money_flow", 60),
    ),
    _feature(
        name="liq_zero_return_60d",
        unit="fraction",
        definition="share of sessions without a change of the adjusted close over 60 sessions",
        lookback_sessions=61,
        source="Lesmond, Ogden and Trzcinka (1999), Review of Financial Studies 12(5)",
        expression=windows.mean((pl.col("simple_return") == 0.0).cast(pl.Float64), 60),
    ),
    _feature(
        name="liq_roll_spread_60d",
        unit="fraction",
        definition="2 √max(−cov(log return(t), log return(t−1)), 0) over 60 sessions",
        lookback_sessions=62,
        source="Roll (1984), J. Finance 39(4); zero where the covariance is positive",
        expression=2.0 * (-_AUTOCOVARIANCE).clip(lower_bound=0.0).sqrt(),
    ),
    _feature(
        name="liq_corwin_schultz_20d",
        unit="fraction",
        definition="mean of the two-session high–low spread, negative ones as zero, over 20 sessions",
        lookback_sessions=21,
        source="Corwin and Schultz (2012), J. Finance 67(2), eqs. 14, 18; no overnight correction",
        expression=windows.mean(_corwin_schultz(), 20),
    ),
)
