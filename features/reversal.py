"""Reversal: recent moves with the sign turned, so that a positive value expects a rise."""

from __future__ import annotations

from functools import partial
from math import sqrt

import polars as pl

from features import windows
from features.feature import Feature

_feature = partial(Feature, family="rev", unit="fraction")

_SCALED = "Lehmann (1990), Q. J. Economics 105(1); scaled as in Moskowitz, Ooi and Pedersen (2012)"


def _scaled(window: int, vol_window: int) -> Feature:
    move = windows.change(window)
    expected = windows.std("log_return", vol_window) * sqrt(window)
    return _feature(
        name=f"rev_scaled_{window}d",
        unit="standard deviations",
        definition=f"−return over {window} d / (std of log returns over {vol_window} d · √{window})",
        lookback_sessions=vol_window + 1,
        source=_SCALED,
        expression=-move / expected,
    )


FEATURES = (
    _feature(
        name="rev_market_excess_5d",
        definition="−(return over 5 d − mean of the session's symbols)",
        lookback_sessions=6,
        source="Lo and MacKinlay (1990), Review of Financial Studies 3(2), eq. 1: contrarian weights",
        expression=windows.session_mean(windows.change(5)) - windows.change(5),
        level="session",
    ),
    _scaled(1, 20),
    _scaled(5, 60),
    _feature(
        name="rev_gap_1d",
        definition="−(open(t) / close(t−1) − 1), adjusted",
        lookback_sessions=2,
        source="Lou, Polk and Skouras (2019), J. Financial Economics 134(1)",
        expression=1.0 - pl.col("open") / pl.col("previous_close"),
    ),
    _feature(
        name="rev_intraday_1d",
        definition="−(close / open − 1)",
        lookback_sessions=1,
        source="Lou, Polk and Skouras (2019), J. Financial Economics 134(1)",
        expression=1.0 - pl.col("close") / pl.col("open"),
    ),
    _feature(
        name="rev_close_location_1d",
        definition="(high + low − 2 close) / (high − low)",
        lookback_sessions=1,
        source="Chaikin's close location value (Achelis, 2000, Technical Analysis from A to Z), sign turned",
        expression=(pl.col("high") + pl.col("low") - 2.0 * pl.col("close"))
        / (pl.col("high") - pl.col("low")),
    ),
)
