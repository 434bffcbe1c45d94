"""Runs stages: one writer a lake, one clock, one record a run."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, fields
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from filelock import FileLock, Timeout

from features.sessions import SessionCalendar
from pipelines.app.settings import Settings
from pipelines.base.context import Clock, Context
from pipelines.base.errors import TransientError
from pipelines.base.home import Home
from pipelines.base.report import Outcome, SessionRange, StageReport, existing
from pipelines.io.lake import Lake
from pipelines.io.lake_params import LakeParams
from pipelines.io.run_log import RunLog
from pipelines.io.spark import build_session
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
    return Context(
        settings=settings,
        home=place,
        clock=clock,
        calendar=calendar,
        lake=lake,
        run_log=RunLog(lake),
        writing=partial(_hold, lock_path(settings.lake, place), seconds, "another writer"),
        installing=partial(
            _hold, place.run / "installation.lock", seconds, "another promotion or installation"
        ),
    )


def one_writer(context: Context) -> AbstractContextManager[None]:
    """Hold the lake's lock, whichever homes write to it.

    Raises
    ------
    TransientError
        If another writer keeps it longer than ``lake.lock_timeout_seconds``.
    """
    return context.writing()


@contextmanager
def _hold(path: Path, seconds: float, other: str) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    # One object a path and process: within itself a lock is entered again, not waited for.
    lock = FileLock(path, is_singleton=True)
    try:
        with lock.acquire(timeout=seconds):
            yield
    except Timeout as error:
        msg = f"{other} holds {path} for more than {seconds} s; wait for it to end, then run this again"
        raise TransientError(msg) from error


def lock_path(lake: LakeParams, home: Home) -> Path:
    """Return the file that the one writer holds: in the lake where that is a folder, else in the home.

    Writers of several homes that share a lake elsewhere, such as a bucket, do not see each other.
    """
    root = lake.root or str(home.lake)
    folder = root.removeprefix("file://").removeprefix("file:")
    return home.run / "writer.lock" if ":" in folder else Path(folder).absolute() / ".writer.lock"


def run_locked(context: Context, name: str, sessions: SessionRange) -> StageReport:
    """Run one stage under the writer's lock, unless it takes its locks itself; see `run_stage`."""
    with nullcontext() if STAGES[name].installs else one_writer(context):
        return run_stage(context, name, sessions)


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
    that installs holds the lock for its commits alone, and checks there that what it read still stands.) So
    is its definition: what is recorded is what the run went by.
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
        **_parts(outcome),
        inputs=inputs,
        versions_before=before,
        outputs=existing(context.lake.versions(writes)),
        definition=definition,
        seconds=round(time.perf_counter() - began, 3),
    )
    with one_writer(context):
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
