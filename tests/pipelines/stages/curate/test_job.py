"""Silver follows bronze: each record is read once, judged, and only what changed is written."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from pipelines.tables.contracts import SILVER_BARS
from tests.pipelines.stages.files_home import DAYS, deliver, make_bars, open_files_home, rows, run, until


def test_the_first_run_takes_all_and_the_next_what_arrived(spark: object, tmp_path: Path) -> None:
    context = open_files_home(tmp_path, until(DAYS[7]))
    run(context, "ingest", end=DAYS[7])
    first = run(context, "curate", end=DAYS[7])
    assert (first.status, first.rows_in, first.rows_out, first.sessions_touched) == ("done", 24, 24, 8)
    assert run(context, "curate", end=DAYS[7]).status == "unchanged"
    deliver(tmp_path, until(DAYS[8]), "later.csv")
    run(context, "ingest", end=DAYS[8])
    later = run(context, "curate", end=DAYS[8])
    assert later.rows_out == 3
    assert later.rows_in == 27  # the days around are read to judge the new one
    silver = rows(context, SILVER_BARS)
    assert silver.height == 27
    assert silver["valid"].all()
    closes = silver.filter(symbol="AAA").sort("session")["close"].to_list()
    assert closes == [101.0 + step for step in range(9)]


def test_a_price_that_has_gone_stale_is_found_a_session_at_a_time(spark: object, tmp_path: Path) -> None:
    quiet = make_bars().with_columns(
        pl.when(pl.col("symbol") == "BBB").then(200.0).otherwise("close").alias("close"),
        pl.when(pl.col("symbol") == "BBB").then(0.0).otherwise("volume").alias("volume"),
        low=pl.lit(1.0),
        high=pl.lit(999.0),
    )
    stale = {}
    context = open_files_home(tmp_path, quiet.filter(pl.col("session") <= str(DAYS[2])))
    for day in DAYS[2:8]:
        deliver(tmp_path, quiet.filter(pl.col("session") == str(day)), f"{day}.csv")
        run(context, "ingest", start=day, end=day)
        found = run(context, "curate", start=day, end=day).details["bars"]["findings"]
        stale[day] = [example for example in found["examples"] if str(day) in example]
    assert stale[DAYS[4]] == []
    assert stale[DAYS[5]] == [f"stale BBB {DAYS[5]}"]


def test_other_parameters_judge_everything_again(spark: object, tmp_path: Path) -> None:
    context = open_files_home(tmp_path, make_bars())
    run(context, "ingest")
    before = run(context, "curate")
    other = open_files_home(tmp_path, make_bars(), "curate.stale_sessions=3")
    again = run(other, "curate")
    assert again.definition != before.definition
    assert (again.status, again.rows_in, again.rows_out) == ("unchanged", 36, 0)


def test_records_of_days_that_are_no_session_change_nothing(spark: object, tmp_path: Path) -> None:
    context = open_files_home(tmp_path, make_bars())
    run(context, "ingest")
    run(context, "curate")
    saturday = (
        make_bars().filter(pl.col("session") == str(DAYS[0])).with_columns(session=pl.lit("2024-01-06"))
    )
    deliver(tmp_path, saturday, "saturday.csv")
    assert run(context, "ingest").rows_out == 3
    assert run(context, "curate").status == "unchanged"


def test_a_jump_that_nobody_explains_is_told_of_once(spark: object, tmp_path: Path) -> None:
    halved = pl.col("session") >= str(DAYS[8])
    prices = ("open", "high", "low", "close")
    fallen = make_bars().with_columns(
        pl.when(halved & (pl.col("symbol") == "BBB"))
        .then(pl.col(name) / 2)
        .otherwise(pl.col(name))
        .alias(name)
        for name in prices
    )
    context = open_files_home(tmp_path, fallen.filter(pl.col("session") < str(DAYS[8])))
    run(context, "ingest", end=DAYS[7])
    assert run(context, "curate", end=DAYS[7]).details["alerts"] == []
    for day in DAYS[8:10]:
        deliver(tmp_path, fallen.filter(pl.col("session") == str(day)), f"{day}.csv")
        run(context, "ingest", start=day, end=day)
        alerts = run(context, "curate", start=day, end=day).details["alerts"]
        if day == DAYS[8]:
            (alert,) = alerts
            assert alert.startswith(f"BBB {DAYS[8]} of files moved as at a split that nobody has told of")
    assert alerts == []
