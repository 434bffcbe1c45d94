"""The market (equal-weighted mean of the session's valid symbols) and each symbol's relation to it."""

from __future__ import annotations

from functools import partial
from math import sqrt

import polars as pl

from features import windows
from features.feature import Feature
from features.kernels.pairs import Fit
from features.volatility import SESSIONS_PER_YEAR

_feature = partial(Feature, family="mkt", level="session")

_MARKET_MODEL = "Fama and MacBeth (1973), J. Political Economy 81(3): market model by least squares"
_LOG_MARKET_RETURN = pl.col("market_return").log1p()


def _model(kind: Fit, window: int) -> pl.Expr:
    return windows.fit(kind, "simple_return", "market_return", window)


FEATURES = (
    *(
        _feature(
            name=f"mkt_beta_{window}d",
            unit="ratio",
            definition=f"slope of daily returns on the market's over {window} sessions",
            lookback_sessions=window + 1,
            source=_MARKET_MODEL,
            expression=_model(Fit.BETA, window),
        )
        for window in (60, 120)
    ),
    _feature(
        name="mkt_correlation_60d",
        unit="correlation",
        definition="correlation of daily returns with the market's over 60 sessions",
        lookback_sessions=61,
        source=_MARKET_MODEL,
        expression=_model(Fit.CORRELATION, 60),
    ),
    _feature(
        name="mkt_idio_vol_60d",
        unit="fraction per year",
        definition="residual std (n − 2) of the market model over 60 sessions · √252",
        lookback_sessions=61,
        source="Ang, Hodrick, Xing and Zhang (2006), J. Finance 61(1), with the market as only factor",
        expression=_model(Fit.RESIDUAL_STD, 60) * sqrt(SESSIONS_PER_YEAR),
    ),
    _feature(
        name="mkt_alpha_60d",
        unit="fraction per session",
        definition="intercept of the market model over 60 sessions",
        lookback_sessions=61,
        source=_MARKET_MODEL,
        expression=_model(Fit.ALPHA, 60),
    ),
    _feature(
        name="mkt_return_1d",
        unit="fraction",
        definition="the market's return",
        lookback_sessions=2,
        source="equal-weighted mean of the session's valid symbols",
        expression=pl.col("market_return"),
    ),
    _feature(
        name="mkt_return_20d",
        unit="log return",
        definition="sum of ln(1 + the market's return) over 20 sessions",
        lookback_sessions=21,
        source="equal-weighted mean of the session's valid symbols",
        expression=windows.total(_LOG_MARKET_RETURN, 20),
    ),
    _feature(
        name="mkt_vol_20d",
        unit="fraction per year",
        definition="std (n − 1) of ln(1 + the market's return) over 20 sessions · √252",
        lookback_sessions=21,
        source="Hull (2018), Options, Futures, and Other Derivatives, ch. 15.4",
        expression=windows.std(_LOG_MARKET_RETURN, 20) * sqrt(SESSIONS_PER_YEAR),
    ),
    _feature(
        name="mkt_dispersion_1d",
        unit="fraction",
        definition="std (n − 1) of the session's daily returns over symbols",
        lookback_sessions=2,
        source="Solnik and Roulet (2000), Financial Analysts Journal 56(1): cross-sectional dispersion",
        expression=windows.session_std("simple_return"),
    ),
)
