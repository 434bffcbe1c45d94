"""Ranks and z-scores of other features among the session's valid symbols."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from features import windows
from features.feature import Feature

RANKED = (
    "mom_return_1d",
    "mom_return_5d",
    "mom_return_20d",
    "mom_return_252d_skip21",
    "vol_realised_20d",
    "tail_max_return_20d",
    "volume_ratio_1d_20d",
    "liq_amihud_20d",
    "trend_high_distance_252d",
    "mkt_beta_60d",
)
STANDARDISED = (
    "mom_return_5d",
    "mom_return_20d",
    "mom_return_252d_skip21",
    "vol_realised_20d",
    "volume_zscore_20d",
)

_feature = partial(Feature, family="xs", level="session")


def _rank(base: Feature) -> Feature:
    return _feature(
        name=f"xs_rank_{base.name}",
        unit="centred rank",
        definition=f"(mean rank of {base.name} − ½) / n − ½ over the session's n symbols",
        source="Gu, Kelly and Xiu (2020), Review of Financial Studies 33(5): ranks mapped to an interval",
        lookback_sessions=base.lookback_sessions,
        expression=windows.session_rank(base.name),
        inputs=(base.name,),
    )


def _zscore(base: Feature) -> Feature:
    return _feature(
        name=f"xs_z_{base.name}",
        unit="standard deviations",
        definition=f"({base.name} − mean) / std (n − 1) over the session's symbols",
        source="Grinold and Kahn (1999), Active Portfolio Management, ch. 11: standardised scores",
        lookback_sessions=base.lookback_sessions,
        expression=windows.session_zscore(base.name),
        inputs=(base.name,),
    )


def derive_features(bases: Iterable[Feature]) -> tuple[Feature, ...]:
    """Return the cross-sectional features of `RANKED` and `STANDARDISED`, taken from `bases` by name."""
    by_name = {base.name: base for base in bases}
    ranks = (_rank(by_name[name]) for name in RANKED)
    return (*ranks, *(_zscore(by_name[name]) for name in STANDARDISED))
