"""What each feed has been read for: deliveries, coverage, polls and what a person let pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import polars as pl

from pipelines.base.context import Context
from pipelines.base.table import TableContract
from pipelines.tables.completeness import PARTIAL
from pipelines.tables.contracts import (
    GOLD_FORECASTS,
    OPS_ACCEPTANCES,
    OPS_CLOSED_CUTS,
    OPS_COVERAGE,
    OPS_DELIVERIES,
    OPS_POLLS,
)
from pipelines.tables.queries import extent

READING_STAGES = ("forecast", "materialize", "train")
"""Stages that read a cut: nothing may be known at or before it afterwards."""
Interval = tuple[datetime, datetime]
Asked = tuple[datetime, datetime, datetime]
"""What was read, ``(after, until]``, and since when that counts as known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPast:
    """What the finished runs before this one have left of one feed.

    Attributes
    ----------
    arrival : str or None
        Where the feed was first found to say when a record arrived; None before its first reading.
    covered : tuple of (datetime, datetime)
        What has been read: disjoint half-open intervals ``(after, until]``, ascending.
    read : mapping of delivery's id to what it was judged by
        Empty text for one that landed.
    complete : mapping of session to bool
        What the newest poll of each session found.
    accepted : frozenset of date
        Sessions that a person took as they are.
    """

    arrival: str | None
    covered: tuple[Interval, ...]
    read: Mapping[str, str]
    complete: Mapping[date, bool]
    accepted: frozenset[date]

    @property
    def missing(self) -> set[date]:
        """Sessions that were looked for and found incomplete, whatever was accepted."""
        return {session for session, complete in self.complete.items() if not complete}

    def stands(self, session: date) -> bool:
        """Tell whether a session was found complete, or taken as it is."""
        return self.complete.get(session, False) or session in self.accepted

    def read_until(self, instant: datetime) -> datetime | None:
        """Return the end of the interval that holds `instant` or last precedes it, None without any."""
        ends = [until for after, until in self.covered if after < instant]
        return ends[-1] if ends else None


def read_past(context: Context, source: str, kind: str) -> FeedPast:
    """Return what finished runs have left of a feed; rows of a run that never finished do not count yet."""
    coverage = _rows(context, OPS_COVERAGE, source, kind)
    deliveries = _rows(context, OPS_DELIVERIES, source, kind)
    polls = _rows(context, OPS_POLLS, source, kind)
    landed = pl.when(pl.col("outcome") == "landed").then(pl.lit("")).otherwise("judged_by")
    newest = deliveries.unique("delivery", keep="last", maintain_order=True).with_columns(by=landed)
    return FeedPast(
        arrival=next((told for told in coverage["arrival"] if told), None),
        covered=unite(coverage.select("after", "until").rows()),
        read=dict(newest.select("delivery", "by").rows()),
        complete=dict(polls.select("session", "complete").rows()),
        accepted=read_acceptances(context, source),
    )


def read_coverage(context: Context, source: str, kind: str) -> tuple[Asked, ...]:
    """Return what finished runs have read a feed for: after, until, and since when that is known."""
    return tuple(_rows(context, OPS_COVERAGE, source, kind).select("after", "until", "known_at").rows())


def read_acceptances(context: Context, source: str) -> frozenset[date]:
    """Return the sessions of a source that a person took as they are."""
    rows = context.lake.collect_table(OPS_ACCEPTANCES)
    return frozenset(rows.filter(source=source, kind=PARTIAL)["session"])


def _rows(context: Context, table: TableContract, source: str, kind: str) -> pl.DataFrame:
    """Return a feed's rows by finished runs, in the order of the runs; some a day, so they are collected."""
    rows = context.lake.collect_table(table).filter(source=source, kind=kind)
    closed = sorted(context.run_log.numbers("ingest"))
    return rows.filter(pl.col("run_seq").is_in(closed)).sort("run_seq", maintain_order=True)


def unite(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return the union of half-open intervals ``(after, until]`` as disjoint ones, ascending."""
    united: list[Interval] = []
    for after, until in sorted(intervals):
        if united and after <= united[-1][1]:
            united[-1] = (united[-1][0], max(until, united[-1][1]))
        else:
            united.append((after, until))
    return tuple(united)


def write_rows(context: Context, table: TableContract, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows of this run into a table of the log, in place of what an unfinished try has left."""
    if not rows and not context.lake.exists(table):
        return
    seq = context.run_log.last_seq() + 1
    frame = pl.DataFrame([{**row, "run_seq": seq} for row in rows], schema=dict(table.schema))
    context.lake.replace(table, frame, scope=f"run_seq >= {seq}")


def close_cut(context: Context, stage: str, as_of: date) -> None:
    """Record that a stage reads the cut of `as_of`, before it lets go of the writer's lock to work on.

    The stage's own closing row comes after its work; what lands in between has to find the cut closed. A run
    that dies behind this leaves a cut closed that nobody has a use for, which costs no more than it says.
    """
    row = {
        "cutoff_at": context.calendar.cutoff_at(as_of),
        "stage": stage,
        "as_of": as_of,
        "closed_at": context.clock(),
    }
    frame = pl.DataFrame([row], schema=dict(OPS_CLOSED_CUTS.schema))
    context.lake.insert_absent(OPS_CLOSED_CUTS, frame)


def closed_until(context: Context) -> datetime | None:
    """Return the last cut that was read by an issue, a publication or a training; None before the first.

    An issue counts by its rows too: a run that died behind them has been read all the same. So does a cut
    that a training has closed, whether it is at its fit, done or dead.
    """
    read = context.run_log.last_done(READING_STAGES)
    cuts = [] if read is None else [context.calendar.cutoff_at(read)]
    cuts += context.lake.collect_table(OPS_CLOSED_CUTS)["cutoff_at"].to_list()
    if context.lake.exists(GOLD_FORECASTS):
        issued = context.lake.collect_query(extent(GOLD_FORECASTS, "cutoff_at"), GOLD_FORECASTS)
        cuts += issued["last"].drop_nulls().to_list()
    return max(cuts, default=None)
