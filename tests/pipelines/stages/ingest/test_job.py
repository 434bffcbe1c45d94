"""What is sent lands once, and what breaks the contract is set aside with the rule that it breaks."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from pipelines.base.errors import BadDataError
from pipelines.base.report import existing
from pipelines.tables.contracts import BRONZE_BARS, OPS_QUARANTINE
from tests.pipelines.stages.files_home import DAYS, make_bars, open_files_home, rows, run


def test_records_land_once_and_a_later_range_adds_its_own(spark: object, tmp_path: Path) -> None:
    context = open_files_home(tmp_path, make_bars())
    first = run(context, "ingest", end=DAYS[7])
    assert (first.status, first.rows_in, first.rows_out, first.sessions_touched) == ("done", 24, 24, 8)
    again = run(context, "ingest", end=DAYS[7])
    assert (again.status, again.rows_in, again.rows_out) == ("nothing_to_do", 0, 0)
    assert again.outputs == first.outputs == existing(again.versions_before)
    assert run(context, "ingest").rows_out == 12
    landed = rows(context, BRONZE_BARS)
    assert landed.height == landed.n_unique(["symbol", "session"]) == 36
    assert landed["source"].unique().to_list() == ["files"]


def test_a_broken_record_lands_and_is_named_in_quarantine(spark: object, tmp_path: Path) -> None:
    bad = make_bars().with_columns(
        pl.when((pl.col("symbol") == "BBB") & (pl.col("session") == str(DAYS[3])))
        .then(pl.col("low") - 50.0)
        .otherwise("high")
        .alias("high")
    )
    context = open_files_home(tmp_path, bad)
    report = run(context, "ingest")
    assert (report.rows_in, report.rows_out, report.rows_refused) == (36, 36, 1)
    refused = rows(context, OPS_QUARANTINE)
    assert refused.select("symbol", "session").unique().rows() == [("BBB", str(DAYS[3]))]


def test_too_many_broken_records_land_nothing(spark: object, tmp_path: Path) -> None:
    context = open_files_home(
        tmp_path, make_bars().with_columns(close=pl.lit(-1.0)), "ingest.max_refused_share=0.1"
    )
    with pytest.raises(BadDataError, match="36"):
        run(context, "ingest")
    assert not context.lake.exists(BRONZE_BARS)
