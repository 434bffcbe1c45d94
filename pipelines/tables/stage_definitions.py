"""What a stage computes, as a digest: its settings, its own code, and the calendar of what it has stored.

Under another digest a stage builds anew all that it has made. So the digest changes with a mended step, and
with a session that the calendar has come to see otherwise since it was stored; comments, layout and the
years that a calendar learns of as time passes change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from features.code_digest import ReadSource, code_digest
from pipelines.base.context import Context
from pipelines.base.digest import digest_of
from pipelines.base.run_log import CoveredCalendar
from pipelines.base.stage import Stage
from pipelines.tables import queries
from pipelines.tables.contracts import select_tables

TOLD_OTHERWISE = ("features.sessions", "features.views", "features.catalog", "features.labels")
"""Not followed as code: sessions are told by the calendar that is covered, features and labels by digests of
their own."""


def define_stage(context: Context, stage: str, *parts: Any, follow: Iterable[str] = ()) -> str:
    """Return the definition digest of a stage.

    Parameters
    ----------
    stage : str
        Its ``job.run`` is where its code begins, which is followed through its own folder, the tables' room
        and features.
    parts : settings objects and plain values
        What else its results depend on.
    follow : iterable of str
        Further modules that its results rest on.

    Returns
    -------
    str
        SHA-256. In a home whose stored sessions are what the calendar says it is a function of code and
        `parts` alone: the same on every day and in every home.
    """
    base = digest_of(digest_stage_code(stage, follow), *parts)
    epoch = find_epoch(context, stage)
    return digest_of(base, epoch) if epoch else base


def digest_stage_code(stage: str, follow: Iterable[str] = (), *, read: ReadSource | None = None) -> str:
    """Return the digest of a stage's own code, installed code being read once a process.

    Parameters
    ----------
    read : callable, optional
        From a module's name to its source, where that is not the installed one.
    """
    folder = f"pipelines.stages.{stage}"
    packages = (folder, "pipelines.tables", *follow)
    return code_digest([(f"{folder}.job", "run")], packages=packages, apart=TOLD_OTHERWISE, read=read)


def find_epoch(context: Context, stage: str) -> str:
    """Return which calendar a stage's rows are of: empty for the first, else a digest of the one they got.

    The sessions that its last run left stored are compared, and no others.
    """
    covered = context.run_log.last_calendar(stage)
    if covered is None:
        return ""
    now = context.calendar.digest(covered.first, covered.last)
    return covered.epoch if now == covered.digest else now


def cover_calendar(context: Context, stage: Stage, *, wrote: bool) -> CoveredCalendar | None:
    """Return the calendar of the sessions that are stored after a run, to be recorded with it; None for none.

    Parameters
    ----------
    wrote : bool
        Whether the run changed rows; else the sessions stored are those of the run before.
    """
    if not stage.dated_by:
        return None
    epoch, before = find_epoch(context, stage.name), context.run_log.last_calendar(stage.name)
    first, last = (before.first, before.last) if before and not wrote else stored_extent(context, stage)
    if first is None or last is None:
        return None
    return CoveredCalendar(first=first, last=last, digest=context.calendar.digest(first, last), epoch=epoch)


def stored_extent(context: Context, stage: Stage) -> tuple[date | None, date | None]:
    """Return the first and the last session of the table that dates a stage's rows."""
    (table,) = select_tables((stage.dated_by,))
    if not context.lake.exists(table):
        return None, None
    span = context.lake.collect_query(queries.extent(table, "session"), table)
    first, last = span.row(0)
    return first, last
