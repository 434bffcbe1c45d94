"""Which rows a run looks at and owns: changed sessions, conditions over sessions, buckets of symbols."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

import polars as pl

from features.sessions import SessionCalendar
from pipelines.base.context import Context
from pipelines.base.frames import Frame
from pipelines.base.table import TableContract

SYMBOL_BUCKETS = 8
MOST_TOUCHED = 1_000
"""With more touched sessions than this a full comparison is cheaper than a long condition."""
FEW_SESSIONS = 21
"""A month: feeds of so few sessions are landed and scored in this process, of more by Spark."""


def changed_sessions(
    context: Context,
    stage: str,
    tables: Iterable[TableContract],
    definition: str,
    *,
    column: str = "session",
    part: str = "",
) -> list[date] | None:
    """Return the sessions of which rows changed since the last run of a stage.

    Parameters
    ----------
    stage : str
        Its last recorded run says which versions it has consumed.
    tables : iterable of TableContract
        Those that do not exist yet have not changed.
    definition : str
        Digest of what the stage computes now; under another one all sessions count as changed.
    column : str
        Column that names a row's session.
    part : str, optional
        Which part of what the stage makes `definition` is of, where each has its own.

    Returns
    -------
    list of date or None
        Ascending; None for all of them, also where the change feed has been vacuumed.
    """
    last, found = context.run_log.last(stage, part), set[date]()
    for table in tables:
        if not context.lake.exists(table):
            continue
        changed = context.lake.changed(table, column, since=last.version_of(table.name, definition))
        if changed is None:
            return None
        found |= changed - {None}
    return sorted(found)


def dates_condition(sessions: Sequence[date] | None) -> str:
    """Return the SQL condition that a row's session is one of `sessions`; all rows for None.

    The month is named too, so that only its partitions are read.
    """
    if sessions is None:
        return "true"
    if not sessions:
        return "false"
    months = ", ".join(f"'{month}'" for month in sorted({f"{day:%Y-%m}" for day in sessions}))
    days = ", ".join(f"date'{day}'" for day in sorted(set(sessions)))
    return f"month in ({months}) and session in ({days})"


def range_condition(first: date, last: date) -> str:
    """Return the SQL condition that a row's session lies in ``first..last``, months named for pruning."""
    return (
        f"month between '{first:%Y-%m}' and '{last:%Y-%m}' and session between date'{first}' and date'{last}'"
    )


def span_condition(first: date | None, end: date | None) -> str:
    """Return the condition that a row's session is `first` or later and before `end`; None for no bound."""
    parts = []
    if first is not None:
        parts.append(f"month >= '{first:%Y-%m}' and session >= date'{first}'")
    if end is not None:
        parts.append(f"month <= '{end:%Y-%m}' and session < date'{end}'")
    return " and ".join(parts) or "true"


def sessions_condition(sessions: Sequence[date]) -> str:
    """Return the condition that a row's session is one of `sessions`, or for many lies in their range."""
    if len(sessions) <= MOST_TOUCHED:
        return dates_condition(sessions)
    return range_condition(min(sessions), max(sessions))


def around(
    calendar: SessionCalendar, sessions: Iterable[date], *, before: int, after: int
) -> list[date] | None:
    """Return `sessions` with their neighbours, None where they are too many to name.

    Days that are no sessions are left out: nothing of theirs reaches silver.
    """
    real = [day for day in sessions if calendar.is_session(day)]
    near = {one for day in real for one in calendar.neighbours(day, before=before, after=after)}
    return sorted(near) if len(near) <= MOST_TOUCHED else None


def margin_days(calendar: SessionCalendar) -> int:
    """Return how many days around a session surely hold two more on either side, whatever was closed."""
    return 2 * (calendar.longest_reach.days + 1)


def bucketed(frame: Frame, *, by: str = "symbol") -> Frame:
    """Return `frame` with ``bucket``, a fixed hash of its symbols, to be grouped by.

    Parameters
    ----------
    frame : Frame
        In this process it is one bucket: what is small needs no division.
    by : str
        Column whose rows stay together.
    """
    if isinstance(frame, pl.DataFrame):
        return frame.with_columns(bucket=pl.lit(0, pl.Int64))
    return frame.selectExpr("*", f"pmod(xxhash64(`{by}`), {SYMBOL_BUCKETS}) as bucket")
