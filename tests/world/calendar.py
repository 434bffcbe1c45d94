"""When New York trades, computed apart from the project: closes, cuts and deadlines of the stock exchange."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import exchange_calendars

NEW_YORK = ZoneInfo("America/New_York")
EVENING = time(22, 0)
BAR_LAG = timedelta(minutes=30)
TEXT_LAG = timedelta(minutes=5)
TEXT_CLOSE_LAG = timedelta(minutes=15)
GRACE = timedelta(minutes=20)
SKEW = timedelta(minutes=2)
OVERLAP = timedelta(hours=72)
DECISION_LEAD = timedelta(minutes=60)
ISSUE = timedelta(minutes=60)


@lru_cache(maxsize=1)
def exchange() -> Any:
    """Return the exchange's calendar."""
    return exchange_calendars.get_calendar("XNYS", start="2015-01-02", end="2026-06-30")


def in_new_york(day: date, hour: int, minute: int = 0, second: int = 0) -> datetime:
    """Return a moment of a New York day in UTC, whatever the season."""
    return datetime.combine(day, time(hour, minute, second), tzinfo=NEW_YORK).astimezone(UTC)


def is_session(day: date) -> bool:
    """Tell whether the exchange trades on a day."""
    return bool(exchange().is_session(str(day)))


@lru_cache(maxsize=64)
def sessions(first: date, last: date) -> tuple[date, ...]:
    """Return the sessions of a range of days, both ends included."""
    return tuple(stamp.date() for stamp in exchange().sessions_in_range(str(first), str(last)))


@lru_cache(maxsize=2048)
def shift(session: date, count: int) -> date:
    """Return the session `count` sessions after one."""
    moved: date = exchange().session_offset(str(session), count).date()
    return moved


@lru_cache(maxsize=2048)
def close(session: date) -> datetime:
    """Return the official close."""
    moment: datetime = exchange().session_close(str(session)).to_pydatetime()
    return moment.astimezone(UTC)


@lru_cache(maxsize=2048)
def cut(session: date) -> datetime:
    """Return the first ten in the evening, New York, at or after the close."""
    ended = close(session).astimezone(NEW_YORK)
    evening = datetime.combine(ended.date(), EVENING, tzinfo=NEW_YORK)
    if evening < ended:
        evening = datetime.combine(ended.date() + timedelta(days=1), EVENING, tzinfo=NEW_YORK)
    return evening.astimezone(UTC)


@lru_cache(maxsize=2048)
def decision(session: date) -> datetime:
    """Return the instant by which the session's forecast must exist."""
    opens: datetime = exchange().session_open(str(shift(session, 1))).to_pydatetime().astimezone(UTC)
    return max(opens - DECISION_LEAD, cut(session) + ISSUE)


def session_of_last_cut(clock: datetime) -> date:
    """Return the session of the last cut that is not after the clock."""
    today = clock.astimezone(NEW_YORK).date()
    known = [day for day in sessions(today - timedelta(days=10), today) if cut(day) <= clock]
    return known[-1]


def last_cut(clock: datetime) -> datetime:
    """Return the last cut that is not after the clock."""
    return cut(session_of_last_cut(clock))


def session_of_text(published: datetime) -> date:
    """Return the first session whose close comes long enough after a text."""
    day = published.astimezone(NEW_YORK).date()
    for session in sessions(day - timedelta(days=1), day + timedelta(days=10)):
        if close(session) - TEXT_CLOSE_LAG >= published:
            return session
    msg = f"no session within ten days of {published}"
    raise LookupError(msg)
