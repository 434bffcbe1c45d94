"""Delta tables: what a write touches, what it leaves alone, and what the change feed tells."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from pipelines.app.runner import open_context
from pipelines.app.settings import load_settings
from pipelines.base.errors import SettingsError
from pipelines.base.frames import Changes, Frame
from pipelines.base.table import TableContract
from pipelines.io.frames import collect_rows, local_difference, reshape
from pipelines.io.lake import Lake
from pipelines.io.table_upkeep import compact_table, vacuum_table
from pipelines.tables.queries import instant_literal, newest_known

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
        lake.collect(lake.scan_table(TABLE))
        .sort("symbol", "session")
        .select("symbol", "session", "value")
        .rows()
    )


def test_an_absent_table_reads_as_empty_and_has_no_version(lake: Lake) -> None:
    assert lake.version(TABLE) is None
    assert lake.collect(lake.scan_table(TABLE)).columns == list(TABLE.columns)
    assert lake.collect_query("select count(*) as height from gold_samples", TABLE).item() == 0


def handed(lake: Lake, frame: pl.DataFrame, *, here: bool) -> Frame:
    """Rows of this process, or a Spark frame of them."""
    return frame if here else lake.distribute(frame, TABLE.schema)


@pytest.fixture(params=["folder", "spark"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """A lake that reads its folder itself, and one that asks Spark for everything."""
    overrides = ["lake.local_rows=0"] if request.param == "spark" else []
    return open_context(load_settings(overrides=overrides)[0], tmp_path).lake


@pytest.mark.parametrize("here", [True, False])
def test_replace_writes_only_what_differs(lake: Lake, here: bool) -> None:
    first = rows(("A", 1, 1.0), ("A", 2, 2.0), ("B", 8, None), ("C", 9, 9.0))
    lake.append(TABLE, lake.distribute(first, TABLE.schema))
    wanted = rows(("A", 1, 1.0), ("A", 2, 2.5), ("D", 8, 4.0))
    changes = lake.replace(TABLE, handed(lake, wanted, here=here), scope=SCOPE)
    assert changes == Changes(inserted=1, updated=1, deleted=1)
    assert standing(lake) == [
        ("A", DAYS[1], 1.0),
        ("A", DAYS[2], 2.5),
        ("C", DAYS[9], 9.0),
        ("D", DAYS[8], 4.0),
    ]
    version = lake.version(TABLE)
    again = lake.replace(TABLE, handed(lake, wanted, here=here), scope=SCOPE)
    assert again == Changes()
    assert lake.version(TABLE) == version
    assert lake.changed(TABLE, "session", since=version - 1) == {DAYS[2], DAYS[8]}


def test_a_write_of_one_identity_is_made_once(lake: Lake) -> None:
    frame = lake.distribute(rows(("A", 1, 1.0)), TABLE.schema)
    assert lake.append(TABLE, frame, txn="feed:batch")
    assert not lake.append(TABLE, frame, txn="feed:batch")
    assert lake.append(TABLE, frame, txn="feed:other")
    assert len(standing(lake)) == 2


@pytest.mark.parametrize("here", [True, False])
def test_only_absent_keys_are_inserted(lake: Lake, here: bool) -> None:
    assert lake.insert_absent(TABLE, handed(lake, rows(("A", 1, 1.0)), here=here)) == 1
    more = handed(lake, rows(("A", 1, 7.0), ("B", 1, 2.0)), here=here)
    assert lake.insert_absent(TABLE, more) == 1
    assert lake.insert_absent(TABLE, more) == 0
    assert standing(lake) == [("A", DAYS[1], 1.0), ("B", DAYS[1], 2.0)]


def test_columns_added_to_the_contract_read_as_null(lake: Lake) -> None:
    lake.append(TABLE, lake.distribute(rows(("A", 1, 1.0)), TABLE.schema))
    wider = TableContract(name=TABLE.name, schema={**TABLE.schema, "extra": pl.Float64}, key=TABLE.key)
    assert lake.collect(lake.scan_table(wider))["extra"].to_list() == [None]
    assert lake.collect_query("select symbol, extra from gold_samples", wider).rows() == [("A", None)]


def test_a_query_means_the_same_with_and_without_a_jvm(either: Lake) -> None:
    kept = TableContract(
        name="gold.instants",
        schema={"symbol": pl.String, "session": pl.Date, "known_at": pl.Datetime("us", "UTC"),
                "value": pl.Float64, "count": pl.Int32, "valid": pl.Boolean, "month": pl.String},
        key=("symbol", "known_at"),
        partition_by="month",
    )  # fmt: skip
    first, later = datetime(2024, 7, 1, 20, tzinfo=UTC), datetime(2024, 7, 1, 20, 0, 0, 1, tzinfo=UTC)
    frame = pl.DataFrame(
        [
            ("A", DAYS[1], first, 1.5, 1, True, "2024-07"),
            ("A", DAYS[1], later, None, None, False, "2024-07"),
            ("B", DAYS[8], later, 2.5, 2, True, "2024-08"),
        ],
        schema=dict(kept.schema),
        orient="row",
    )
    either.append(kept, frame)
    everything = either.collect_query("select * from gold_instants", kept).sort("symbol", "known_at")
    assert everything.equals(frame)
    assert everything.schema == frame.schema
    known = f"gold_instants where known_at <= {instant_literal(first)} and session in (date'{DAYS[1]}')"
    assert either.collect_query(f"select symbol, value from {known}", kept).rows() == [("A", 1.5)]
    newest = newest_known(kept, later, ["symbol", "valid"])
    assert sorted(either.collect_query(newest, kept).rows()) == [("A", False), ("B", True)]
    values = f"(values (date'{DAYS[8]}', {instant_literal(later)}))"
    joined = (
        f"select t.symbol, p.* from gold_instants as t join {values} as p(day, seen) on t.session = p.day"
    )
    assert either.collect_query(joined, kept).rows() == [("B", DAYS[8], later)]
    assert isinstance(
        either.collect_query_if_small("select symbol from gold_instants", kept), pl.DataFrame
    ) == bool(either.local_rows)


def test_changes_name_the_values_that_a_later_run_must_look_at(either: Lake, tmp_path: Path) -> None:
    either.append(TABLE, rows(("A", 1, 1.0), ("B", 8, 2.0)))
    start = either.version(TABLE)
    assert either.changed(TABLE, "session", since=None) is None
    assert either.changed(TABLE, "session", since=start) == set()
    for place, day in (("C", 9), ("D", 2)):
        either.append(TABLE, rows((place, day, 1.0)))
    assert either.changed(TABLE, "session", since=start) == {DAYS[9], DAYS[2]}
    table = tmp_path / "lake" / "gold" / "samples"
    DeltaTable(str(table)).create_checkpoint()
    (table / "_delta_log" / f"{start + 1:020d}.json").unlink()
    assert either.changed(TABLE, "session", since=start) is None


def remove_old_files(lake: Lake) -> None:
    """Join the table's files and remove all that its newest version does not name."""
    lake.spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    try:
        compact_table(lake, TABLE)
        vacuum_table(lake, TABLE, retention_days=0)
    finally:
        lake.spark.conf.unset("spark.databricks.delta.retentionDurationCheck.enabled")


