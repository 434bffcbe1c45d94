"""A lake as it was at one moment, by either engine, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyspark.sql import SparkSession

from pipelines.base.report import SessionRange, StageReport
from pipelines.base.table import TableContract
from pipelines.io.lake import Lake
from pipelines.io.pinned_lake import PinnedLake, pin
from pipelines.io.table_upkeep import compact_table
from pipelines.tables import queries
from pipelines.tables.contracts import OPS_STAGE_RUNS
from tests.pipelines.conftest import NOON

TABLE = TableContract(name="gold.samples", schema={"symbol": pl.String, "value": pl.Float64}, key=("symbol",))
LATER = TableContract(name="gold.later", schema={"symbol": pl.String}, key=("symbol",))
OTHER = TableContract(name="gold.other", schema={"symbol": pl.String}, key=("symbol",))
EVERY = queries.rows_of(TABLE, TABLE.columns, "true")


def samples(**values: float) -> pl.DataFrame:
    return pl.DataFrame({"symbol": list(values), "value": list(values.values())}, schema=dict(TABLE.schema))


@pytest.fixture(params=[300_000, 0], ids=["here", "spark"])
def lake(request: pytest.FixtureRequest, spark: SparkSession, tmp_path: Path) -> Lake:
    made = Lake(str(tmp_path / "lake"), lambda: spark, local_rows=request.param)
    made.append(TABLE, samples(AAA=1.0))
    return made


def test_what_is_read_stays_whoever_writes_meanwhile(lake: Lake) -> None:
    pinned = PinnedLake(lake, lake.versions([TABLE, LATER]))
    assert pinned.reads_here == lake.reads_here
    version = lake.version(TABLE)
    lake.replace(TABLE, samples(AAA=2.0, BBB=3.0), scope="true")
    compact_table(lake, TABLE)
    lake.append(LATER, pl.DataFrame({"symbol": ["AAA"]}))
    standing = samples(AAA=1.0)
    assert pinned.collect_query(EVERY, TABLE).equals(standing)
    assert pinned.collect_table(TABLE).equals(standing)
    assert pinned.collect(pinned.scan_table(TABLE)).equals(standing)
    assert pinned.collect(pinned.scan_query(EVERY, TABLE)).equals(standing)
    assert pinned.version(TABLE) == version
    assert not pinned.exists(LATER)
    assert pinned.collect_table(LATER).is_empty()
    assert pinned.collect(pinned.scan_table(LATER)).is_empty()
    assert lake.collect_query(EVERY, TABLE).height == 2


@pytest.mark.parametrize(
    "read",
    [
        lambda lake: lake.version(OTHER),
        lambda lake: lake.scan_table(OTHER),
        lambda lake: lake.collect_query(queries.rows_of(OTHER, ["symbol"], "true"), OTHER),
        lambda lake: lake.collect_table(OTHER),
    ],
    ids=["version", "scan", "query", "table"],
)
def test_a_table_that_was_not_named_is_refused(read: Callable[[Lake], Any], lake: Lake) -> None:
    pinned = PinnedLake(lake, lake.versions([TABLE]))
    with pytest.raises(ValueError, match=r"gold\.other is read and was not pinned, only gold\.samples were"):
        read(pinned)


@pytest.mark.parametrize(
    "write",
    [
        lambda lake: lake.append(TABLE, samples(BBB=1.0)),
        lambda lake: lake.append_parts(TABLE, [samples(BBB=1.0)]),
        lambda lake: lake.replace(TABLE, samples(AAA=2.0), scope="true"),
        lambda lake: lake.insert_absent(TABLE, samples(BBB=1.0)),
    ],
    ids=["append", "parts", "replace", "insert"],
)
def test_nothing_is_written_through_it(write: Callable[[Lake], Any], lake: Lake) -> None:
    pinned, before = PinnedLake(lake, lake.versions([TABLE])), lake.version(TABLE)
    with pytest.raises(ValueError, match=r"gold\.samples is pinned and cannot be written to; ask the lake"):
        write(pinned)
    assert lake.version(TABLE) == before


def test_its_changes_are_those_of_the_lake(lake: Lake) -> None:
    pinned = PinnedLake(lake, lake.versions([TABLE]))
    with pytest.raises(ValueError, match=r"gold\.samples is pinned and cannot be asked for its changes"):
        pinned.changed(TABLE, "symbol", since=0)


def test_the_run_log_of_a_pinned_context_stands_still_too(
    open_home: Callable[..., Any], spark: object, tmp_path: Path
) -> None:
    context, day = open_home(tmp_path), date(2016, 6, 30)

    def record(definition: str) -> None:
        report = StageReport(stage="curate", definition=definition)
        sessions = SessionRange(start=day, end=day)
        context.run_log.record(report, sessions, started_at=NOON, finished_at=NOON)

    record("before")
    view = pin(context, [])
    record("after")
    assert view.run_log.last("curate").definition == "before"
    assert context.run_log.last("curate").definition == "after"
    assert context.lake.version(OPS_STAGE_RUNS) > view.lake.version(OPS_STAGE_RUNS)
