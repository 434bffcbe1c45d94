"""Extremes and shape of the distribution of daily returns."""

from __future__ import annotations

from functools import partial

from features import windows
from features.feature import Feature

_feature = partial(Feature, family="tail")

_BALI_CAKICI_WHITELAW = "Bali, Cakici and Whitelaw (2011), J. Financial Economics 99(2)"

FEATURES = (
    _feature(
        name="tail_max_return_20d",
        unit="fraction",
        definition="largest daily return of 20 sessions",
        lookback_sessions=21,
        source=_BALI_CAKICI_WHITELAW,
        expression=windows.maximum("simple_return", 20),
    ),
    _feature(
        name="tail_min_return_20d",
        unit="fraction",
        definition="smallest daily return of 20 sessions",
        lookback_sessions=21,
        source=_BALI_CAKICI_WHITELAW,
        expression=windows.minimum("simple_return", 20),
    ),
    _feature(
        name="tail_skew_60d",
        unit="number",
        definition="adjusted skewness of log returns over 60 sessions",
        lookback_sessions=61,
        source="Harvey and Siddique (2000), J. Finance 55(3); value as pandas Series.skew",
        expression=windows.skew("log_return", 60),
    ),
    _feature(
        name="tail_kurtosis_60d",
        unit="number",
        definition="unbiased excess kurtosis of log returns over 60 sessions",
        lookback_sessions=61,
        source="Dittmar (2002), J. Finance 57(1); value as pandas Series.kurt",
        expression=windows.kurtosis("log_return", 60),
    ),
)