def test_a_change_feed_whose_files_are_gone_asks_for_a_full_comparison(either: Lake) -> None:
    either.append(TABLE, rows(("A", 1, 1.0), ("B", 8, 2.0)))
    start = either.version(TABLE)
    either.append(TABLE, rows(("C", 1, 3.0)))
    either.replace(TABLE, rows(("A", 1, 1.5), ("B", 8, 2.0), ("C", 1, 3.0)), scope=SCOPE)
    newest = either.version(TABLE)
    assert newest is not None
    assert either.changed(TABLE, "symbol", since=start) == {"A", "C"}
    remove_old_files(either)
    assert either.changed(TABLE, "symbol", since=start) is None
    assert either.changed(TABLE, "symbol", since=newest - 1) is None
    assert either.changed(TABLE, "symbol", since=newest) == set()
    assert len(standing(either)) == 3


def test_a_change_feed_that_spark_holds_for_too_old_asks_for_a_full_comparison(
    tmp_path: Path, spark: SparkSession
) -> None:
    # Delta refuses by the age of the commits, before it looks whether their files are there.
    place = tmp_path / "lake"
    slow = Lake(f"file:{place}", lambda: spark)
    for symbol in ("A", "B", "C"):
        slow.append(TABLE, rows((symbol, 1, 1.0)))
    newest = slow.version(TABLE)
    assert newest is not None
    kept = "'delta.deletedFileRetentionDuration' = 'interval 0 hours'"
    spark.sql(f"ALTER TABLE delta.`{place}/gold/samples` SET TBLPROPERTIES ({kept})")
    assert slow.changed(TABLE, "symbol", since=newest - 1) is None


