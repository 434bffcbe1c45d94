"""Real raw prices with splits and dividends: adjusted closes, and wrong declarations of their basis."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from benchmarks.bar_sets import ACTIONS, HOURLY, read_bars
from benchmarks.price_basis import factor_actions
from features.adjust import adjust_prices
from features.panel import SOURCE_COLUMNS, dense_panel
from pipelines.app.runner import open_context
from pipelines.app.settings import load_settings
from pipelines.tables.contracts import SILVER_ACTIONS, SILVER_BARS
from pipelines.tables.queries import bars_and_actions
from tests.data.sets import data_set
from tests.world.commands import Answer, Home

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

KEY = ["symbol", "session"]
NEAR = 0.002
ROUNDED = 0.5e-6
"""The vendor prints adjusted closes with six places."""
RAW_SET = (date(2003, 1, 2), date(2012, 12, 31))
HOURLY_SET = (date(2012, 1, 3), date(2018, 2, 7))


def load(home: Home, days: tuple[date, date], *more: str) -> Answer:
    """Do what `load_history` does up to the silver tables, two days after the last session."""
    first, last = days
    clock = datetime.combine(last, time(23), tzinfo=UTC) + timedelta(days=2)
    words = ("run", "--stages", "ingest,curate", "--start", str(first), "--end", str(last))
    return home.run(*words, clock=clock, more=more)


def home_of(folder: Path, basis: str) -> Home:
    """Return a home whose prices are declared to be on a basis."""
    words = ("feeds.bars=files", "feeds.texts=null", f"sources.files.price_basis={basis}")
    return Home(folder / "home", tuple(part for word in words for part in ("--set", word)))


@pytest.fixture(scope="module")
def adjusted(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """Symbol, session, `close` as the project adjusts it, and the vendor's `adjusted_close`."""
    file = data_set(ACTIONS) / "bars.parquet"
    home = home_of(tmp_path_factory.mktemp("raw"), "raw")
    answer = load(home, RAW_SET, "--bars", str(file))
    assert answer.exit_code == 0, answer.said
    lake = open_context(load_settings()[0], home.folder).lake
    columns = [*KEY, "known_at", *SOURCE_COLUMNS]
    query = bars_and_actions(SILVER_BARS, SILVER_ACTIONS, columns, where="true")
    versions = lake.collect_query(query, SILVER_BARS, SILVER_ACTIONS)
    newest = versions.sort("known_at").unique([*KEY, "record"], keep="last", maintain_order=True)
    panel = dense_panel(newest, newest.select(pl.col("session").unique().sort()))
    truth = pl.read_parquet(file).select("symbol", pl.col("date").alias("session"), "adjusted_close")
    levels = adjust_prices(panel, anchor="last")
    return levels.join(truth, on=KEY, how="full", coalesce=True).sort(KEY)


def test_every_adjusted_close_of_the_vendor_is_reproduced(adjusted: pl.DataFrame) -> None:
    """HIG's dividend of 2008-11-26, too: reinvested at the close of the ex-date, not of the day before."""
    assert adjusted.height == 75_510
    anchored = adjusted.with_columns(
        pl.col("adjusted_close") * (pl.col("close").last() / pl.col("adjusted_close").last()).over("symbol")
    )
    off = (pl.col("close") / pl.col("adjusted_close") - 1).abs()
    assert anchored.filter(off.is_null() | (off > NEAR)).select(*KEY).rows() == []


def test_every_daily_return_of_the_vendor_is_reproduced(adjusted: pl.DataFrame) -> None:
    before = adjusted.with_columns(
        pl.col("close", "adjusted_close").shift(1).over("symbol").name.suffix("_before")
    )
    ours, theirs = (pl.col(name) / pl.col(f"{name}_before") for name in ("close", "adjusted_close"))
    room = ROUNDED / pl.col("adjusted_close") + ROUNDED / pl.col("adjusted_close_before")
    off = (ours / theirs - 1).abs()
    told = before.filter(pl.col("session") > RAW_SET[0])
    assert told.filter(off.is_null() | (off > 1.01 * room)).select(*KEY).rows() == []


HOW = " (`--set sources.files.price_basis=…` with every command, or once and for all in an overlay of conf/)"


def stopped(answer: Answer, home: Home) -> str:
    """Return why a load has been stopped, if it was for its settings and before anything was written."""
    assert answer.exit_code == 78, answer.said
    assert home.show(SILVER_BARS.name).is_empty()
    return str(answer.line["why"])


def test_raw_prices_declared_adjusted_stop_the_load(spark: SparkSession, tmp_path: Path) -> None:
    home = home_of(tmp_path, "split")
    answer = load(home, RAW_SET, "--bars", str(data_set(ACTIONS) / "bars.parquet"))
    assert stopped(answer, home) == (
        "sources.files.price_basis=split, but around 53 of 53 splits prices moved as raw ones do (MNST "
        "2006-07-10: split 4, close 203.80 → 46.23; CTSH 2003-04-02: split 3, close 65.93 → 21.99; PBCT "
        "2007-04-16: split 2.1, close 43.27 → 20.75): set sources.files.price_basis to raw, then run this "
        "again" + HOW
    )


def test_raw_prices_declared_adjusted_stop_the_load_by_actions_of_their_own(
    spark: SparkSession, tmp_path: Path
) -> None:
    data_set(HOURLY)
    bars = read_bars(HOURLY)
    bars.drop("position").write_parquet(tmp_path / "bars.parquet")
    factor_actions(bars, adjusted=False).drop("position").write_parquet(tmp_path / "actions.parquet")
    home = home_of(tmp_path, "total_return")
    places = ("--bars", str(tmp_path / "bars.parquet"), "--actions", str(tmp_path / "actions.parquet"))
    assert stopped(load(home, HOURLY_SET, *places), home) == (
        "sources.files.price_basis=total_return, but around 1 of 1 splits prices moved as raw ones do (AAPL "
        "2014-06-09: split 7, close 645.57 → 93.70; IBM 2017-05-08: dividend 1.5, close 155.05 → 153.03, "
        "-1.30% against the market; SPY 2012-12-21: dividend 1.022, close 145.14 → 142.77, -1.63% against "
        "the market): set sources.files.price_basis to raw, then run this again" + HOW
    )
