"""Oscillators: where the close stands within its recent range."""

from __future__ import annotations

from functools import partial

import polars as pl

from features import windows
from features.feature import Feature

_feature = partial(Feature, family="osc", unit="fraction")

_WILDER = "Wilder (1978), New Concepts in Technical Trading Systems; RSI / 100, mean cut at e⁻¹⁰"
_BOLLINGER = "Bollinger (2001), Bollinger on Bollinger Bands"
_LANE = "Lane (1984), Technical Analysis of Stocks and Commodities 2(3)"

_LOWEST = windows.minimum("low", 14, adjustment="price_adjustment_factor")
_HIGHEST = windows.maximum("high", 14, adjustment="price_adjustment_factor")
_MIDDLE = windows.mean("close", 20, adjustment="price_adjustment_factor")
_SPREAD = windows.std("close", 20, adjustment="price_adjustment_factor", population=True)
_TYPICAL = windows.mean("typical_price", 20, adjustment="price_adjustment_factor")
_DEVIATION = windows.mean_absolute_deviation("typical_price", 20, adjustment="price_adjustment_factor")


def _relative_strength(window: int) -> Feature:
    span = windows.wilder_span(window)
    up, down = (
        windows.exponential_mean(move, span, adjustment="price_adjustment_factor", min_samples=window)
        for move in ("gain", "loss")
    )
    return _feature(
        name=f"osc_rsi_{window}d",
        definition=f"Wilder mean of gains / (of gains + of losses), α = 1/{window}",
        lookback_sessions=windows.exponential_length(span) + 1,
        source=_WILDER,
        expression=1.0 / (1.0 + down / up),
    )


FEATURES = (
    _relative_strength(2),
    _relative_strength(14),
    _feature(
        name="osc_stochastic_k_14d",
        definition="(close − lowest low) / (highest high − lowest low) over 14 sessions",
        lookback_sessions=14,
        source=_LANE,
        expression=(pl.col("close") - _LOWEST) / (_HIGHEST - _LOWEST),
    ),
    _feature(
        name="osc_stochastic_d_14d",
        definition="mean of osc_stochastic_k_14d over 3 sessions",
        lookback_sessions=16,
        source=_LANE,
        expression=windows.mean("osc_stochastic_k_14d", 3),
        inputs=("osc_stochastic_k_14d",),
    ),
    _feature(
        name="osc_bollinger_position_20d",
        unit="half band widths",
        definition="(close − mean) / (2 population std) of 20 adjusted closes",
        lookback_sessions=20,
        source=_BOLLINGER,
        expression=(pl.col("close") - _MIDDLE) / (2.0 * _SPREAD),
    ),
    _feature(
        name="osc_bollinger_width_20d",
        definition="4 population std / mean of 20 adjusted closes",
        lookback_sessions=20,
        source=_BOLLINGER,
        expression=4.0 * _SPREAD / _MIDDLE,
    ),
    _feature(
        name="osc_cci_20d",
        unit="number",
        definition="(typical price − mean) / (0.015 · mean absolute deviation) over 20 sessions",
        lookback_sessions=20,
        source="Lambert (1980), Commodities 9(10): commodity channel index",
        expression=(pl.col("typical_price") - _TYPICAL) / (0.015 * _DEVIATION),
    ),
)
