"""Volatility from closes and from ranges, annualised with 252 sessions."""

from __future__ import annotations

from functools import partial
from math import log, sqrt

import polars as pl

from features import windows
from features.feature import Feature

SESSIONS_PER_YEAR = 252
_TRUE_RANGE_SPAN = windows.wilder_span(14)

_feature = partial(Feature, family="vol", unit="fraction per year")


def _annual(variance: pl.Expr) -> pl.Expr:
    return (variance * SESSIONS_PER_YEAR).sqrt()


def _log_ratio(numerator: str, denominator: str) -> pl.Expr:
    return (pl.col(numerator) / pl.col(denominator)).log()


_LOG_RANGE = _log_ratio("high", "low")
_LOG_BODY = pl.col("intraday_log_return")
_GARMAN_KLASS_VARIANCE = 0.5 * _LOG_RANGE.pow(2) - (2.0 * log(2.0) - 1.0) * _LOG_BODY.pow(2)


def rogers_satchell_variance() -> pl.Expr:
    """Return ln(high / close) ln(high / open) + ln(low / close) ln(low / open)."""
    above = _log_ratio("high", "close") * _log_ratio("high", "open")
    return above + _log_ratio("low", "close") * _log_ratio("low", "open")


def _yang_zhang(window: int) -> pl.Expr:
    """Return the annual volatility that weighs overnight, open-to-close and range variance."""
    share = 0.34 / (1.34 + (window + 1.0) / (window - 1.0))
    overnight = windows.std("overnight_log_return", window).pow(2)
    intraday = windows.std("intraday_log_return", window).pow(2)
    inside = windows.mean(rogers_satchell_variance(), window)
    return _annual(overnight + share * intraday + (1.0 - share) * inside)


FEATURES = (
    *(
        _feature(
            name=f"vol_realised_{window}d",
            definition=f"std (n − 1) of log returns over {window} sessions · √252",
            lookback_sessions=window + 1,
            source="Hull (2018), Options, Futures, and Other Derivatives, ch. 15.4",
            expression=windows.std("log_return", window) * sqrt(SESSIONS_PER_YEAR),
        )
        for window in (5, 20, 60, 120)
    ),
    _feature(
        name="vol_range_1d",
        unit="log return",
        definition="ln(high / low)",
        lookback_sessions=1,
        source="Alizadeh, Brandt and Diebold (2002), J. Finance 57(3)",
        expression=_LOG_RANGE,
    ),
    _feature(
        name="vol_parkinson_20d",
        definition="√(252 · mean of ln(high / low)² / (4 ln 2)) over 20 sessions",
        lookback_sessions=20,
        source="Parkinson (1980), J. Business 53(1)",
        expression=_annual(windows.mean(_LOG_RANGE.pow(2) / (4.0 * log(2.0)), 20)),
    ),
    _feature(
        name="vol_garman_klass_20d",
        definition="√(252 · mean of ½ ln(high / low)² − (2 ln 2 − 1) ln(close / open)²) over 20 sessions",
        lookback_sessions=20,
        source="Garman and Klass (1980), J. Business 53(1)",
        expression=_annual(windows.mean(_GARMAN_KLASS_VARIANCE, 20)),
    ),
    _feature(
        name="vol_rogers_satchell_20d",
        definition="√(252 · mean of ln(h/c) ln(h/o) + ln(l/c) ln(l/o)) over 20 sessions",
        lookback_sessions=20,
        source="Rogers and Satchell (1991), Annals of Applied Probability 1(4)",
        expression=_annual(windows.mean(rogers_satchell_variance(), 20)),
    ),
    _feature(
        name="vol_yang_zhang_20d",
        definition="√(252 · (overnight + k · intraday + (1 − k) · Rogers–Satchell variance)), 20 sessions",
        lookback_sessions=21,
        source="Yang and Zhang (2000), J. Business 73(3), k = 0.34 / (1.34 + (n + 1) / (n − 1))",
        expression=_yang_zhang(20),
    ),
    _feature(
        name="vol_downside_20d",
        definition="√(252 · mean of min(log return, 0)²) over 20 sessions",
        lookback_sessions=21,
        source="Barndorff-Nielsen, Kinnebrock and Shephard (2010), realised semivariance",
        expression=_annual(windows.mean(pl.col("log_return").clip(upper_bound=0.0).pow(2), 20)),
    ),
    _feature(
        name="vol_ratio_5d_60d",
        unit="ratio",
        definition="std of log returns over 5 sessions / over 60 sessions",
        lookback_sessions=61,
        source="ratio of two realised volatilities (Hull, 2018, ch. 15.4)",
        expression=windows.std("log_return", 5) / windows.std("log_return", 60),
    ),
    _feature(
        name="vol_atr_14d",
        unit="fraction",
        definition="Wilder mean of the true range (α = 1/14) / close",
        lookback_sessions=windows.exponential_length(_TRUE_RANGE_SPAN) + 1,
        source="Wilder (1978), New Concepts in Technical Trading Systems; mean cut at e⁻¹⁰",
        expression=windows.exponential_mean(
            "true_range", _TRUE_RANGE_SPAN, adjustment="price_adjustment_factor", min_samples=14
        )
        / pl.col("close"),
    ),
)
