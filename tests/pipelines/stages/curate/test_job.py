"""Silver follows bronze: each record is read once, judged, and only what changed is written."""

from __future__ import annotations

from pathlib import Path

from pipelines.tables.contracts import SILVER_BARS
from tests.pipelines.stages.files_home import DAYS, make_bars, open_files_home, rows, run


def test_the_first_run_takes_all_and_the_next_what_arrived(spark: object, tmp_path: Path) -> None:
    context = open_files_home(tmp_path, make_bars())
    run(context, "ingest", end=DAYS[7])
    first = run(context, "curate", end=DAYS[7])
    assert (first.status, first.rows_in, first.rows_out, first.sessions_touched) == ("done", 24, 24, 8)
    assert run(context, "curate", end=DAYS[7]).status == "nothing_to_do"
    run(context, "ingest", end=DAYS[8])
    later = run(context, "curate", end=DAYS[8])
    assert later.rows_out == 3
    assert later.rows_in == 27  # the days around are read to judge the new one
    silver = rows(context, SILVER_BARS)
    assert silver.height == 27
    assert silver["valid"].all()
    closes = silver.filter(symbol="AAA").sort("session")["close"].to_list()
    assert closes == [101.0 + step for step in range(9)]


def test_other_parameters_judge_everything_again(spark: object, tmp_path: Path) -> None:
    context = open_files_home(tmp_path, make_bars())
    run(context, "ingest")
    before = run(context, "curate")
    other = open_files_home(tmp_path, make_bars(), "curate.stale_sessions=3")
    again = run(other, "curate")
    assert again.definition != before.definition
    assert (again.status, again.rows_in, again.rows_out) == ("nothing_to_do", 36, 0)