def test_spark_and_this_process_write_one_table_in_turn(tmp_path: Path, spark: SparkSession) -> None:
    place = str(tmp_path / "lake")
    quick, slow = Lake(place, lambda: spark, local_rows=1000), Lake(f"file:{place}", lambda: spark)
    wider = TableContract(
        name=TABLE.name,
        schema={**TABLE.schema, "known_at": pl.Datetime("us", "UTC"), "count": pl.Int32},
        key=TABLE.key,
        partition_by=TABLE.partition_by,
    )
    instant = datetime(2024, 7, 1, 20, 0, 0, 1, tzinfo=UTC)
    more = rows(("C", 9, 9.0)).with_columns(known_at=pl.lit(instant), count=pl.lit(3, pl.Int32))
    assert quick.append(TABLE, rows(("A", 1, 1.0), ("B", 8, float("nan"))), txn="feed:1")
    assert not slow.append(TABLE, rows(("A", 1, 1.0)), txn="feed:1")
    assert slow.append(TABLE, rows(("A", 2, None)), txn="feed:2")
    assert not quick.append(TABLE, rows(("A", 2, None)), txn="feed:2")
    assert quick.append(wider, more, txn="feed:3")
    assert not quick.append(wider, more.head(0), txn="feed:4")
    assert slow.version(TABLE) == quick.version(TABLE) == 3
    query = "select symbol, session, value, known_at, count from gold_samples order by symbol, session"
    found = slow.collect_query(query, wider)
    assert found.equals(quick.collect_query(query, wider))
    assert found["known_at"].to_list() == [None, None, None, instant]
    assert found["count"].to_list() == [None, None, None, 3]
    for lake in (quick, slow):
        assert lake.changed(wider, "symbol", since=1) == {"A", "C"}
        assert lake.changed(wider, "session", since=0) == {DAYS[1], DAYS[2], DAYS[8], DAYS[9]}
    changes = slow.replace(wider, more.with_columns(value=pl.lit(8.0)), scope="month = '2024-09'")
    assert changes == Changes(updated=1)
    assert quick.changed(wider, "symbol", since=3) == {"C"}


def test_few_rows_are_written_to_a_folder_without_a_jvm(tmp_path: Path) -> None:
    def no_session() -> SparkSession:
        msg = "asked for a Spark session"
        raise AssertionError(msg)

    lake = Lake(str(tmp_path), no_session, local_rows=1000)
    assert lake.append(TABLE, rows(("A", 1, 1.0)))
    assert lake.replace(TABLE, rows(("A", 1, 1.0), ("B", 8, 2.0)), scope=SCOPE) == Changes(inserted=1)
    assert lake.insert_absent(TABLE, rows(("A", 1, 7.0), ("C", 9, 3.0))) == 1
    assert lake.version(TABLE) == 3
    table = DeltaTable(str(tmp_path / "gold" / "samples"))
    assert (table.metadata().partition_columns, table.metadata().configuration) == (
        ["month"],
        {
            "delta.enableChangeDataFeed": "true",
            "delta.checkpointInterval": "10",
            "delta.logRetentionDuration": "interval 3650 days",
        },
    )


@pytest.mark.parametrize("here", [True, False])
def test_groups_are_worked_on_alike_here_and_in_the_workers(lake: Lake, here: bool) -> None:
    def total(group: pl.DataFrame) -> pl.DataFrame:
        return group.group_by("symbol").agg(pl.col("value").sum())

    frame = handed(lake, rows(("A", 1, 1.0), ("A", 2, 2.0), ("B", 8, 4.0)), here=here)
    schema = {"symbol": pl.String, "value": pl.Float64}
    done = collect_rows(lake.map_groups(frame, ["symbol"], total, schema))
    assert sorted((row["symbol"], row["value"]) for row in done) == [("A", 3.0), ("B", 4.0)]


@pytest.mark.parametrize("here", [True, False])
def test_a_frame_is_reshaped_alike_here_and_by_spark(lake: Lake, here: bool) -> None:
    frame = handed(lake, rows(("A", 1, 1.0), ("A", 2, 2.0), ("B", 8, 4.0)), here=here)
    chosen = "select symbol from {rows} where value > 1.5"
    query = "select symbol, sum(value) as total from {rows} where symbol in (" + chosen + ") group by symbol"
    found = sorted(tuple(row.values()) for row in collect_rows(reshape(frame, query)))
    assert found == [("A", 3.0), ("B", 4.0)]


def test_a_null_that_stays_null_is_no_difference() -> None:
    before = rows(("A", 1, None), ("B", 1, 1.0))
    assert local_difference(TABLE, before, before).is_empty()
    marked = local_difference(TABLE, rows(("A", 1, 0.0), ("B", 1, 1.0)), before)
    assert marked.select("symbol", "_change").rows() == [("A", "update")]


