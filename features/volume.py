"""Volume against its own past, in shares of the last session, and against the direction of prices."""

from __future__ import annotations

from functools import partial

import polars as pl

from features import windows
from features.feature import Feature
from features.kernels.pairs import Fit

_feature = partial(Feature, family="volume")

_KARPOFF = "Karpoff (1987), J. Financial and Quantitative Analysis 22(1)"
_ABNORMAL = "Gervais, Kaniel and Mingelgrin (2001), J. Finance 56(3)"

_CHANGE = (pl.col("volume") * pl.col("share_adjustment_factor") / windows.lag("volume")).log()
_SIGNED = pl.col("volume") * pl.col("simple_return").sign()
_COUNTED = pl.when(pl.col("simple_return").is_not_null()).then(pl.col("volume"))


def _mean_shares(window: int) -> pl.Expr:
    return windows.mean("volume", window, adjustment="share_adjustment_factor")


def _money_flow_share(window: int) -> pl.Expr:
    typical = pl.col("typical_price")
    moved = typical - windows.lag("typical_price") / pl.col("price_adjustment_factor")
    flow = typical * pl.col("volume")
    risen = windows.total(pl.when(moved.is_not_null()).then(flow * (moved > 0.0)), window)
    fallen = windows.total(pl.when(moved.is_not_null()).then(flow * (moved < 0.0)), window)
    return 1.0 / (1.0 + fallen / risen)


FEATURES = (
    _feature(
        name="volume_ratio_1d_20d",
        unit="ratio",
        definition="volume / mean volume of 20 sessions",
        lookback_sessions=20,
        source=_ABNORMAL,
        expression=pl.col("volume") / _mean_shares(20),
    ),
    _feature(
        name="volume_ratio_5d_60d",
        unit="ratio",
        definition="mean volume of 5 sessions / of 60 sessions",
        lookback_sessions=60,
        source=_ABNORMAL,
        expression=_mean_shares(5) / _mean_shares(60),
    ),
    _feature(
        name="volume_zscore_20d",
        unit="standard deviations",
        definition="(volume − mean) / std over 20 sessions",
        lookback_sessions=20,
        source=_ABNORMAL,
        expression=(pl.col("volume") - _mean_shares(20))
        / windows.std("volume", 20, adjustment="share_adjustment_factor"),
    ),
    _feature(
        name="volume_signed_share_20d",
        unit="fraction",
        definition="sum of sign(return) · volume / sum of volume over 20 sessions",
        lookback_sessions=21,
        source="Granville (1963), on-balance volume, over a finite window and as a share",
        expression=windows.total(_SIGNED, 20, adjustment="share_adjustment_factor")
        / windows.total(
            _COUNTED,
            20,
            adjustment="share_adjustment_factor",
            min_samples=windows.required_samples(20),
        ),
    ),
    _feature(
        name="volume_money_flow_14d",
        unit="fraction",
        definition="price · volume of sessions with a risen typical price / with a changed one, 14 sessions",
        lookback_sessions=15,
        source="Quong and Soudack (1989), money flow index / 100",
        expression=_money_flow_share(14),
    ),
    _feature(
        name="volume_return_correlation_20d",
        unit="correlation",
        definition="correlation of log return and log change of volume over 20 sessions",
        lookback_sessions=21,
        source=_KARPOFF,
        expression=windows.fit(Fit.CORRELATION, "log_return", _CHANGE, 20),
    ),
)
