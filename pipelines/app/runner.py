"""Runs stages: one writer a home, one clock, one record a run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import ModuleType

from filelock import FileLock, Timeout

from features.sessions import SessionCalendar
from pipelines.app.settings import Settings
from pipelines.base.context import Clock, Context
from pipelines.base.errors import TransientError
from pipelines.base.home import Home
from pipelines.base.report import SessionRange, StageReport
from pipelines.io.lake import Lake
from pipelines.io.lake_params import LakeParams
from pipelines.io.run_log import RunLog
from pipelines.io.spark import build_session

log = logging.getLogger(__name__)

STAGES = (
    "ingest", "curate", "score_text", "build_features", "materialize",
    "train", "evaluate", "promote", "forecast", "monitor", "package", "maintain",
)  # fmt: skip
DAILY_STAGES = (
    "ingest", "curate", "score_text", "build_features", "materialize", "forecast", "monitor",
)  # fmt: skip

Job = Callable[[Context, SessionRange], StageReport]


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
    calendar = SessionCalendar(
        settings.calendar.name, decision_lead_minutes=settings.calendar.decision_lead_minutes
    )
    return Context(
        settings=settings, home=place, clock=clock, calendar=calendar, lake=lake, run_log=RunLog(lake)
    )


@contextmanager
def one_writer(context: Context) -> Iterator[None]:
    """Hold the home's lock.

    Raises
    ------
    TransientError
        If another writer keeps it longer than ``lake.lock_timeout_seconds``.
    """
    context.home.run.mkdir(parents=True, exist_ok=True)
    path = context.home.run / "writer.lock"
    seconds = context.params(LakeParams).lock_timeout_seconds
    try:
        with FileLock(path, timeout=seconds):
            yield
    except Timeout as error:
        msg = (
            f"another writer holds {path} for more than {seconds} s; wait for it to end, then run this again"
        )
        raise TransientError(msg) from error


_ahead: dict[str, Future[ModuleType]] = {}


def load_ahead(stages: Sequence[str]) -> None:
    """Import the stages' modules in a thread, while this one waits for the JVM.

    Feast and Evidently alone take a quarter of a day's run to import; Spark's work is not Python's.
    """
    importer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="import")
    for stage in stages:
        _ahead[stage] = importer.submit(import_module, f"pipelines.stages.{stage}.job")
    importer.shutdown(wait=False)


def load_job(stage: str) -> Job:
    """Return the `run` of a stage; its module is imported only now, unless it was loaded ahead."""
    loading = _ahead.pop(stage, None)
    module = loading.result() if loading else import_module(f"pipelines.stages.{stage}.job")
    job: Job = module.run
    return job


def run_stage(context: Context, stage: str, window: SessionRange) -> StageReport:
    """Run one stage and record it; the caller holds the home's lock."""
    log.info("%s: sessions %s to %s", stage, window.start, window.end)
    started_at, began = context.clock(), time.perf_counter()
    context.lake.start()
    report = load_job(stage)(context, window)
    report = replace(report, seconds=round(time.perf_counter() - began, 3))
    context.run_log.record(report, window, started_at=started_at, finished_at=context.clock())
    log.info("%s: %s, %d rows out in %.1f s", stage, report.status, report.rows_out, report.seconds)
    if "why" in report.details:
        log.info("%s: %s", stage, report.details["why"])
    return report
