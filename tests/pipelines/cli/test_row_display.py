"""Rows of a small table, selected and shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import click
import polars as pl
import pytest

from pipelines.base.context import Context
from pipelines.cli.row_display import as_text, find_table, query_rows, render, select_rows
from pipelines.tables.contracts import SILVER_BARS
from tests.pipelines.table_rows import append

TUESDAY, WEDNESDAY = date(2024, 1, 2), date(2024, 1, 3)
EVENING, MORNING = datetime(2024, 1, 3, 22, tzinfo=UTC), datetime(2024, 1, 4, 9, tzinfo=UTC)
CLOSES = pl.DataFrame({"symbol": ["A", "B"], "close": [10.5, None]})


@pytest.fixture(scope="module")
def bars(open_empty: Callable[[Path], Context], tmp_path_factory: pytest.TempPathFactory) -> Context:
    """Two symbols, two sessions; A's Wednesday is corrected in the morning after, and not in order."""
    context = open_empty(tmp_path_factory.mktemp("rows"))
    append(
        context.lake,
        SILVER_BARS,
        {
            "symbol": ["B", "A", "A", "A", "B"],
            "session": [WEDNESDAY, WEDNESDAY, WEDNESDAY, TUESDAY, TUESDAY],
            "known_at": [EVENING, MORNING, EVENING, datetime(2024, 1, 2, 22, tzinfo=UTC),
                         datetime(2024, 1, 2, 22, tzinfo=UTC)],
            "close": [21.0, 11.5, 11.0, 10.0, 20.0],
            "month": ["2024-01"] * 5,
        },
    )  # fmt: skip
    return context


def shown(context: Context, **filters: object) -> list[tuple[str, date, float]]:
    rows = select_rows(context, "silver.bars", **filters)  # type: ignore[arg-type]
    return rows.select("symbol", "session", "close").rows()


def test_rows_come_in_the_order_of_the_key_and_at_most_so_many(bars: Context) -> None:
    every = [("A", TUESDAY, 10.0), ("A", WEDNESDAY, 11.0), ("A", WEDNESDAY, 11.5),
             ("B", TUESDAY, 20.0), ("B", WEDNESDAY, 21.0)]  # fmt: skip
    assert shown(bars, limit=0) == every
    assert shown(bars, limit=2) == every[:2]


def test_rows_of_one_session_and_of_one_symbol(bars: Context) -> None:
    assert shown(bars, session=TUESDAY) == [("A", TUESDAY, 10.0), ("B", TUESDAY, 20.0)]
    assert shown(bars, session=TUESDAY, symbol="B") == [("B", TUESDAY, 20.0)]


def test_only_the_newest_version_known_at_an_instant_is_shown(bars: Context) -> None:
    assert shown(bars, symbol="A", known_at=EVENING) == [("A", TUESDAY, 10.0), ("A", WEDNESDAY, 11.0)]
    assert shown(bars, symbol="A", known_at=MORNING) == [("A", TUESDAY, 10.0), ("A", WEDNESDAY, 11.5)]
    assert shown(bars, known_at=datetime(2024, 1, 2, 21, tzinfo=UTC)) == []


@pytest.mark.parametrize("symbol", ["A' or '1'='1", "A\\"])
def test_a_symbol_is_never_a_piece_of_a_query(bars: Context, symbol: str) -> None:
    with pytest.raises(click.BadParameter, match="holds a quote or a backslash"):
        select_rows(bars, "silver.bars", symbol=symbol)


def test_a_table_that_is_not_there_yet_is_empty(bars: Context) -> None:
    assert select_rows(bars, "gold.forecasts").is_empty()


def test_an_unknown_table_is_answered_with_those_there_are() -> None:
    with pytest.raises(click.BadParameter, match=r"near matches: silver\.bars.*allowed: bronze\.bars, "):
        find_table("silver.bar")


@pytest.mark.parametrize(
    "statement",
    [
        "delete from silver_bars",
        "drop view silver_bars",
        "create table t (a int)",
        "select 1) as q; delete from silver_bars; select * from (select 1",
        "insert into silver_bars select * from silver_bars",
    ],
)
def test_sql_only_reads(statement: str, bars: Context) -> None:
    with pytest.raises(click.BadParameter, match=r"PARSE_SYNTAX_ERROR.*Give one query that reads; tables: "):
        query_rows(bars, statement)
    assert bars.lake.version(SILVER_BARS) == 1


def test_sql_answers_a_query_that_reads(bars: Context) -> None:
    last = "with last as (select symbol, max(close) as close from silver_bars group by symbol)"
    assert query_rows(bars, f"{last} select * from last order by close desc;").rows() == [
        ("B", 21.0), ("A", 11.5),
    ]  # fmt: skip
    assert query_rows(bars, "select symbol from silver_bars", limit=3).height == 3


def test_a_column_that_is_not_there_is_named(bars: Context) -> None:
    with pytest.raises(click.BadParameter, match=r"UNRESOLVED_COLUMN.*`nose`"):
        query_rows(bars, "select nose from silver_bars")


def test_rows_as_text() -> None:
    assert as_text(CLOSES, "csv") == "symbol,close\nA,10.5\nB,\n"
    assert "│ A      ┆ 10.5  │" in as_text(CLOSES)


def test_rows_go_to_a_file_whose_folder_is_made(tmp_path: Path) -> None:
    csv, parquet = tmp_path / "a" / "closes.csv", tmp_path / "b" / "closes.parquet"
    assert render(CLOSES, "csv", csv) == f"2 rows written to {csv}"
    assert csv.read_text(encoding="utf-8") == "symbol,close\nA,10.5\nB,\n"
    render(CLOSES, "parquet", parquet)
    assert pl.read_parquet(parquet).equals(CLOSES)


def test_parquet_does_not_go_to_a_terminal() -> None:
    with pytest.raises(click.BadParameter, match="parquet is not text; name a file with --to"):
        render(CLOSES, "parquet", None)
