"""Nothing after t changes a feature at t, nothing before its look-back does either: bit for bit."""

from __future__ import annotations

from collections import defaultdict

import polars as pl
import pytest

from features.feature import Feature
from features.labels import compute_labels
from features.views import find_view, primary_view
from tests.leakage.look_ahead import drop_rows, find_look_ahead, find_overreach, scramble_rows
from tests.panels import compute_daily, compute_text, random_panel, sessions_of

SESSIONS = 330
PANEL = random_panel(5, SESSIONS, seed=23)
DAYS = sessions_of(SESSIONS)
ALONE = compute_daily(PANEL)
DAILY = primary_view().features
DISTURBANCES = pytest.mark.parametrize("disturb", [drop_rows, scramble_rows])


def _compute(panel: pl.DataFrame) -> pl.DataFrame:
    return ALONE if panel is PANEL else compute_daily(panel)


def _leaking(name: str, expression: pl.Expr) -> Feature:
    fields = {"unit": "fraction", "definition": "a leak", "source": "none", "lookback_sessions": 2}
    return Feature(name=f"mom_{name}_1d", family="mom", expression=expression, **fields)


@DISTURBANCES
@pytest.mark.parametrize("cut", [1, 60, 255, 300, 328])
def test_the_future_leaves_the_past_identical(cut, disturb):
    assert find_look_ahead(_compute, PANEL, DAYS[cut], disturb) == []


@pytest.mark.parametrize("lookback", sorted({feature.lookback_sessions for feature in DAILY}))
def test_no_feature_reads_beyond_its_lookback(lookback):
    allowed = {feature.name for feature in DAILY if feature.lookback_sessions <= lookback}
    for disturb in (scramble_rows, drop_rows):
        assert allowed.isdisjoint(find_overreach(_compute, PANEL, DAYS[-lookback], disturb))


def test_declared_lookbacks_are_not_longer_than_needed():
    by_lookback = defaultdict(set)
    for feature in DAILY:
        if feature.name not in INSENSITIVE and not feature.name.startswith("xs_rank_"):
            by_lookback[feature.lookback_sessions].add(feature.name)
    for lookback, names in by_lookback.items():
        if lookback > 1:
            assert names <= set(find_overreach(_compute, PANEL, DAYS[1 - lookback]))


INSENSITIVE = {
    "liq_zero_return_60d",
    "tail_max_return_20d",
    "tail_min_return_20d",
    "trend_high_distance_252d",
    "trend_low_distance_252d",
    "trend_since_high_252d",
}
"""Extremes and unchanged prices: the oldest session matters only where it is one.
The same holds for ranks among five symbols, whose look-back is that of the ranked feature."""


@DISTURBANCES
@pytest.mark.parametrize(
    "expression",
    [
        pl.col("close").shift(-1).over("symbol") / pl.col("close") - 1.0,
        pl.col("close") / pl.col("close").mean().over("symbol") - 1.0,
        pl.col("close") - pl.col("close").last().over("symbol"),
        pl.len().over("symbol").cast(pl.Float64) + pl.col("volume").max(),
    ],
    ids=["next return", "mean of all sessions", "last close", "size of the block"],
)
def test_a_leaking_feature_is_caught(expression, disturb):
    catalog = [*DAILY[:3], _leaking("leak", expression)]
    found = find_look_ahead(lambda panel: compute_daily(panel, features=catalog), PANEL, DAYS[250], disturb)
    assert found == ["mom_leak_1d"]


def test_an_incremental_mean_is_caught_reading_beyond_its_lookback():
    rolling = pl.col("volume").rolling_mean(2, min_samples=1).over("symbol")
    panel = PANEL.with_columns(pl.col("volume") * 0.1)
    catalog = [*DAILY[:3], _leaking("rolling", rolling)]
    found = find_overreach(lambda bars: compute_daily(bars, features=catalog), panel, DAYS[-20])
    assert found == ["mom_rolling_1d"]


def test_symbols_do_not_read_one_another():
    own = [feature for feature in DAILY if feature.level == "symbol" and not feature.inputs]
    whole = compute_daily(PANEL, features=own).filter(pl.col("symbol") == "S02")
    alone = compute_daily(PANEL.filter(pl.col("symbol") == "S02"), features=own)
    assert whole.equals(alone)


@DISTURBANCES
def test_labels_end_where_they_say(disturb):
    def labels(panel: pl.DataFrame) -> pl.DataFrame:
        wide = compute_labels(panel, [1, 5, 20]).pivot(
            on="horizon", index=["symbol", "session"], values="value"
        )
        return wide.sort("symbol", "session")

    assert find_look_ahead(labels, PANEL, DAYS[200], disturb) == []


def test_texts_of_later_sessions_change_nothing_before():
    cut = DAYS[200]
    texts = PANEL.filter(pl.col("valid")).select(
        "symbol",
        "session",
        text_id=pl.int_range(pl.len()).cast(pl.String),
        negative=(pl.col("close") % 1.0) / 2,
        neutral=pl.lit(0.1),
        positive=(pl.col("volume") % 7.0) / 14,
    )

    def compute(scored: pl.DataFrame) -> pl.DataFrame:
        return compute_text(PANEL, scored).filter(pl.col("session") <= cut)

    past = compute(texts.filter(pl.col("session") <= cut))
    assert compute(texts).equals(past)
    names = find_view("features_text").feature_names
    assert past.select(pl.col(names).is_not_null().any()).row(0).count(True) > 5
