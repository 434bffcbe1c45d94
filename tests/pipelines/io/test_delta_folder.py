"""Delta tables of a folder, written and read without a JVM."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from pipelines.base.table import TableContract
from pipelines.io.delta_folder import DeltaFolder

KNOWN = datetime(2024, 7, 1, 20, 0, 0, 1, tzinfo=UTC)
TABLE = TableContract(
    name="gold.samples",
    schema={
        "symbol": pl.String,
        "session": pl.Date,
        "known_at": pl.Datetime("us", "UTC"),
        "value": pl.Float64,
    },
    key=("symbol", "session"),
)
ROWS = pl.DataFrame(
    [("A", date(2024, 7, 1), KNOWN, 1.5), ("B", date(2024, 7, 2), KNOWN, None)],
    schema=dict(TABLE.schema),
    orient="row",
)


def write(folder: DeltaFolder, rows: pl.DataFrame) -> Path:
    place = folder.root / "gold" / "samples"
    feed = {"delta.enableChangeDataFeed": "true"}
    write_deltalake(str(place), rows.to_arrow(), mode="append", configuration=feed)
    return place


@pytest.fixture
def folder(tmp_path: Path) -> DeltaFolder:
    return DeltaFolder(tmp_path)


def test_an_absent_table_has_no_version_and_no_row(folder: DeltaFolder) -> None:
    assert folder.version(TABLE) is None
    assert folder.collect_query("select * from gold_samples", [TABLE]).schema == ROWS.schema
    assert folder.changed_rows(TABLE, ["session"], since=0) == set()


def test_rows_come_back_in_the_types_of_the_contract(folder: DeltaFolder) -> None:
    write(folder, ROWS)
    assert folder.version(TABLE) == 0
    assert folder.collect_query("select * from gold_samples order by symbol", [TABLE]).equals(ROWS)
    literal = "timestamp'2024-07-01 20:00:00.000001'"
    found = folder.collect_query(
        f"select {literal} as at from gold_samples where known_at <= {literal}", [TABLE]
    )
    assert found["at"].to_list() == [KNOWN, KNOWN]
    earlier = "timestamp'2024-07-01 20:00:00.000000'"
    assert folder.collect_query(f"select * from gold_samples where known_at <= {earlier}", [TABLE]).is_empty()


def test_a_column_that_the_table_lacks_is_null(folder: DeltaFolder) -> None:
    write(folder, ROWS)
    wider = TableContract(name=TABLE.name, schema={**TABLE.schema, "more": pl.Int32}, key=TABLE.key)
    found = folder.collect_query("select more from gold_samples", [wider])
    assert found.to_series().to_list() == [None, None]
    assert found.schema == {"more": pl.Int32}


def test_changes_are_those_after_a_version(folder: DeltaFolder) -> None:
    place = write(folder, ROWS)
    write(folder, ROWS.with_columns(session=date(2024, 7, 3)))
    assert folder.changed_rows(TABLE, ["session"], since=0) == {(date(2024, 7, 3),)}
    assert folder.changed_rows(TABLE, ["session"], since=1) == set()
    assert folder.has_commit(TABLE, 1)
    assert not folder.has_commit(TABLE, 2)
    assert DeltaTable(str(place)).version() == folder.version(TABLE) == 1


def test_an_opened_table_follows_what_others_write(folder: DeltaFolder) -> None:
    write(folder, ROWS)
    assert folder.version(TABLE) == 0
    other = DeltaFolder(folder.root)
    for _ in range(12):
        write(other, ROWS)
    assert folder.version(TABLE) == 12
    assert folder.collect_query("select count(*) as rows from gold_samples", [TABLE]).item() == 26
    assert folder.changed_rows(TABLE, ["symbol"], since=11) == {("A",), ("B",)}


def test_the_log_of_a_new_table_outlives_its_checkpoints(folder: DeltaFolder) -> None:
    rows = ROWS.to_arrow()
    folder.ensure(TABLE, rows.schema)
    place = folder.root / "gold" / "samples"
    for _ in range(15):
        folder.append(TABLE, [rows], rows.schema)
    long_ago = (KNOWN - timedelta(days=400)).timestamp()
    for entry in (place / "_delta_log").glob("*.json"):
        os.utime(entry, (long_ago, long_ago))
    for _ in range(10):
        folder.append(TABLE, [rows], rows.schema)
    assert len(list((place / "_delta_log").glob("*.checkpoint.parquet"))) == 2
    assert all(folder.has_commit(TABLE, version) for version in range(26))
    assert DeltaTable(str(place), version=3).to_pyarrow_table().num_rows == 6
    assert DeltaFolder(folder.root).changed_rows(TABLE, ["symbol"], since=3) == {("A",), ("B",)}


def test_rows_written_are_counted(folder: DeltaFolder) -> None:
    write(folder, ROWS)
    write(folder, ROWS.head(0))
    assert folder.last_written(TABLE) == 0
