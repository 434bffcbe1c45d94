"""Trend: the close against its moving averages and extremes."""

from __future__ import annotations

from functools import partial

import polars as pl

from features import windows
from features.feature import Feature

_feature = partial(Feature, family="trend", unit="fraction")

_BROCK = "Brock, Lakonishok and LeBaron (1992), J. Finance 47(5)"
_GEORGE_HWANG = "George and Hwang (2004), J. Finance 59(5)"
_APPEL = (
    "Appel (2005), Technical Analysis: Power Tools for Active Investors; as a share of the close, cut at e⁻¹⁰"
)
_MACD_LENGTH = windows.exponential_length(26)

_FAST = windows.exponential_mean("close", 12, adjustment="price_adjustment_factor")
_SLOW = windows.exponential_mean("close", 26, adjustment="price_adjustment_factor")
_SINCE_LOW = windows.since_minimum("low", 26, adjustment="price_adjustment_factor")
_SINCE_HIGH = windows.since_maximum("high", 26, adjustment="price_adjustment_factor")


def _average(window: int) -> pl.Expr:
    return windows.mean("close", window, adjustment="price_adjustment_factor")


FEATURES = (
    *(
        _feature(
            name=f"trend_sma_distance_{window}d",
            definition=f"close / mean of {window} adjusted closes − 1",
            lookback_sessions=window,
            source=_BROCK,
            expression=pl.col("close") / _average(window) - 1.0,
        )
        for window in (5, 20, 50, 200)
    ),
    _feature(
        name="trend_sma_cross_50d_200d",
        definition="mean of 50 adjusted closes / mean of 200 − 1",
        lookback_sessions=200,
        source=_BROCK,
        expression=_average(50) / _average(200) - 1.0,
    ),
    _feature(
        name="trend_macd_12d_26d",
        definition="(exponential mean of span 12 − of span 26) / close",
        lookback_sessions=_MACD_LENGTH,
        source=_APPEL,
        expression=(_FAST - _SLOW) / pl.col("close"),
    ),
    _feature(
        name="trend_macd_histogram_9d",
        definition="trend_macd_12d_26d − its exponential mean of span 9",
        lookback_sessions=_MACD_LENGTH + windows.exponential_length(9) - 1,
        source=_APPEL,
        expression=pl.col("trend_macd_12d_26d") - windows.exponential_mean("trend_macd_12d_26d", 9),
        inputs=("trend_macd_12d_26d",),
    ),
    _feature(
        name="trend_high_distance_252d",
        definition="close / highest adjusted close of 252 sessions − 1",
        lookback_sessions=252,
        source=_GEORGE_HWANG,
        expression=pl.col("close") / windows.maximum("close", 252, adjustment="price_adjustment_factor")
        - 1.0,
    ),
    _feature(
        name="trend_low_distance_252d",
        definition="close / lowest adjusted close of 252 sessions − 1",
        lookback_sessions=252,
        source=_GEORGE_HWANG,
        expression=pl.col("close") / windows.minimum("close", 252, adjustment="price_adjustment_factor")
        - 1.0,
    ),
    _feature(
        name="trend_since_high_252d",
        unit="sessions",
        definition="sessions since the highest adjusted close of 252 sessions",
        lookback_sessions=252,
        source="Bhootra and Hur (2013), J. Banking and Finance 37(10): recency of the 52-week high",
        expression=windows.since_maximum("close", 252, adjustment="price_adjustment_factor"),
    ),
    _feature(
        name="trend_aroon_25d",
        definition="(sessions since the lowest low − since the highest high of 26 sessions) / 25",
        lookback_sessions=26,
        source="Chande (1995), Technical Analysis of Stocks and Commodities 13(9): Aroon oscillator / 100",
        expression=(_SINCE_LOW - _SINCE_HIGH) / 25,
    ),
)
