"""Upkeep joins files and removes what is old; no row of any table changes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
from deltalake import DeltaTable

from pipelines.tables.contracts import BRONZE_BARS
from tests.pipelines.stages.files_home import DAYS, deliver, make_bars, open_files_home, rows, run, until


def test_no_row_changes_and_old_reports_go(spark: object, tmp_path: Path) -> None:
    context = open_files_home(tmp_path, until(DAYS[0]), "maintain.report_retention_days=5")
    for day in DAYS[:4]:
        deliver(tmp_path, make_bars().filter(pl.col("session") == str(day)), f"{day}.csv")
        run(context, "ingest", start=day, end=day)
    for age in (3, 9):
        (context.home.reports / str(DAYS[-1] - timedelta(days=age))).mkdir(parents=True)
    before = rows(context, BRONZE_BARS).sort("record_hash")
    files = len(list((context.home.lake / "bronze" / "bars").rglob("*.parquet")))
    report = run(context, "maintain")
    assert report.status == "done"
    assert report.details["reports_expired"] == [str(DAYS[-1] - timedelta(days=9))]
    assert files == 4
    assert report.details["files_joined"]["bronze.bars"] == 3  # four became one
    assert rows(context, BRONZE_BARS).sort("record_hash").equals(before)


def test_a_tables_log_is_kept_for_as_long_as_its_files(spark: object, tmp_path: Path) -> None:
    context = open_files_home(tmp_path, until(DAYS[0]), "maintain.table_retention_days=61")
    run(context, "ingest", end=DAYS[0])
    run(context, "maintain")
    properties = DeltaTable(str(context.home.lake / "bronze" / "bars")).metadata().configuration
    assert properties["delta.logRetentionDuration"] == "interval 61 days"
    run(context, "maintain")
    told = DeltaTable(str(context.home.lake / "bronze" / "bars")).history()
    assert [one["operation"] for one in told].count("SET TBLPROPERTIES") == 1
