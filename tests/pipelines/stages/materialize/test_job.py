"""Online, gold and plain Polars say the same at every as-of."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import count
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_repo.definitions import view_ttl
from features.views import find_view
from pipelines.app.runner import run_stage
from pipelines.base.context import Context
from pipelines.base.errors import TransientError
from pipelines.base.report import SessionRange, StageReport
from pipelines.io.lake import Lake
from pipelines.stages.materialize.job import read_newest
from serving.online.feast_config import SYMBOLS_FILE
from serving.online.feast_store import FeastOnlineStore
from serving.online.params import FeatureStoreParams
from tests.gold_tables import GOLD_FEATURES_DAILY, GOLD_FEATURES_TEXT
from tests.pipelines.conftest import NOON
from tests.pipelines.synthetic_gold import CALENDAR, Gold, append_rows, correct, make_gold, retract

SYMBOLS = [f"S{index:02d}" for index in range(5)]


@pytest.fixture(scope="module")
def gold() -> Gold:
    """Twelve sessions; one symbol is delisted, one row corrected overnight, one retracted, one late."""
    made = make_gold(symbols=5, sessions=12)
    days = made.sessions
    delisted = (pl.col("symbol") == "S04") & (pl.col("session") > days[3])
    versions = [
        made.daily.filter(~delisted),
        correct(made.daily, "S01", days[9], days=1, mom_return_1d=5.0),
        correct(made.daily, "S02", days[8], days=20, mom_return_1d=6.0),
        retract(made.daily, "S03", days[10], days=1),
    ]
    return Gold(sessions=days, daily=pl.concat(versions), text=made.text, labels=made.labels)


@pytest.fixture(scope="module")
def context(
    open_home: Callable[..., Context], tmp_path_factory: pytest.TempPathFactory, gold: Gold
) -> Context:
    opened = open_home(tmp_path_factory.mktemp("materialize"))
    append_rows(opened.lake, GOLD_FEATURES_DAILY, gold.daily)
    append_rows(opened.lake, GOLD_FEATURES_TEXT, gold.text)
    return opened


def newest(rows: pl.DataFrame, as_of: date, cut: datetime) -> pl.DataFrame:
    """The published rows by plain Polars."""
    recent = pl.col("session").is_between(as_of - view_ttl(CALENDAR), as_of)
    known = rows.filter(recent & (pl.col("known_at") <= cut))
    last = known.sort("session", "known_at").group_by("symbol", maintain_order=True).last()
    return last.drop("month").sort("symbol")


def materialize(context: Context, as_of: date) -> StageReport:
    return run_stage(context, "materialize", SessionRange(start=as_of, end=as_of))


def test_online_equals_gold_and_polars_at_successive_as_ofs(context: Context, gold: Gold) -> None:
    online_store = FeastOnlineStore(context.settings.feature_store, context.home.feast)
    for as_of in gold.sessions[6:11]:
        report = materialize(context, as_of)
        assert report.status == "done"
        cut = CALENDAR.cutoff_at(as_of)
        for view, rows in (("features_daily", gold.daily), ("features_text", gold.text)):
            plain = newest(rows, as_of, cut)
            published = SessionRange(start=as_of, end=as_of)
            from_gold = read_newest(context, find_view(view), published).drop("month")
            # What was published before and is older than the ttl stays online; it is not read again.
            online = online_store.read_view(view, SYMBOLS).filter(pl.col("symbol").is_in(plain["symbol"]))
            assert_frame_equal(from_gold, plain, check_column_order=False, check_exact=True)
            assert_frame_equal(
                online, plain, check_column_order=False, check_row_order=False, check_exact=True
            )


def test_an_earlier_as_of_changes_nothing_online(context: Context, gold: Gold) -> None:
    materialize(context, gold.sessions[-1])
    online_store = FeastOnlineStore(context.settings.feature_store, context.home.feast)
    before = online_store.read_view("features_daily", SYMBOLS), online_store.published()
    report = materialize(context, gold.sessions[4])
    assert (report.rows_in, report.rows_out) == (report.rows_in, 0)
    after = online_store.read_view("features_daily", SYMBOLS), online_store.published()
    assert after[0].equals(before[0])
    assert after[1] == before[1]
    assert after[1] is not None
    assert after[1].session == gold.sessions[-1]


def test_the_same_as_of_again_is_unchanged(context: Context, gold: Gold) -> None:
    seconds = count()
    context = replace(context, clock=lambda: NOON + timedelta(seconds=next(seconds)))
    materialize(context, gold.sessions[-1])
    assert materialize(context, gold.sessions[-1]).status == "unchanged"
    assert materialize(context, gold.sessions[-2]).status == "done"


def test_a_list_of_symbols_that_is_lost_begins_again_with_all_that_may_be_online(
    context: Context, gold: Gold
) -> None:
    """S04 left long before; the as-of is an earlier one, which publishes nothing new."""
    run_stage(context, "materialize", SessionRange(start=gold.sessions[-1], end=gold.sessions[-1]))
    store = FeastOnlineStore(context.params(FeatureStoreParams), context.home.feast)
    assert store.symbols() == set(SYMBOLS)
    (context.home.feast / SYMBOLS_FILE).write_text("torn")
    run_stage(context, "materialize", SessionRange(start=gold.sessions[-2], end=gold.sessions[-2]))
    assert store.symbols() == set(SYMBOLS)


def test_an_empty_lake_publishes_nothing(
    open_home: Callable[..., Context], tmp_path: Path, gold: Gold
) -> None:
    report = materialize(open_home(tmp_path / "home"), gold.sessions[-1])
    assert (report.status, report.rows_in, report.rows_out) == ("done", 0, 0)


def test_months_before_the_ttl_are_not_opened(open_home: Callable[..., Context], tmp_path: Path) -> None:
    """Files of old months are gone: whoever opened one would fail."""
    context, made = open_home(tmp_path / "home"), make_gold(symbols=5, sessions=60)
    append_rows(context.lake, GOLD_FEATURES_DAILY, made.daily)
    append_rows(context.lake, GOLD_FEATURES_TEXT, made.text)
    last = made.sessions[-1]
    old = [
        path
        for path in (context.home.lake / "gold").rglob("*.parquet")
        if f"month={last:%Y-%m}" not in str(path) and "month=" in str(path)
    ]
    assert len(old) >= 4
    for path in old:
        path.unlink()
    assert materialize(context, last).details["written"]["features_daily"] == 5
    elsewhere = replace(context, lake=Lake(context.lake.root, lambda: context.lake.spark, local_rows=0))
    window = SessionRange(start=last, end=last)
    assert read_newest(elsewhere, find_view("features_daily"), window)["session"].to_list() == [last] * 5


def test_a_clock_before_the_cut_is_told_when_to_come_back(
    open_home: Callable[..., Context], tmp_path: Path, gold: Gold
) -> None:
    last = gold.sessions[-1]
    cut = CALENDAR.cutoff_at(last)
    early = open_home(tmp_path / "home", now=cut - timedelta(microseconds=1))
    with pytest.raises(TransientError, match=rf"session {last} is cut off at {re.escape(cut.isoformat())}"):
        materialize(early, last)
