"""Runs stages: one writer a lake, one clock, one record a run."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, fields
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from features.sessions import SessionCalendar
from pipelines.app.free_space import check_free_space
from pipelines.app.locks import hold_home, hold_lake
from pipelines.app.settings import Settings
from pipelines.base.context import Clock, Context
from pipelines.base.home import Home
from pipelines.base.report import Outcome, SessionRange, StageReport, existing
from pipelines.base.stage import Stage
from pipelines.io.lake import Lake
from pipelines.io.run_log import RunLog
from pipelines.io.spark import build_session
from pipelines.registry.training_params import TrainingParams
from pipelines.stages import STAGES
from pipelines.tables.contracts import select_tables
from pipelines.tables.stage_definitions import cover_calendar

log = logging.getLogger(__name__)


def system_clock() -> datetime:
    """Return the present instant in UTC."""
    return datetime.now(tz=UTC)


def open_context(settings: Settings, home: Path, *, clock: Clock = system_clock) -> Context:
    """Return what the stages are handed. Spark starts at the first use of the lake."""
    place = Home(home.resolve())
    lake = Lake(
        settings.lake.root or str(place.lake),
        lambda: build_session(settings.spark, warehouse=place.run / "spark"),
        local_rows=settings.lake.local_rows,
    )
    calendar = SessionCalendar(**asdict(settings.calendar))
    seconds = settings.lake.lock_timeout_seconds
    home_lock = partial(hold_home, settings.lake, place, seconds=seconds)
    return Context(
        settings=settings,
        home=place,
        clock=clock,
        calendar=calendar,
        lake=lake,
        run_log=RunLog(lake),
        writing=partial(hold_lake, settings.lake, place),
        installing=partial(home_lock, name="installation", other="another promotion or installation"),
        training=partial(home_lock, name="training", other="another training"),
    )


def one_writer(context: Context) -> AbstractContextManager[None]:
    """Hold the lake's lock, whichever homes write to it.

    Raises
    ------
    TransientError
        If another writer keeps it longer than ``lake.lock_timeout_seconds``.
    """
    return context.writing()


def run_locked(context: Context, name: str, sessions: SessionRange) -> StageReport:
    """Run one stage under the lock that it needs as a whole: the writer's for most; see `run_stage`."""
    # What gives room back is not refused for want of it.
    if STAGES[name].chain != "upkeep":
        check_free_space(context)
    with _lock_of(context, STAGES[name]):
        return run_stage(context, name, sessions)


def _lock_of(context: Context, stage: Stage) -> AbstractContextManager[None]:
    """Return the lock of a whole run; who installs takes its own once there is something to install."""
    if stage.installs:
        return nullcontext()
    return context.training() if stage.fits else one_writer(context)


def _recording(context: Context, stage: Stage) -> AbstractContextManager[None]:
    """Return the writer's lock for the closing row; who has fitted for hours waits longer for it."""
    if not stage.fits:
        return one_writer(context)
    return context.writing(seconds=context.params(TrainingParams).record_timeout_seconds)


_ahead: dict[str, Future[ModuleType]] = {}


def load_ahead(stages: Sequence[str]) -> None:
    """Import the stages' modules in a thread, while this one waits for the JVM.

    Feast and Evidently alone take a quarter of a day's run to import; Spark's work is not Python's.
    """
    importer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="import")
    for stage in stages:
        _ahead[stage] = importer.submit(import_module, f"pipelines.stages.{stage}.job")
    importer.shutdown(wait=False)


def peek_stage(context: Context, name: str, sessions: SessionRange) -> StageReport | None:
    """Return how a stage ends where it can tell without lock and JVM, None where it has to be run.

    Nothing is written then, no record either.
    """
    if not STAGES[name].peeks:
        return None
    outcome = import_module(f"pipelines.stages.{name}.job").peek(context, sessions)
    if outcome is None:
        return None
    report = StageReport(stage=name, **_parts(outcome))
    _tell(report)
    return report


def run_stage(context: Context, name: str, sessions: SessionRange) -> StageReport:
    """Run one stage, frame what came of it and record it; the caller holds the lock that it needs.

    Inputs are named by their versions before the run: with one writer, these are what the stage reads. (One
    that installs holds the lock for its commits alone, and checks there that what it read still stands; one
    that fits names the versions that it has pinned.) So is its definition: what is recorded is what the run
    went by.
    """
    log.info("%s: sessions %s to %s", name, sessions.start, sessions.end)
    started_at, began = context.clock(), time.perf_counter()
    context.lake.start()
    # Feast's import parses source files, and so does the digest of our code: two threads of Python 3.11 that
    # do so at once fail ("AST constructor recursion depth mismatch").
    wait(_ahead.values())
    loading = _ahead.pop(name, None)
    job = loading.result() if loading else import_module(f"pipelines.stages.{name}.job")
    stage = STAGES[name]
    reads, writes = select_tables(stage.reads), select_tables(stage.writes)
    inputs, before = existing(context.lake.versions(reads)), context.lake.versions(writes)
    definition = job.define(context, sessions) if hasattr(job, "define") else ""
    outcome: Outcome = job.run(context, sessions, *([definition] if definition else []))
    report = StageReport(
        stage=name,
        **_parts(outcome) | {"inputs": outcome.inputs or inputs},
        versions_before=before,
        outputs=existing(context.lake.versions(writes)),
        definition=definition,
        seconds=round(time.perf_counter() - began, 3),
    )
    with _recording(context, stage):
        context.run_log.record(
            report,
            sessions,
            started_at=started_at,
            finished_at=context.clock(),
            calendar=cover_calendar(context, stage, wrote=outcome.rows_out > 0),
        )
    _tell(report)
    return report


def _tell(report: StageReport) -> None:
    """Log how a stage ended; whoever reads the log of a task sees no report."""
    log.info("%s: %s, %d rows out in %.1f s", report.stage, report.status, report.rows_out, report.seconds)
    if "why" in report.details:
        log.info("%s: %s", report.stage, report.details["why"])


def _parts(outcome: Outcome) -> dict[str, Any]:
    return {part.name: getattr(outcome, part.name) for part in fields(Outcome)}
