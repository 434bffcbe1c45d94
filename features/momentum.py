"""Momentum: total returns over several windows, their path, and their parts overnight and intraday."""

from __future__ import annotations

from functools import partial

import polars as pl

from features import windows
from features.feature import Feature

_feature = partial(Feature, family="mom", unit="fraction")

_JEGADEESH_TITMAN = "Jegadeesh and Titman (1993), J. Finance 48(1)"
_LOU_POLK_SKOURAS = "Lou, Polk and Skouras (2019), J. Financial Economics 134(1)"


def _return(window: int, skip: int = 0) -> Feature:
    suffix = f"_skip{skip}" if skip else ""
    newest = f"t−{skip}" if skip else "t"
    return _feature(
        name=f"mom_return_{window}d{suffix}",
        definition=f"total return from close(t−{window}) to close({newest})",
        lookback_sessions=window + 1,
        source=_JEGADEESH_TITMAN,
        expression=windows.change(window, skip=skip),
    )


FEATURES = (
    *(_return(window) for window in (1, 2, 3, 5, 10, 20, 60, 120)),
    _return(252, skip=21),
    _feature(
        name="mom_overnight_20d",
        unit="log return",
        definition="sum of ln(open(t) / close(t−1)), adjusted, over 20 sessions",
        lookback_sessions=21,
        source=_LOU_POLK_SKOURAS,
        expression=windows.total("overnight_log_return", 20),
    ),
    _feature(
        name="mom_intraday_20d",
        unit="log return",
        definition="sum of ln(close / open) over 20 sessions",
        lookback_sessions=20,
        source=_LOU_POLK_SKOURAS,
        expression=windows.total("intraday_log_return", 20),
    ),
    _feature(
        name="mom_efficiency_20d",
        definition="|sum of log returns| / sum of |log returns| over 20 sessions",
        lookback_sessions=21,
        source="Kaufman (1995), Smarter Trading: efficiency ratio, in log returns",
        expression=windows.total("log_return", 20).abs() / windows.total(pl.col("log_return").abs(), 20),
    ),
)