PARTS = (("symbol = 'A'", rows(("A", 1, 1.0), ("A", 2, 2.0))), ("symbol > 'A'", rows(("B", 8, None))))


def test_an_empty_table_takes_all_parts_in_one_commit(either: Lake) -> None:
    either.ensure(TABLE)
    before = either.version(TABLE)
    changes = either.replace_parts(TABLE, ((part, scope) for scope, part in PARTS))
    assert changes == Changes(inserted=3)
    assert standing(either) == [("A", DAYS[1], 1.0), ("A", DAYS[2], 2.0), ("B", DAYS[8], None)]
    assert before is not None
    assert either.version(TABLE) == before + 1


def test_an_absent_table_is_made_of_its_parts(either: Lake) -> None:
    assert either.replace_parts(TABLE, ((part, scope) for scope, part in PARTS)) == Changes(inserted=3)
    assert len(standing(either)) == 3


def replace_three_rows(either: Lake) -> int:
    """Replace rows, of which one differs, one is gone and one is new, and return the version before."""
    either.append(TABLE, rows(("A", 1, 1.0), ("A", 9, 9.0), ("B", 8, 8.0)))
    before = either.version(TABLE)
    assert before is not None
    changes = either.replace_parts(TABLE, ((part, scope) for scope, part in PARTS))
    assert changes == Changes(inserted=1, updated=1, deleted=1)
    assert standing(either) == [("A", DAYS[1], 1.0), ("A", DAYS[2], 2.0), ("B", DAYS[8], None)]
    assert either.version(TABLE) == before + 1
    return before


def test_parts_write_what_differs_from_what_each_of_them_owns(either: Lake) -> None:
    before = replace_three_rows(either)
    assert either.replace_parts(TABLE, ((part, scope) for scope, part in PARTS)) == Changes()
    assert either.version(TABLE) == before + 1


def test_a_table_of_which_much_differs_is_written_anew(either: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.io.lake.MOST_MERGED_ROWS", 0)
    before = replace_three_rows(either)
    changed = either.changed(TABLE, "session", since=before)
    assert changed is not None
    assert changed >= {DAYS[2], DAYS[8], DAYS[9]}
    # Nothing differs any more: nothing is written.
    assert either.replace_parts(TABLE, ((part, scope) for scope, part in PARTS)) == Changes()
    assert either.version(TABLE) == before + 1


def test_parts_that_own_a_piece_leave_the_rest(either: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.io.lake.MOST_MERGED_ROWS", 0)
    either.append(TABLE, rows(("A", 1, 5.0), ("B", 8, 8.0)))
    piece = [(rows(("A", 1, 1.0)), "symbol = 'A'")]
    assert either.replace_parts(TABLE, piece, whole=False) == Changes(updated=1)
    assert standing(either) == [("A", DAYS[1], 1.0), ("B", DAYS[8], 8.0)]


@pytest.mark.parametrize("stood", [rows(), rows(("C", 9, 9.0))])
def test_an_error_among_the_parts_leaves_the_table_as_it_stood(either: Lake, stood: pl.DataFrame) -> None:
    def parts() -> Iterator[tuple[pl.DataFrame, str]]:
        yield PARTS[0][1], PARTS[0][0]
        raise SettingsError("the second part contradicts its settings")

    either.append(TABLE, stood)
    with pytest.raises(SettingsError, match="the second part contradicts its settings"):
        either.replace_parts(TABLE, parts())
    assert standing(either) == [(symbol, day, value) for symbol, day, value, _ in stood.rows()]


def test_changed_rows_are_the_different_values_of_several_columns(either: Lake) -> None:
    assert either.changed_rows(TABLE, ["symbol"], since=0) is None
    either.append(TABLE, rows(("A", 1, 1.0)))
    first = either.version(TABLE)
    assert either.changed_rows(TABLE, ["symbol"], since=None) is None
    assert either.changed_rows(TABLE, ["symbol"], since=first) == set()
    either.append(TABLE, rows(("A", 2, 2.0), ("B", 8, None), ("B", 9, None)))
    assert either.changed_rows(TABLE, ["symbol", "month"], since=first) == {
        ("A", "2024-07"),
        ("B", "2024-08"),
        ("B", "2024-09"),
    }
    everything = either.changed_rows(TABLE, ["symbol", "session"], since=-1)
    assert everything == {("A", DAYS[1]), ("A", DAYS[2]), ("B", DAYS[8]), ("B", DAYS[9])}
