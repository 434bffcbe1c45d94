"""Which window a run asks a feed for, and which part of it then counts as read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from features.sessions import SessionCalendar
from pipelines.base.report import SessionRange
from pipelines.io.feed_log import FeedPast, Interval
from pipelines.io.sources import ReadRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What a feed is asked for and what is covered by the answer.

    Attributes
    ----------
    request : ReadRequest
        With the overlap before what was read already.
    covers : (datetime, datetime) or None
        What counts as read afterwards, ``(after, until]``: of arrivals for a stamped feed, of events for
        another. None where nothing is added.
    """

    request: ReadRequest
    covers: Interval | None


def plan_window(
    calendar: SessionCalendar,
    sessions: SessionRange,
    past: FeedPast,
    *,
    now: datetime,
    lag: timedelta,
    overlap: timedelta,
) -> Window:
    """Return the window of a run.

    A daily run reads on from where reading ended at or before the previous cut; a history load reads the
    range that was asked for. Nobody reads beyond the clock.

    Parameters
    ----------
    now : datetime
        The clock.
    lag : timedelta
        Events of the last `lag` are not covered: their records are not expected yet. Zero for a stamped feed.
    overlap : timedelta
        How much of what was read is asked for again.
    """
    previous = calendar.cut_before(sessions.start)
    until = min(now, read_bound(calendar, sessions, past, now=now))
    after = previous
    if not sessions.history:
        after = past.read_until(previous) or previous
    covered_until = until - lag
    covers = (after, covered_until) if after < covered_until else None
    first = min(after - (timedelta() if sessions.history else overlap), until - timedelta(microseconds=1))
    return Window(request=ReadRequest(after=first, until=until), covers=covers)


def read_bound(
    calendar: SessionCalendar, sessions: SessionRange, past: FeedPast, *, now: datetime
) -> datetime:
    """Return the cut up to which a run may read: its as-of's, the next where that one passed incomplete."""
    cut = calendar.cutoff_at(sessions.end)
    if sessions.history or now <= cut or past.complete.get(sessions.end, True):
        return cut
    return calendar.cutoff_at(calendar.neighbours(sessions.end, before=0, after=1)[-1])
