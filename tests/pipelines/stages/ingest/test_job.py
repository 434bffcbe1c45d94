"""What is delivered lands once, what breaks the contract is set aside, and what is missing is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.base.context import Context
from pipelines.base.errors import ContractViolation
from pipelines.base.report import SessionRange, existing
from pipelines.stages.ingest import job
from pipelines.tables.contracts import (
    BRONZE_BARS,
    OPS_ACCEPTANCES,
    OPS_COVERAGE,
    OPS_DELIVERIES,
    OPS_MODEL_LEDGER,
    OPS_POLLS,
    OPS_QUARANTINE,
    OPS_STAGE_RUNS,
)
from tests.pipelines.stages.files_home import (
    DAYS,
    deliver,
    make_bars,
    open_files_home,
    reopen_files_home,
    rows,
    run,
    until,
)
from tests.pipelines.table_rows import append


def at(context: Context, now: datetime) -> Context:
    """The same home, later."""
    return replace(context, clock=lambda: now)


def test_records_land_once_and_a_later_delivery_adds_its_own(spark: object, tmp_path: Path) -> None:
    context = open_files_home(tmp_path, until(DAYS[7]))
    first = run(context, "ingest", end=DAYS[7])
    assert (first.status, first.rows_in, first.rows_out, first.sessions_touched) == ("done", 24, 24, 8)
    again = run(context, "ingest", end=DAYS[7])
    assert (again.status, again.rows_in, again.rows_out) == ("unchanged", 0, 0)
    assert again.outputs == first.outputs == existing(again.versions_before)
    deliver(tmp_path, make_bars(), "all.csv")
    later = run(context, "ingest")
    assert (later.rows_in, later.rows_out) == (36, 12)
    landed = rows(context, BRONZE_BARS)
    assert landed.height == landed.n_unique(["symbol", "session"]) == 36
    assert landed["source"].unique().to_list() == ["files"]
    assert landed["known_by"].unique().to_list() == ["assumed"]


def test_a_bar_keeps_the_last_cut_that_was_read_and_how_much_its_delivery_repeats(
    spark: object, tmp_path: Path
) -> None:
    context = open_files_home(tmp_path, until(DAYS[7]))
    run(context, "ingest", end=DAYS[7])
    first = rows(context, BRONZE_BARS)
    assert first.select("closed_until", "overlap").unique().rows() == [(None, 0)]
    read = {"stage": ["train"], "status": ["done"], "as_of": [DAYS[7]], "seq": [2], "inputs": ["{}"]}
    append(context.lake, OPS_STAGE_RUNS, read)
    restated = pl.col("symbol") == "AAA"
    more = make_bars().with_columns(volume=pl.when(restated).then(7.0).otherwise("volume"))
    deliver(tmp_path, more.filter(pl.col("session") >= str(DAYS[4])), "more.csv")
    run(context, "ingest")
    later = rows(context, BRONZE_BARS).join(first, on="record_hash", how="anti")
    assert later["closed_until"].unique().to_list() == [context.calendar.cutoff_at(DAYS[7])]
    counted = later.group_by("symbol", "overlap").len().sort("symbol").rows()
    assert counted == [("AAA", 0, 8), ("BBB", 4, 4), ("CCC", 4, 4)]


def test_bars_of_an_earlier_version_read_without_what_it_did_not_keep(spark: object, tmp_path: Path) -> None:
    context = open_files_home(tmp_path, until(DAYS[7]))
    kept = {
        name: dtype for name, dtype in BRONZE_BARS.schema.items() if name not in {"closed_until", "overlap"}
    }
    earlier = replace(BRONZE_BARS, schema=kept)
    append(context.lake, earlier, {"symbol": ["OLD"], "source": ["files"], "batch_id": ["b"]})
    assert rows(context, BRONZE_BARS).select("closed_until", "overlap").rows() == [(None, None)]
    run(context, "ingest", end=DAYS[7])
    there = context.lake.collect(context.lake.scan_table(BRONZE_BARS))
    assert there.filter(symbol="OLD").select("closed_until", "overlap").rows() == [(None, None)]
    assert there.filter(pl.col("overlap") == 0).height == 24


def test_a_delivery_lands_whole_whatever_sessions_were_asked_for(spark: object, tmp_path: Path) -> None:
    context = open_files_home(tmp_path, make_bars())
    assert run(context, "ingest", end=DAYS[3]).rows_out == 36
    polled = rows(context, OPS_POLLS).sort("session")
    assert polled["session"].to_list() == DAYS[:4]
    assert polled["complete"].all()


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
    deliver(tmp_path, bad, "again.csv")
    assert run(context, "ingest").rows_refused == 0
    assert rows(context, OPS_QUARANTINE).height == refused.height


def test_a_delivery_of_which_too_much_is_refused_lands_nothing_and_is_said_once(
    spark: object, tmp_path: Path
) -> None:
    context = open_files_home(
        tmp_path, make_bars().with_columns(close=pl.lit(-1.0)), "ingest.max_refused_share=0.1"
    )
    report = run(context, "ingest")
    assert (report.status, report.rows_out, report.rows_refused) == ("short", 0, 36)
    assert "36 of 36 bars records were refused (100.0%), allowed is 10.0%" in report.details["why"]
    assert not context.lake.exists(BRONZE_BARS)
    assert not context.lake.exists(OPS_COVERAGE)
    assert run(context, "ingest").rows_in == 0
    raised = open_files_home(tmp_path, pl.DataFrame({"symbol": ["X"]}), "ingest.max_refused_share=1.0")
    assert rows(context, OPS_DELIVERIES)["outcome"].to_list() == ["refused"]
    deliver(tmp_path, make_bars())
    assert run(raised, "ingest").rows_out == 36


def test_a_refused_delivery_takes_nothing_from_the_one_that_mends_it(spark: object, tmp_path: Path) -> None:
    context = open_files_home(tmp_path, until(DAYS[7]), "ingest.max_refused_share=0.1")
    run(context, "ingest", end=DAYS[7])
    rest = make_bars().filter(pl.col("session") > str(DAYS[7]))
    wrong = rest.with_columns(
        pl.when(pl.col("symbol") != "AAA").then(-1.0).otherwise(name).alias(name) for name in ("low", "close")
    )
    deliver(tmp_path, wrong, "d.csv")
    deliver(tmp_path, rest, "mended.csv")
    report = run(context, "ingest")
    assert report.rows_out == rest.height
    outcomes = dict(rows(context, OPS_DELIVERIES).select("name", "outcome").rows())
    assert {Path(name).name: outcome for name, outcome in outcomes.items()} == {
        "bars.csv": "landed", "d.csv": "refused", "mended.csv": "landed",
    }  # fmt: skip
    landed = rows(context, BRONZE_BARS).filter(pl.col("session_date") > DAYS[7])
    assert landed.select("symbol", "session").n_unique() == rest.height


def test_a_mended_setting_reads_the_file_again_that_it_was_mended_for(spark: object, tmp_path: Path) -> None:
    context = open_files_home(tmp_path, until(DAYS[7]))
    run(context, "ingest", end=DAYS[7])
    day = make_bars().filter(pl.col("session") == str(DAYS[8]))
    deliver(tmp_path, day.rename({"close": "last"}), "renamed.csv")
    assert run(context, "ingest", start=DAYS[8], end=DAYS[8]).rows_out == 0
    files = "sources.files.columns={last: close}"
    mended = reopen_files_home(tmp_path, files)
    assert run(mended, "ingest", start=DAYS[8], end=DAYS[8]).rows_out == 3


def test_an_old_short_session_does_not_freeze_who_is_usual(spark: object, tmp_path: Path) -> None:
    few = until(DAYS[5]).filter((pl.col("session") != str(DAYS[4])) | (pl.col("symbol") == "AAA"))
    context = open_files_home(tmp_path, few, "completeness.min_symbols=2")
    run(context, "ingest", end=DAYS[5])
    assert not rows(context, OPS_POLLS).filter(session=DAYS[4])["complete"].item()
    more = pl.concat([make_bars(), make_bars().with_columns(symbol=pl.concat_str("symbol", pl.lit("2")))])
    for day in DAYS[6:12]:
        deliver(tmp_path, more.filter(pl.col("session") == str(day)), f"{day}.csv")
        run(context, "ingest", start=day, end=day)
    last = rows(context, OPS_POLLS).filter(session=DAYS[11])
    assert last.select("accepted", "needed").rows() == [(6, 5)]


def test_nothing_readable_in_a_feed_that_was_never_read_is_an_error(spark: object, tmp_path: Path) -> None:
    context = open_files_home(tmp_path, pl.DataFrame({"symbol": ["X"], "close": [1.0]}))
    with pytest.raises(ContractViolation, match="missing session"):
        run(context, "ingest")


def test_a_history_of_nothing_is_an_error_and_a_day_of_nothing_was_asked_for(
    spark: object, tmp_path: Path
) -> None:
    context = open_files_home(tmp_path, make_bars())
    (tmp_path / "drop" / "bars.csv").unlink()
    with pytest.raises(ContractViolation, match=r"sources\.files has nothing to read yet"):
        run(context, "ingest")
    day, cut = DAYS[8], context.calendar.cutoff_at(DAYS[8])
    asked = run(at(context, cut + timedelta(minutes=1)), "ingest", start=day, end=day)
    assert (asked.status, rows(context, OPS_COVERAGE)["arrival"].to_list()) == ("waiting", [""])
    deliver(tmp_path, make_bars().filter(pl.col("session") == str(day)))
    seen = cut + timedelta(hours=9)
    assert run(at(context, seen), "ingest", start=day, end=day).status == "done"
    assert rows(context, BRONZE_BARS)["known_at"].unique().to_list() == [seen]


def test_an_unreadable_delivery_is_set_aside_while_the_others_land(spark: object, tmp_path: Path) -> None:
    context = open_files_home(tmp_path, until(DAYS[7]))
    run(context, "ingest", end=DAYS[7])
    deliver(tmp_path, pl.DataFrame({"symbol": ["X"], "close": [1.0]}), "strange.csv")
    deliver(tmp_path, make_bars().filter(pl.col("session") == str(DAYS[8])), "day.csv")
    report = run(context, "ingest", start=DAYS[8], end=DAYS[8])
    assert (report.status, report.rows_out) == ("done", 3)
    (alert,) = report.details["alerts"]
    assert "strange.csv" in alert
    assert run(context, "ingest", start=DAYS[8], end=DAYS[8]).details["alerts"] == []


def test_a_short_session_is_waited_for_and_then_a_persons(spark: object, tmp_path: Path) -> None:
    context = open_files_home(tmp_path, until(DAYS[7]))
    run(context, "ingest", end=DAYS[7])
    day, cut = DAYS[8], context.calendar.cutoff_at(DAYS[8])
    deliver(
        tmp_path, make_bars().filter((pl.col("session") == str(day)) & (pl.col("symbol") == "AAA")), "a.csv"
    )
    early = at(context, cut + timedelta(minutes=1))
    first = run(early, "ingest", start=day, end=day)
    assert (first.status, first.exit_code, first.rows_out) == ("waiting", 75, 1)
    assert "bars of 1 symbols, 3 are needed; missing BBB, CCC" in first.details["why"]
    asked = SessionRange(start=day, end=day)
    peeked = job.peek(at(context, cut + timedelta(minutes=6)), asked)
    assert peeked is not None
    assert peeked.status == "waiting"
    late = at(context, cut + timedelta(minutes=21))
    over = job.peek(late, asked)
    assert over is not None
    assert (over.status, over.exit_code) == ("short", 65)
    assert f"accept-partial --session {day}" in over.details["why"]
    partial = {"kind": ["partial"], "source": ["files"], "session": [day], "why": ["closed"], "who": ["me"]}
    append(context.lake, OPS_ACCEPTANCES, partial | {"accepted_at": [cut]})
    assert job.peek(late, asked) is None
    assert run(late, "ingest", start=day, end=day).status == "unchanged"


def test_the_first_try_after_the_cut_is_recorded_though_it_finds_nothing(
    spark: object, tmp_path: Path
) -> None:
    """Somebody asked in the afternoon; whether the evening was asked too is told by its own record."""
    context = open_files_home(tmp_path, until(DAYS[7]))
    run(context, "ingest", end=DAYS[7])
    day, cut = DAYS[8], context.calendar.cutoff_at(DAYS[8])
    deliver(
        tmp_path, make_bars().filter((pl.col("session") == str(day)) & (pl.col("symbol") == "AAA")), "a.csv"
    )
    asked = SessionRange(start=day, end=day)
    run(at(context, cut - timedelta(minutes=30)), "ingest", start=day, end=day)
    assert job.peek(at(context, cut - timedelta(seconds=1)), asked) is not None
    evening = at(context, cut)
    assert (job.peek(evening, asked), context.run_log.ran_since("ingest", day, cut)) == (None, False)
    assert run(evening, "ingest", start=day, end=day).status == "waiting"
    assert (job.peek(evening, asked) is None, context.run_log.ran_since("ingest", day, cut)) == (False, True)


def test_what_comes_after_it_was_missed_is_known_when_it_is_seen(spark: object, tmp_path: Path) -> None:
    context = open_files_home(tmp_path, until(DAYS[7]))
    run(context, "ingest", end=DAYS[7])
    day, cut = DAYS[8], context.calendar.cutoff_at(DAYS[8])
    run(at(context, cut + timedelta(minutes=1)), "ingest", start=day, end=day)
    deliver(tmp_path, make_bars().filter(pl.col("session") == str(day)), "late.csv")
    seen = cut + timedelta(hours=9)
    report = run(at(context, seen), "ingest", start=day, end=day)
    assert (report.status, report.details["incomplete"]) == ("done", [])
    late = rows(context, BRONZE_BARS).filter(pl.col("session_date") == day)
    assert late.select("known_at", "known_by").unique().rows() == [(seen, "observed")]


def test_a_history_load_behind_a_cut_that_was_read_is_in_the_ledger(spark: object, tmp_path: Path) -> None:
    context = open_files_home(tmp_path, until(DAYS[7]).filter(pl.col("symbol") != "CCC"))
    run(context, "ingest", end=DAYS[7])
    read = {"stage": ["train"], "status": ["done"], "as_of": [DAYS[7]], "seq": [2], "inputs": ["{}"]}
    append(context.lake, OPS_STAGE_RUNS, read)
    again = open_files_home(tmp_path, until(DAYS[7]).filter(pl.col("symbol") != "CCC"))
    deliver(tmp_path, until(DAYS[7]), "more.csv")
    assert run(again, "ingest", end=DAYS[7]).rows_out == 8
    (entry,) = rows(again, OPS_MODEL_LEDGER).to_dicts()
    assert (entry["kind"], entry["as_of"]) == ("history_load", DAYS[7])
    assert "8 records" in entry["why"]
    added = rows(again, BRONZE_BARS).filter(symbol="CCC")
    assert added["known_at"].max() < datetime(2024, 2, 1, tzinfo=UTC)
