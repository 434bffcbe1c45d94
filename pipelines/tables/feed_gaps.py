"""What is missing against the calendar: sessions of each feed, deliveries that were not taken, forecasts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from features.sessions import SessionCalendar
from pipelines.base.table import TableContract
from pipelines.tables import queries
from pipelines.tables.completeness import PARTIAL
from pipelines.tables.contracts import GOLD_FORECASTS, OPS_ACCEPTANCES, OPS_DELIVERIES, OPS_POLLS

NOT_TAKEN = ("refused", "unreadable")
READ = (
    (OPS_POLLS, ("source", "kind", "session", "complete", "run_seq")),
    (OPS_DELIVERIES, ("source", "kind", "name", "delivered_at", "outcome", "why", "run_seq")),
    (OPS_ACCEPTANCES, ("kind", "source", "session")),
)

Collect = Callable[[str, Sequence[TableContract]], pl.DataFrame]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """By what gaps are judged: the calendar, the present, how long after its cut a session is waited for."""

    calendar: SessionCalendar
    now: datetime
    grace: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """One source's stream of one kind of record.

    Attributes
    ----------
    last_complete : date or None
        Last session that was found complete, or was accepted as it is.
    incomplete : list of date
        Sessions since the first one asked for that are neither, ascending: also those that nobody asked for.
    not_taken : list of dict
        Deliveries that are refused or cannot be read as they lie there now: ``name``, ``outcome``, ``why``.
    """

    source: str
    kind: str
    last_complete: date | None
    incomplete: list[date]
    not_taken: list[dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedGaps:
    """What is missing: by feed, and the sessions without a forecast that should have one, ascending."""

    feeds: list[FeedState]
    missed: list[date]


def find_gaps(collect: Collect, watch: Watch) -> FeedGaps:
    """Return what is missing in a lake.

    Parameters
    ----------
    collect : callable
        Answers a query over tables; those that are not there are empty.
    """
    polls, deliveries, acceptances = (
        collect(queries.rows_of(table, columns, "true"), [table]) for table, columns in READ
    )
    issued = collect(queries.distinct_values(GOLD_FORECASTS, "session", "true"), [GOLD_FORECASTS])
    return FeedGaps(
        feeds=find_feeds(polls, deliveries, acceptances, watch),
        missed=find_missed(issued.get_column("session").to_list(), watch),
    )


def find_feeds(
    polls: pl.DataFrame, deliveries: pl.DataFrame, acceptances: pl.DataFrame, watch: Watch
) -> list[FeedState]:
    """Return the state of every feed that was asked for or that has delivered, by source and kind."""
    feeds = pl.concat([polls.select("source", "kind"), deliveries.select("source", "kind")]).unique()
    states = []
    for source, kind in sorted(feeds.rows()):
        own = (pl.col("source") == source) & (pl.col("kind") == kind)
        partial = acceptances.filter(kind=PARTIAL, source=source)
        accepted = set(partial["session"]) if kind == "bars" else set[date]()
        newest = polls.filter(own).sort("run_seq").unique("session", keep="last")
        found = dict(newest.select("session", "complete").rows())
        complete = {day for day, whole in found.items() if whole} | accepted
        # Of one place the delivery that lies there now counts: what it replaced is nobody's concern any more.
        there = deliveries.filter(own).sort("run_seq", "delivered_at").unique("name", keep="last")
        bad = there.filter(pl.col("outcome").is_in(NOT_TAKEN)).sort("name")
        states.append(
            FeedState(
                source=source,
                kind=kind,
                last_complete=max(complete, default=None),
                incomplete=find_incomplete(found, complete, watch),
                not_taken=bad.select("name", "outcome", "why").to_dicts(),
            )
        )
    return states


def find_incomplete(found: dict[date, bool], complete: set[date], watch: Watch) -> list[date]:
    """Return the sessions since the first one asked for that are not complete.

    One whose cut has passed and that has been asked for counts at once, another when its grace is over: in
    between the evening's run is about to ask.
    """
    if not found:
        return []
    asked = watch.calendar.last_cut(watch.now)
    due = watch.calendar.last_cut(watch.now - watch.grace)
    sessions = watch.calendar.sessions(min(found), asked)
    return [day for day in sessions if day not in complete and (day in found or day <= due)]


def find_missed(issued: Sequence[date], watch: Watch) -> list[date]:
    """Return the sessions after the first issue whose grace is over and that have no forecast."""
    if not issued:
        return []
    due = watch.calendar.last_cut(watch.now - watch.grace)
    return sorted({*watch.calendar.sessions(min(issued), due)} - {*issued})
