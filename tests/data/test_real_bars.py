"""What ingest and curate make of the known quirks of a real, published set of daily bars."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from pipelines.app.runner import open_context, run_stage
from pipelines.app.settings import load_settings
from pipelines.base.context import Context
from pipelines.base.report import SessionRange
from pipelines.tables.contracts import BRONZE_BARS, OPS_QUARANTINE, SILVER_BARS
from tests.data.sets import data_set

SET = "bars_sp500_2013_2018"
DAYS_AROUND = 21
FIRST, LAST = date(2013, 2, 8), date(2018, 2, 7)
NULLS = (
    "BHF 2017-07-26", "DHR 2015-07-17", "DHR 2016-01-12", "ES 2015-07-17", "FTV 2016-07-01", "O 2015-07-17",
    "O 2016-01-12", "REGN 2015-06-09", "UA 2016-04-07", "VRTX 2015-05-12", "WRK 2015-06-26",
)  # fmt: skip
INCONSISTENT = (
    "AOS 2014-05-19", "CHD 2014-05-19", "BBY 2016-03-14", "CHK 2014-06-30", "DHR 2014-11-06", "O 2014-11-06",
    "IP 2014-07-01", "LNT 2016-05-19", "O 2014-08-27", "SPG 2014-05-28", "UA 2016-06-10", "WRK 2016-05-13",
)  # fmt: skip
CORRUPT = ("MRO 2017-09-14", "NWL 2017-09-14")
"""A whole bar at another level for one session: consistent in itself, so only its reversal tells."""
REAL = ("AMD 2016-04-22", "VRTX 2013-04-19", "VRTX 2014-06-24")
EVENTS = ("BAX 2015-07-01", "EBAY 2015-07-20", "NI 2015-07-02", "DISCA 2014-08-07", "DISCK 2014-08-07")
"""Spin-offs and a share class paid out: not adjusted by the vendor, but prices that were traded."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """Load the weeks around each quirk of the symbols that have one."""
    marks = (mark.split() for mark in (*NULLS, *INCONSISTENT, *CORRUPT, *REAL, *EVENTS))
    near = pl.DataFrame([(symbol, day) for symbol, day in marks], schema=["symbol", "mark"], orient="row")
    every = pl.read_parquet(data_set(SET) / "bars.parquet").join(near, on="symbol")
    distance = (pl.col("date").cast(pl.Date) - pl.col("mark").str.to_date()).dt.total_days().abs()
    bars = every.filter(distance <= DAYS_AROUND).drop("mark").unique()
    folder = tmp_path_factory.mktemp("real")
    bars.write_parquet(folder / "bars.parquet")
    overrides = ["feeds.bars=files", "feeds.texts=files", f"sources.files.bars={folder / 'bars.parquet'}"]
    settings, _ = load_settings(overrides=overrides)
    context = open_context(settings, folder / "home", clock=lambda: datetime(2018, 2, 8, 3, tzinfo=UTC))
    for stage in ("ingest", "curate"):
        run_stage(context, stage, SessionRange(start=FIRST, end=LAST))
    return context


@pytest.fixture(scope="module")
def silver(home: Context) -> pl.DataFrame:
    rows = home.lake.collect(home.lake.scan_table(SILVER_BARS))
    return rows.with_columns(pl.format("{} {}", "symbol", "session").alias("mark"))


def rows_of(silver: pl.DataFrame, marks: Iterable[str]) -> pl.DataFrame:
    return silver.filter(pl.col("mark").is_in(list(marks))).sort("mark", "known_at")


def test_every_row_is_landed(home: Context) -> None:
    sent = pl.read_parquet(Path(home.settings.sources["files"].bars)).height
    assert home.lake.scan_table(BRONZE_BARS).count() == sent


@pytest.mark.parametrize(
    ("rule", "marks"), [("null_price", NULLS), ("ohlc_inconsistent", INCONSISTENT)], ids=["nulls", "ohlc"]
)
def test_known_bad_rows_are_quarantined(home: Context, rule: str, marks: tuple[str, ...]) -> None:
    refused = home.lake.collect(home.lake.scan_table(OPS_QUARANTINE).where(f"rule = '{rule}'"))
    assert sorted(refused.select(pl.format("{} {}", "symbol", "session")).to_series()) == sorted(marks)


def test_nothing_else_is_quarantined(home: Context) -> None:
    refused = home.lake.collect(home.lake.scan_table(OPS_QUARANTINE))
    assert refused["record_hash"].n_unique() == len(NULLS) + len(INCONSISTENT)


def test_refused_rows_never_reach_silver(silver: pl.DataFrame) -> None:
    assert rows_of(silver, (*NULLS, *INCONSISTENT)).is_empty()


def test_a_corrupt_bar_is_suspected_and_then_retracted(silver: pl.DataFrame) -> None:
    for mark in CORRUPT:
        versions = rows_of(silver, [mark])
        assert versions["valid"].to_list() == [True, False]
        assert versions["suspect"].to_list()[0] is True
        assert versions["known_at"].dt.date().to_list() == [date(2017, 9, 14), date(2017, 9, 15)]


def test_nothing_else_is_retracted(silver: pl.DataFrame) -> None:
    assert sorted(silver.filter(~pl.col("valid"))["mark"]) == list(CORRUPT)


@pytest.mark.parametrize("mark", [*REAL, *EVENTS])
def test_real_moves_stay(silver: pl.DataFrame, mark: str) -> None:
    assert rows_of(silver, [mark])["valid"].to_list() == [True]
