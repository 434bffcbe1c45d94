"""What makes a home's tables be built anew: a mended step, a mended calendar, and nothing less."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from features import code_digest
from pipelines.app.runner import run_stage
from pipelines.base.context import Context
from pipelines.base.report import SessionRange, StageReport
from pipelines.tables.contracts import BRONZE_BARS, SILVER_BARS
from tests.calendars import altered
from tests.e2e.homes import FIRST, load, open_market
from tests.gold_tables import GOLD_FEATURES_DAILY

pytestmark = pytest.mark.replay
LAST, HOLIDAY = date(2023, 1, 31), date(2023, 1, 18)
REBUILT = ("curate", "build_features")
Edit = Callable[[str, str, str], None]


@pytest.fixture
def home(tmp_path: Path) -> Context:
    """Four weeks of a small market."""
    context = open_market(tmp_path / "home")
    load(context, LAST)
    return context


@pytest.fixture
def edit(monkeypatch: pytest.MonkeyPatch) -> Edit:
    """Let the code be read as if a text of one module were another."""

    def edited(module: str, old: str, new: str) -> None:
        def read(name: str) -> str | None:
            source = code_digest._read_source(name)
            assert source is None or name != module or old in source
            return source.replace(old, new) if source is not None and name == module else source

        def digest(
            roots: tuple[tuple[str, str], ...], followed: frozenset[str], apart: frozenset[str]
        ) -> str:
            return code_digest._digest(sorted(code_digest._reach(roots, followed, apart, read)))

        monkeypatch.setattr(code_digest, "_installed_digest", digest)

    return edited


def run_again(context: Context) -> dict[str, StageReport]:
    """Run what is rebuilt for the last session."""
    sessions = SessionRange(start=LAST, end=LAST)
    return {stage: run_stage(context, stage, sessions) for stage in REBUILT}


def read_rows(context: Context, stage: str) -> int:
    """Return how many rows a stage would read to build all of its tables anew."""
    table = BRONZE_BARS if stage == "curate" else SILVER_BARS
    return int(context.lake.collect_query(f"select count(*) as rows from {table.alias}", table).item())


def test_a_mended_step_is_rebuilt_once_and_a_comment_is_not(home: Context, edit: Edit) -> None:
    ticks = "pipelines.stages.curate.ticks"
    edit(ticks, "# Logs add up", "# As logs add up")
    assert [report.rows_in for report in run_again(home).values()] == [0, 0]
    edit(ticks, "abs(move + back) >", "abs(move + back) >=")
    again = run_again(home)
    assert again["curate"].rows_in >= read_rows(home, "curate")
    assert again["build_features"].rows_in == 0
    edit("pipelines.tables.version_chains", "def drop_repeated_states(", "def drop_repeated_states(_more, ")
    again = run_again(home)
    assert all(again[stage].rows_in >= read_rows(home, stage) for stage in REBUILT)
    assert [report.rows_in for report in run_again(home).values()] == [0, 0]


def test_a_calendar_that_reaches_further_rebuilds_nothing_and_a_mended_one_does(home: Context) -> None:
    definitions = [home.run_log.last(stage).definition for stage in REBUILT]
    shorter = replace(home, calendar=altered(last=date(2023, 12, 29)))
    assert [report.rows_in for report in run_again(shorter).values()] == [0, 0]
    other_holiday = replace(home, calendar=altered(without=date(2023, 7, 3)))
    assert [report.rows_in for report in run_again(other_holiday).values()] == [0, 0]
    assert [home.run_log.last(stage).definition for stage in REBUILT] == definitions
    # The library learns that the exchange was closed on a day of which there are bars.
    mended = replace(home, calendar=altered(without=HOLIDAY))
    assert all(report.rows_in > 0 for report in run_again(mended).values())
    for table in (SILVER_BARS, GOLD_FEATURES_DAILY):
        rows = home.lake.collect_query(f"select distinct session from {table.alias}", table)
        assert HOLIDAY not in rows["session"]
        assert rows.height == len(home.calendar.sessions(FIRST, LAST)) - 1
    assert [report.rows_in for report in run_again(mended).values()] == [0, 0]


def test_what_was_built_in_two_homes_has_one_definition(home: Context, tmp_path: Path) -> None:
    other = open_market(tmp_path / "other")
    run_stage(other, "ingest", SessionRange(start=FIRST, end=FIRST, history=True))
    run_stage(other, "curate", SessionRange(start=FIRST, end=FIRST, history=True))
    assert other.run_log.last("curate").definition == home.run_log.last("curate").definition
