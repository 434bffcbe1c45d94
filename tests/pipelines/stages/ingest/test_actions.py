"""Actions as records of their own: what lands of them, and when each counts as known."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.base.context import Context
from pipelines.tables.contracts import BRONZE_ACTIONS, OPS_COVERAGE, OPS_QUARANTINE, OPS_STAGE_RUNS
from tests.pipelines.stages.files_home import DAYS, NOW, make_bars, open_files_home, rows, run
from tests.pipelines.stages.ingest.test_judged_batch import read_in_parts
from tests.pipelines.table_rows import append

pytestmark = pytest.mark.usefixtures("spark")
LAG = timedelta(minutes=30)
HOUR = timedelta(hours=1)


def open_home(folder: Path, *overrides: str) -> Context:
    """A home whose bars are there and whose actions are dropped into a folder of their own."""
    (folder / "actions").mkdir()
    place = f"sources.files.actions={folder / 'actions'}"
    return open_files_home(folder, make_bars(), "feeds.actions=files", place, *overrides)


def announce(folder: Path, name: str, *lines: str, header: str = "symbol,ex_date,kind,value") -> None:
    """Write one delivery of actions."""
    (folder / "actions" / name).write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")


def ingest(context: Context, day: date, now: datetime) -> int:
    """Run one day's ingest under a clock; return how many records landed."""
    return run(replace(context, clock=lambda: now), "ingest", start=day, end=day).rows_out


def known(context: Context, value: str | None = None) -> list[tuple[str, datetime | None, str | None]]:
    """Value, instant and way of everything that has landed, in the order in which it counts."""
    landed = rows(context, BRONZE_ACTIONS).sort("known_at")
    chosen = landed if value is None else landed.filter(value=value)
    return chosen.select("value", "known_at", "known_by").rows()


def test_announced_changed_withdrawn_and_announced_again(tmp_path: Path) -> None:
    context, ex = open_home(tmp_path), DAYS[9]
    said = ["AAA,{},split,2", "AAA,{},split,3", "AAA,{},split,1", "AAA,{},split,2"]
    cuts = [context.calendar.cutoff_at(day) for day in DAYS[5:9]]
    for place, (line, cut) in enumerate(zip(said, cuts, strict=True)):
        announce(tmp_path, f"{place}.csv", line.format(ex))
        assert ingest(context, DAYS[5 + place], cut + HOUR) >= 1
    landed = rows(context, BRONZE_ACTIONS).sort("known_at")
    assert landed["value"].to_list() == ["2", "3", "1", "2"]
    assert landed["known_at"].to_list() == [cut + HOUR for cut in cuts]
    assert landed["known_by"].unique().to_list() == ["observed"]
    assert landed["session_date"].unique().to_list() == [ex]
    assert landed["received_at"].null_count() == 4
    announce(tmp_path, "again.csv", said[0].format(ex))
    assert ingest(context, DAYS[9], context.calendar.cutoff_at(DAYS[9])) == 0


def test_what_is_announced_ahead_is_known_at_the_cut_that_just_passed(tmp_path: Path) -> None:
    context = open_home(tmp_path)
    announce(tmp_path, "a.csv", f"AAA,{DAYS[9]},Dividend,0.25")
    cut = context.calendar.cutoff_at(DAYS[8])
    ingest(context, DAYS[8], cut + timedelta(minutes=1))
    assert known(context) == [("0.25", cut, "assumed")]


def test_what_comes_on_its_ex_date_is_known_a_lag_after_the_close_and_late_when_seen(tmp_path: Path) -> None:
    context = open_home(tmp_path)
    announce(tmp_path, "a.csv", f"AAA,{DAYS[8]},split,2")
    ingest(context, DAYS[8], context.calendar.cutoff_at(DAYS[8]) + HOUR)
    announce(tmp_path, "b.csv", f"BBB,{DAYS[8]},split,4")
    later = context.calendar.cutoff_at(DAYS[9]) + HOUR
    ingest(context, DAYS[9], later)
    close = context.calendar.close_at(DAYS[8])
    assert known(context) == [("2", close + LAG, "assumed"), ("4", later, "observed")]


def test_a_history_is_known_by_its_ex_dates_and_what_is_to_come_when_it_was_loaded(tmp_path: Path) -> None:
    context = open_home(tmp_path)
    saturday, monday = date(2024, 1, 6), date(2024, 1, 8)
    announce(tmp_path, "a.csv", f"AAA,{saturday},split,2:1", "AAA,2024-05-01,dividend,0.5")
    assert run(context, "ingest").rows_out == 36 + 2
    close = context.calendar.close_at(monday)
    assert known(context) == [("2:1", close + LAG, "assumed"), ("0.5", NOW, "observed")]
    landed = rows(context, BRONZE_ACTIONS).sort("known_at")
    assert landed["session_date"].to_list() == [monday, date(2024, 5, 1)]
    covered = rows(context, OPS_COVERAGE).filter(kind="actions")
    assert covered.select("source", "arrival").rows() == [("files", "none")]


