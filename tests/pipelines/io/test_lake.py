"""Delta tables: what a write touches, what it leaves alone, and what the change feed tells."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from pipelines.contracts import TableContract
from pipelines.io.frames import Changes, local_difference
from pipelines.io.lake import Lake
from pipelines.runner import open_context
from pipelines.settings import load_settings

TABLE = TableContract(
    name="gold.samples",
    schema={"symbol": pl.String, "session": pl.Date, "value": pl.Float64, "month": pl.String},
    key=("symbol", "session"),
    partition_by="month",
)
SCOPE = "month in ('2024-07', '2024-08')"
DAYS = {1: date(2024, 7, 1), 2: date(2024, 7, 2), 8: date(2024, 8, 1), 9: date(2024, 9, 3)}


def rows(*cells: tuple[str, int, float | None]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"symbol": symbol, "session": DAYS[day], "value": value, "month": f"{DAYS[day]:%Y-%m}"}
            for symbol, day, value in cells
        ],
        schema=dict(TABLE.schema),
    )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_context(load_settings()[0], tmp_path).lake


def standing(lake: Lake) -> list[tuple[object, ...]]:
    return (
        lake.to_polars(lake.read(TABLE)).sort("symbol", "session").select("symbol", "session", "value").rows()
    )


def test_an_absent_table_reads_as_empty_and_has_no_version(lake: Lake) -> None:
    assert lake.version(TABLE) is None
    assert lake.to_polars(lake.read(TABLE)).columns == list(TABLE.columns)


@pytest.mark.parametrize("bounded", [True, False])
def test_replace_writes_only_what_differs(lake: Lake, bounded: bool) -> None:
    first = rows(("A", 1, 1.0), ("A", 2, 2.0), ("B", 8, None), ("C", 9, 9.0))
    lake.append(TABLE, lake.from_polars(first, TABLE.schema))
    wanted = rows(("A", 1, 1.0), ("A", 2, 2.5), ("D", 8, 4.0))
    changes = lake.replace(TABLE, lake.from_polars(wanted, TABLE.schema), scope=SCOPE, bounded=bounded)
    assert changes == Changes(inserted=1, updated=1, deleted=1)
    assert standing(lake) == [
        ("A", DAYS[1], 1.0),
        ("A", DAYS[2], 2.5),
        ("C", DAYS[9], 9.0),
        ("D", DAYS[8], 4.0),
    ]
    version = lake.version(TABLE)
    again = lake.replace(TABLE, lake.from_polars(wanted, TABLE.schema), scope=SCOPE, bounded=bounded)
    assert again == Changes()
    assert lake.version(TABLE) == version
    feed = lake.changes_since(TABLE, version - 1)
    assert feed is not None
    kinds = sorted(row["_change_type"] for row in feed.collect())
    assert kinds == ["delete", "insert", "update_postimage", "update_preimage"]


def test_a_write_of_one_identity_is_made_once(lake: Lake) -> None:
    frame = lake.from_polars(rows(("A", 1, 1.0)), TABLE.schema)
    assert lake.append(TABLE, frame, txn="feed:batch")
    assert not lake.append(TABLE, frame, txn="feed:batch")
    assert lake.append(TABLE, frame, txn="feed:other")
    assert len(standing(lake)) == 2


def test_only_absent_keys_are_inserted(lake: Lake) -> None:
    assert lake.insert_absent(TABLE, lake.from_polars(rows(("A", 1, 1.0)), TABLE.schema)) == 1
    more = lake.from_polars(rows(("A", 1, 7.0), ("B", 1, 2.0)), TABLE.schema)
    assert lake.insert_absent(TABLE, more) == 1
    assert standing(lake) == [("A", DAYS[1], 1.0), ("B", DAYS[1], 2.0)]


def test_the_feed_is_empty_when_nothing_is_new_and_none_without_a_start(lake: Lake) -> None:
    lake.append(TABLE, lake.from_polars(rows(("A", 1, 1.0)), TABLE.schema))
    assert lake.changes_since(TABLE, None) is None
    feed = lake.changes_since(TABLE, lake.version(TABLE))
    assert feed is not None
    assert feed.isEmpty()


def test_columns_added_to_the_contract_read_as_null(lake: Lake) -> None:
    lake.append(TABLE, lake.from_polars(rows(("A", 1, 1.0)), TABLE.schema))
    wider = TableContract(name=TABLE.name, schema={**TABLE.schema, "extra": pl.Float64}, key=TABLE.key)
    assert lake.to_polars(lake.read(wider))["extra"].to_list() == [None]


@pytest.mark.parametrize("bounded", [True, False])
def test_groups_are_worked_on_alike_here_and_in_the_workers(lake: Lake, bounded: bool) -> None:
    def total(group: pl.DataFrame) -> pl.DataFrame:
        return group.group_by("symbol").agg(pl.col("value").sum())

    frame = lake.from_polars(rows(("A", 1, 1.0), ("A", 2, 2.0), ("B", 8, 4.0)), TABLE.schema)
    schema = {"symbol": pl.String, "value": pl.Float64}
    done = lake.to_polars(lake.map_groups(frame, ["symbol"], total, schema, bounded=bounded))
    assert done.sort("symbol").rows() == [("A", 3.0), ("B", 4.0)]


def test_a_null_that_stays_null_is_no_difference() -> None:
    before = rows(("A", 1, None), ("B", 1, 1.0))
    assert local_difference(TABLE, before, before).is_empty()
    marked = local_difference(TABLE, rows(("A", 1, 0.0), ("B", 1, 1.0)), before)
    assert marked.select("symbol", "_change").rows() == [("A", "update")]
