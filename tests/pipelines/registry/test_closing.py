"""When a training may close the cut of its as-of, on a home that reads files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from pipelines.base.context import Context
from pipelines.base.errors import TransientError
from pipelines.base.stage import Stage
from pipelines.registry.closing import CONSUMED, check_closing, find_behind
from pipelines.stages import STAGES
from pipelines.tables.completeness import PARTIAL
from pipelines.tables.contracts import OPS_ACCEPTANCES, SILVER_BARS, select_tables
from tests.pipelines.stages.files_home import (
    DAYS,
    NOW,
    deliver,
    open_files_home,
    reopen_files_home,
    run,
    until,
)
from tests.pipelines.synthetic_gold import CALENDAR
from tests.pipelines.table_rows import append

BUILD = ("ingest", "curate", "score_text", "build_features")
LAST, NEXT = DAYS[-2], DAYS[-1]
SETTINGS = ("completeness.min_symbols=3", "completeness.grace_minutes=60")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven sessions, landed and built."""
    folder = tmp_path_factory.mktemp("built")
    home = open_files_home(folder, until(LAST), *SETTINGS)
    for stage in BUILD:
        run(home, stage, end=LAST)
    return folder


@pytest.fixture
def context(built: Path, tmp_path: Path) -> Context:
    """A copy of that home."""
    shutil.copytree(built, tmp_path, dirs_exist_ok=True)
    return reopen_files_home(tmp_path, *SETTINGS)


def at(context: Context, moment: datetime) -> Context:
    return replace(context, clock=lambda: moment)


def test_a_home_that_is_built_is_let_pass(context: Context) -> None:
    check_closing(context, LAST)
    check_closing(context, DAYS[3])


def test_what_has_landed_has_to_be_built(context: Context, tmp_path: Path) -> None:
    deliver(tmp_path, until(NEXT).filter(session=str(NEXT)), "next.csv")
    for stage, said in [
        ("ingest", f"no ingest has asked for session {NEXT} since its cut"),
        ("curate", "curate has not read all of bronze.bars: run curate first"),
        ("build_features", "build_features has not read all of silver.bars: run build_features first"),
    ]:
        with pytest.raises(TransientError, match=said):
            check_closing(context, NEXT)
        run(context, stage, start=NEXT, end=NEXT)
    check_closing(context, NEXT)


def test_what_is_known_after_the_cut_is_no_part_of_it(context: Context, tmp_path: Path) -> None:
    """The next session has landed and waits to be built: the last one's view does not change by it."""
    stamped = (
        until(NEXT)
        .filter(session=str(NEXT))
        .with_columns(received_at=pl.lit((CALENDAR.close_at(NEXT) + timedelta(minutes=5)).isoformat()))
    )
    deliver(tmp_path, stamped, "next.csv")
    run(context, "ingest", start=NEXT, end=NEXT)
    check_closing(context, LAST)
    with pytest.raises(TransientError, match="curate has not read all of"):
        check_closing(context, NEXT)


def test_a_session_that_was_asked_for_too_early_is_not_asked_for(context: Context, tmp_path: Path) -> None:
    """Somebody looked in the afternoon, and the evening's run has died: the rest is still to come."""
    deliver(tmp_path, until(NEXT).filter(pl.col("symbol") == "BBB", session=str(NEXT)), "early.csv")
    early = at(context, CALENDAR.cutoff_at(NEXT) - timedelta(minutes=30))
    for stage in BUILD:
        run(early, stage, start=NEXT, end=NEXT)
    with pytest.raises(TransientError, match=f"no ingest has asked for session {NEXT} since its cut"):
        check_closing(context, NEXT)
    run(context, "ingest", start=NEXT, end=NEXT)
    check_closing(context, NEXT)


def test_a_session_that_a_person_took_as_it_is_needs_no_more(context: Context, tmp_path: Path) -> None:
    """The first acceptance of a home makes the table: curate has read none."""
    deliver(tmp_path, until(NEXT).filter(pl.col("symbol") != "AAA", session=str(NEXT)), "next.csv")
    for stage in BUILD:
        run(at(context, CALENDAR.cutoff_at(NEXT) + timedelta(minutes=1)), stage, start=NEXT, end=NEXT)
    word = {
        "kind": PARTIAL,
        "source": "files",
        "session": NEXT,
        "accepted_at": CALENDAR.cutoff_at(NEXT) + timedelta(minutes=2),
    }
    append(context.lake, OPS_ACCEPTANCES, {name: [value] for name, value in word.items()})
    check_closing(at(context, CALENDAR.cutoff_at(NEXT) + timedelta(minutes=3)), NEXT)


def test_a_correction_of_an_old_session_counts_from_when_it_is_known(
    context: Context, tmp_path: Path
) -> None:
    corrected = until(LAST).filter(session=str(DAYS[2]), symbol="AAA").with_columns(pl.col("close") + 0.25)
    deliver(tmp_path, corrected, "corrected.csv")
    run(context, "ingest", end=LAST)
    check_closing(context, LAST)
    assert find_behind(context, NOW.date()) == {"curate": ["bronze.bars"]}


def test_a_compacted_table_has_been_read(context: Context) -> None:
    before = context.lake.version(SILVER_BARS)
    DeltaTable(context.lake.path(SILVER_BARS.name)).optimize.z_order(["close"])
    assert context.lake.version(SILVER_BARS) != before
    check_closing(context, LAST)


def test_an_ingest_that_finds_nothing_holds_nobody_up(context: Context) -> None:
    assert run(context, "ingest", start=LAST, end=LAST).status == "unchanged"
    check_closing(context, LAST)


def test_a_short_evening_is_waited_for_and_built_before_its_cut_is_closed(
    context: Context, tmp_path: Path
) -> None:
    """Ingest that waits, and then gives up, is followed by no curate."""
    deliver(tmp_path, until(NEXT).filter(pl.col("symbol") != "AAA", session=str(NEXT)), "next.csv")
    evening = at(context, CALENDAR.cutoff_at(NEXT) + timedelta(minutes=1))
    grace_ends = CALENDAR.cutoff_at(NEXT) + timedelta(minutes=60)
    assert run(evening, "ingest", start=NEXT, end=NEXT).status == "waiting"
    assert run(at(context, grace_ends), "ingest", start=NEXT, end=NEXT).status == "short"
    with pytest.raises(TransientError, match=r"curate has not read all of bronze\.bars"):
        check_closing(at(context, grace_ends), NEXT)
    check_closing(at(context, grace_ends), LAST)
    for stage in BUILD[1:]:
        run(context, stage, start=NEXT, end=NEXT)
    with pytest.raises(TransientError, match=f"{NEXT}: 2 symbols .* 3 needed, and it is waited for until"):
        check_closing(at(context, grace_ends - timedelta(seconds=1)), NEXT)
    check_closing(at(context, grace_ends), NEXT)


def test_a_home_without_records_of_its_own_is_let_pass(
    open_home: Callable[..., Context], tmp_path: Path
) -> None:
    check_closing(open_home(tmp_path), LAST)


@pytest.mark.parametrize("stage", [STAGES[name] for name in CONSUMED], ids=list(CONSUMED))
def test_whatever_a_stage_reads_is_looked_at(stage: Stage) -> None:
    read = {table.name for table in select_tables(stage.reads)}
    assert {table.name for table, _ in CONSUMED[stage.name]} == read
    assert [name for name, other in STAGES.items() if other.chain == "data"] == [
        "ingest",
        *CONSUMED,
        "materialize",
    ]