def test_stamps_before_the_ex_date_count(tmp_path: Path) -> None:
    context, stamp = open_home(tmp_path), "2024-01-04T14:00:00+00:00"
    header = "symbol,ex_date,kind,value,received_at"
    announce(tmp_path, "a.csv", f"AAA,{DAYS[9]},split,2,{stamp}", f"BBB,{DAYS[9]},split,2,", header=header)
    run(context, "ingest")
    assert known(context) == [("2", None, None), ("2", datetime.fromisoformat(stamp), "stamp")]
    assert rows(context, OPS_QUARANTINE).select("kind", "symbol", "rule").rows() == [
        ("actions", "BBB", "unreadable_received_at")
    ]
    late = "2024-01-05T14:00:00+00:00"
    announce(tmp_path, "b.csv", f"AAA,{DAYS[9]},split,3,{late}", header=header)
    run(context, "ingest")
    assert known(context, "3") == [("3", NOW, "observed")]


def test_nothing_becomes_known_at_a_cut_that_was_read(tmp_path: Path) -> None:
    context = open_home(tmp_path)
    run(context, "ingest", end=DAYS[7])
    read = {"stage": ["train"], "status": ["done"], "as_of": [DAYS[8]], "seq": [2], "inputs": ["{}"]}
    append(context.lake, OPS_STAGE_RUNS, read)
    announce(tmp_path, "a.csv", f"AAA,{DAYS[8]},split,2")
    cut = context.calendar.cutoff_at(DAYS[8])
    again = replace(context, clock=lambda: cut + HOUR)
    run(again, "ingest", start=DAYS[8], end=DAYS[8])
    (landed,) = rows(again, BRONZE_ACTIONS).to_dicts()
    assert (landed["known_at"], landed["known_by"]) == (cut + HOUR, "observed")
    assert (landed["closed_until"], landed["overlap"]) == (cut, 0)


def test_what_cannot_be_read_is_refused_by_name_and_the_rest_lands(tmp_path: Path) -> None:
    context = open_home(tmp_path)
    bad = ("spinoff,2", "split,two", "split,-2", "dividend,-1")
    announce(tmp_path, "a.csv", *(f"AAA,{DAYS[3]},{one}" for one in bad), f"BBB,{DAYS[3]},split,2")
    run(context, "ingest")
    refused = rows(context, OPS_QUARANTINE).filter(kind="actions").sort("rule")
    assert refused["rule"].to_list() == [
        "negative_dividend", "non_positive_split", "unreadable_kind", "unreadable_value",
    ]  # fmt: skip
    assert refused["session"].unique().to_list() == [str(DAYS[3])]
    assert known(context, "2")[0][0] == "2"
    assert rows(context, BRONZE_ACTIONS).height == 5


def test_two_that_contradict_each_other_are_told_apart_by_kind(tmp_path: Path) -> None:
    context = open_home(tmp_path)
    both = [f"AAA,{DAYS[3]},split,2", f"AAA,{DAYS[3]},split,4", f"AAA,{DAYS[3]},dividend,1"]
    announce(tmp_path, "a.csv", *both)
    run(context, "ingest")
    refused = rows(context, OPS_QUARANTINE).filter(pl.col("kind") == "actions")
    assert refused.select("rule", "place").rows() == [("conflicting_duplicate", "symbol,session,kind")]


@pytest.mark.parametrize("way", ["parts", "engine"])
def test_every_way_lands_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    landed = []
    for name in ("held", way):
        (tmp_path / name).mkdir()
        context = open_home(tmp_path / name, *(["lake.local_rows=0"] if name == "engine" else []))
        if name == "parts":
            read_in_parts(monkeypatch, part_rows=1)
        lines = f"AAA,{DAYS[3]},split,2", f"AAA,{DAYS[3]},Dividend,0.5", f"BBB,{DAYS[4]},split,x"
        announce(tmp_path / name, "a.csv", *lines)
        run(context, "ingest")
        announce(tmp_path / name, "b.csv", lines[1], f"AAA,{DAYS[3]},split,1", f"AAA,{DAYS[9]},split,3")
        run(context, "ingest")
        landed.append(rows(context, BRONZE_ACTIONS).sort("record_hash"))
        assert rows(context, OPS_QUARANTINE).select("rule", "symbol").rows() == [("unreadable_value", "BBB")]
    held, other = (one.drop("batch_id", "delivery", "delivered_at", "overlap") for one in landed)
    assert held.equals(other)
    assert held.height == 5
    counted = landed[0].sort("value")["overlap"].to_list()
    assert counted == [0, 1, 0, 1, 0]
    assert landed[1].sort("value")["overlap"].to_list() == (counted if way == "parts" else [None] * 5)
