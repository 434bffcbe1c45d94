"""A history loaded in bulk equals the same history replayed, whatever the order of the days."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from feature_repo.definitions import view_ttl
from pipelines.base.context import Context
from pipelines.tables.contracts import GOLD_LABELS, SILVER_BARS
from tests.e2e.homes import (
    BUILD,
    FIRST,
    assert_same_rows,
    business_rows,
    load,
    online_rows,
    open_market,
    run_days,
)  # fmt: skip
from tests.gold_tables import GOLD_FEATURES_DAILY

pytestmark = pytest.mark.replay
HISTORY, REPLAYED = 60, 4


@pytest.fixture(scope="module")
def bulk(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """A home whose whole history came in one load."""
    context = open_market(tmp_path_factory.mktemp("bulk"))
    load(context, context.calendar.shift(FIRST, HISTORY + REPLAYED))
    return context


def test_the_market_is_faulty_enough_to_mean_something(bulk: Context) -> None:
    rows = business_rows(bulk)
    versions = rows["silver.bars"].group_by("symbol", "session").len()
    assert versions.filter(pl.col("len") > 1).height > 3
    assert rows["silver.bars"].filter(~pl.col("valid")).height > 0
    assert rows["ops.quarantine"].height > 3
    assert rows["gold.features_text"].height > 50


def test_loading_again_touches_nothing(bulk: Context) -> None:
    before = bulk.lake.versions([SILVER_BARS, GOLD_FEATURES_DAILY, GOLD_LABELS])
    reports = load(bulk, bulk.calendar.shift(FIRST, HISTORY + REPLAYED))
    assert [report.status for report in reports] == ["unchanged"] * 4
    assert [report.sessions_touched for report in reports] == [0] * 4
    assert bulk.lake.versions([SILVER_BARS, GOLD_FEATURES_DAILY, GOLD_LABELS]) == before


def test_days_replayed_out_of_order_end_in_the_same_rows(bulk: Context, tmp_path: Path) -> None:
    replayed = open_market(tmp_path / "replay")
    calendar = replayed.calendar
    load(replayed, calendar.shift(FIRST, HISTORY))
    last = [calendar.shift(FIRST, HISTORY + step) for step in range(1, REPLAYED + 1)]
    run_days(replayed, [last[1], last[0], last[3], last[2]], stages=(*BUILD, "materialize"))
    assert_same_rows(business_rows(bulk), business_rows(replayed))
    for context in (bulk, replayed):
        run_days(context, [last[3]], stages=["materialize"])
    online = online_rows(bulk)
    listed = business_rows(bulk)["silver.bars"].filter(pl.col("session") >= last[3] - view_ttl(bulk.calendar))
    assert set(online["features_daily"]["symbol"]) == set(listed["symbol"])
    assert_same_rows(online, online_rows(replayed))


def test_every_feature_was_known_after_its_close(bulk: Context) -> None:
    features = business_rows(bulk, [GOLD_FEATURES_DAILY])["gold.features_daily"]
    first = features.sort("known_at").unique(["symbol", "session"], keep="first")
    assert first.filter(pl.col("known_at") <= pl.col("event_timestamp")).is_empty()
