"""Exchange sessions and the instants that belong to each."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, cached_property

import exchange_calendars
import numpy as np
import pandas as pd
import polars as pl

INSTANT = pl.Datetime("us", "UTC")
FIRST_DAY = "1990-01-01"
"""Calendars begin no earlier: each further decade makes every process that opens one slower."""


class SessionCalendar:
    """Sessions of one exchange, with closes, cuts and decision instants in UTC.

    Parameters
    ----------
    name : str
        Calendar of `exchange_calendars`, such as ``XNYS``; ``24/7`` for markets that never close.
    decision_lead_minutes : int
        Minutes before the next session's open at which a forecast must exist. A larger lead
        assumes that orders need more time to reach the market.
    cutoff_local : str
        Time of day ``HH:MM`` on the exchange's clock at which a session's information is cut off.
    issue_minutes : int
        Minutes after the cut that the day's run has at least until a forecast must exist.

    Notes
    -----
    `cutoff_at(t)` is the first `cutoff_local` at or after the close of ``t``: what is known later enters no
    vector of the session. `decision_at(t)` is the deadline of issue alone: the next session's open less the
    lead, or `issue_minutes` after the cut where that is later.
    """

    def __init__(
        self,
        name: str = "XNYS",
        *,
        decision_lead_minutes: int = 60,
        cutoff_local: str = "22:00",
        issue_minutes: int = 60,
    ) -> None:
        self.name = name
        self.decision_lead = timedelta(minutes=decision_lead_minutes)
        self.cutoff_local = time.fromisoformat(cutoff_local)
        self.issue_time = timedelta(minutes=issue_minutes)

    def __reduce__(self) -> tuple[object, ...]:
        """Travel to a worker as its parameters: the calendar itself is rebuilt, once a process."""
        lead, issue = (int(part.total_seconds() // 60) for part in (self.decision_lead, self.issue_time))
        return _rebuild, (self.name, lead, f"{self.cutoff_local:%H:%M}", issue)

    @cached_property
    def _exchange(self) -> exchange_calendars.ExchangeCalendar:
        return _exchange_calendar(self.name)

    @cached_property
    def _days(self) -> np.ndarray:
        days: np.ndarray = self._exchange.sessions.values.astype("datetime64[D]")
        return days

    @cached_property
    def _closes(self) -> np.ndarray:
        return _naive_instants(self._exchange.closes)

    @cached_property
    def _opens(self) -> np.ndarray:
        return _naive_instants(self._exchange.opens)

    @cached_property
    def _cutoffs(self) -> np.ndarray:
        # Without its zone: some clocks go forward at midnight, and such a day has no beginning to name.
        closes = pd.DatetimeIndex(self._exchange.closes).tz_convert(self._exchange.tz).tz_localize(None)
        evening = closes.normalize() + pd.Timedelta(
            hours=self.cutoff_local.hour, minutes=self.cutoff_local.minute
        )
        late = evening < closes
        # A time that the clocks skip counts as the next one there is, one that comes twice as the first.
        local = (evening + pd.to_timedelta(late.astype(int), unit="D")).tz_localize(
            self._exchange.tz, nonexistent="shift_forward", ambiguous=np.ones(len(closes), dtype=bool)
        )
        return _naive_instants(local)

    @cached_property
    def _decisions(self) -> np.ndarray:
        lead, issue = (np.timedelta64(part, "us") for part in (self.decision_lead, self.issue_time))
        decisions: np.ndarray = np.maximum(self._opens[1:] - lead, self._cutoffs[:-1] + issue)
        return decisions

    def position(self, session: date) -> int:
        """Return the index of `session` in the calendar.

        Raises
        ------
        ValueError
            If `session` is not a session of the exchange.
        """
        at = int(np.searchsorted(self._days, np.datetime64(session)))
        if at == len(self._days) or self._days[at] != np.datetime64(session):
            msg = (
                f"session={session} is not a session of {self.name} (known: {self._days[0]} to "
                f"{self._days[-1]}); the last one before it is {self.last_on_or_before(session)}"
            )
            raise ValueError(msg)
        return at

    def is_session(self, day: date) -> bool:
        """Tell whether the exchange trades on `day`."""
        at = int(np.searchsorted(self._days, np.datetime64(day)))
        return at < len(self._days) and bool(self._days[at] == np.datetime64(day))

    def _between(self, start: date, end: date) -> slice:
        low = int(np.searchsorted(self._days, np.datetime64(start)))
        return slice(low, int(np.searchsorted(self._days, np.datetime64(end), side="right")))

    def sessions(self, start: date, end: date) -> list[date]:
        """Return the sessions from `start` to `end`, both included."""
        return [day.item() for day in self._days[self._between(start, end)]]

    def last_on_or_before(self, day: date) -> date:
        """Return the last session not later than `day`."""
        at = int(np.searchsorted(self._days, np.datetime64(day), side="right")) - 1
        return self._days[max(at, 0)].item()  # type: ignore[no-any-return]

    @property
    def first(self) -> date:
        """The first session that is known of the exchange: of 1990, or of a later year."""
        return self._days[0].item()  # type: ignore[no-any-return]

    @property
    def last(self) -> date:
        """The last session that is known; it moves on as the library learns of further years."""
        return self._days[-1].item()  # type: ignore[no-any-return]

    def shift(self, session: date, count: int) -> date:
        """Return the session `count` sessions after (before, if negative) `session`.

        Raises
        ------
        ValueError
            If `session` is none, or the calendar does not reach so far.
        """
        at = self.position(session) + count
        if not 0 <= at < len(self._days):  # a negative index would name a session of the far future
            msg = (
                f"count={count} leads from {session} out of the calendar {self.name}, which is known from "
                f"{self.first} to {self.last}; ask for fewer sessions, or install a newer exchange_calendars"
            )
            raise ValueError(msg)
        return self._days[at].item()  # type: ignore[no-any-return]

    def look_back(self, session: date, count: int) -> date:
        """Return the session `count` sessions before `session`, the first one where there are fewer."""
        return self._days[max(self.position(session) - count, 0)].item()  # type: ignore[no-any-return]

    def neighbours(self, session: date, *, before: int, after: int) -> list[date]:
        """Return a session and those around it, as many as there are, ascending."""
        at = self.position(session)
        return [day.item() for day in self._days[max(at - before, 0) : at + after + 1]]

    def count_between(self, earlier: date, later: date) -> int:
        """Return how many sessions lie between two sessions: 0 for the same one."""
        return self.position(later) - self.position(earlier)

    def open_at(self, session: date) -> datetime:
        """Return the official open of `session` in UTC."""
        return _instant(self._opens[self.position(session)])

    def close_at(self, session: date) -> datetime:
        """Return the official close of `session` in UTC."""
        return _instant(self._closes[self.position(session)])

    def cutoff_at(self, session: date) -> datetime:
        """Return the information cut of `session` in UTC: what is known later enters no vector of it."""
        return _instant(self._cutoffs[self.position(session)])

    def cut_before(self, session: date) -> datetime:
        """Return the cut of the session before `session`; for the first one the midnight that begins it."""
        at = self.position(session)
        return _instant(self._cutoffs[at - 1]) if at else datetime.combine(session, time(), tzinfo=UTC)

    def last_cut(self, instant: datetime) -> date:
        """Return the last session whose cut is not later than `instant`."""
        at = int(np.searchsorted(self._cutoffs, _naive(instant), side="right")) - 1
        return self._days[max(at, 0)].item()  # type: ignore[no-any-return]

    def last_closed(self, instant: datetime) -> date:
        """Return the last session whose close is not later than `instant`."""
        at = int(np.searchsorted(self._closes, _naive(instant), side="right")) - 1
        return self._days[max(at, 0)].item()  # type: ignore[no-any-return]

    def decision_at(self, session: date) -> datetime:
        """Return the instant at which the forecast made with `session` must exist, in UTC.

        Raises
        ------
        ValueError
            If `session` is none, or the calendar's last one, whose next open is not known.
        """
        return _instant(self._decisions[self.position(self.shift(session, 1)) - 1])

    def last_decided(self, instant: datetime) -> date:
        """Return the last session whose decision instant is not later than `instant`."""
        at = int(np.searchsorted(self._decisions, _naive(instant), side="right")) - 1
        return self._days[max(at, 0)].item()  # type: ignore[no-any-return]

    @property
    def longest_reach(self) -> timedelta:
        """The longest time from a session's close to the cut of the next one, over all known sessions.

        So far back lies what was known last at any instant up to the next cut, closures of weeks included.
        """
        longest: timedelta = (self._cutoffs[1:] - self._closes[:-1]).max().item()
        return longest

    def check_instants(self, lag: timedelta) -> None:
        """Check that each session's bars are known by its cut, and its decision falls before the next close.

        Parameters
        ----------
        lag : timedelta
            How long after the close a bar without an arrival time counts as known.

        Raises
        ------
        ValueError
            Naming the setting that has to change, and the newest session for which it must.
        """
        late = np.flatnonzero(self._closes + np.timedelta64(lag, "us") > self._cutoffs)
        if len(late):
            day, close = self._days[late[-1]], self._closes[late[-1]]
            msg = (
                f"calendar.cutoff_local={self.cutoff_local:%H:%M} cuts {day} of {self.name}, which closes at "
                f"{close} UTC, before its bars count as known, {lag} later; choose a later time of day"
            )
            raise ValueError(msg)
        over = np.flatnonzero(self._decisions >= self._closes[1:])
        if len(over):
            day, decision, close = self._days[over[-1]], self._decisions[over[-1]], self._closes[over[-1] + 1]
            minutes = self.issue_time // timedelta(minutes=1)
            msg = (
                f"calendar.issue_minutes={minutes} sets the decision of {day} to {decision} UTC, but the "
                f"next session of {self.name} closes at {close}; give fewer, or an earlier cutoff_local"
            )
            raise ValueError(msg)

    def digest(self, first: date, last: date) -> str:
        """Return a digest of the sessions from `first` to `last` with closes and cuts, and of no others."""
        part = self._between(first, last)
        parts = (self._days[part], self._closes[part], self._cutoffs[part])
        return hashlib.sha256(b"|".join(each.tobytes() for each in parts)).hexdigest()[:16]

    def session_for(self, instant: datetime, *, lag: timedelta = timedelta()) -> date:
        """Return the first session whose close, less `lag`, is not earlier than `instant`."""
        at = int(np.searchsorted(self._closes, _naive(instant + lag)))
        return self._days[at].item()  # type: ignore[no-any-return]

    def frame(self, start: date, end: date) -> pl.DataFrame:
        """Return one row a session with its instants.

        Returns
        -------
        polars.DataFrame, shape (n_sessions, 4)
            `session` (Date), `event_timestamp` (official close, UTC), `cutoff_at` and `decision_at`
            (UTC; null for the calendar's last session, whose next open is not known).
        """
        part = self._between(start, end)
        return pl.DataFrame(
            {
                "session": pl.Series(self._days[part]).cast(pl.Date),
                "event_timestamp": _utc(self._closes[part]),
                "cutoff_at": _utc(self._cutoffs[part]),
                "decision_at": _utc(np.append(self._decisions, np.datetime64("NaT"))[part]),
            }
        )

    def sessions_for(self, instants: pl.Series, *, lag: timedelta = timedelta()) -> pl.Series:
        """Return `session_for` of each instant as a Date series."""
        naive = instants.dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_numpy()
        shifted = naive.astype("datetime64[us]") + np.timedelta64(int(lag.total_seconds()), "s")
        return pl.Series(self._days[np.searchsorted(self._closes, shifted)]).cast(pl.Date)


def calendar_names() -> list[str]:
    """Return the names of the calendars there are."""
    return exchange_calendars.get_calendar_names()  # type: ignore[no-any-return]


def resolve_alias(name: str) -> str:
    """Return the one name that stands for all of a calendar: NYSE is XNYS; an unknown one stays as it is."""
    return exchange_calendars.resolve_alias(name)  # type: ignore[no-any-return]


@cache
def _exchange_calendar(name: str) -> exchange_calendars.ExchangeCalendar:
    try:
        return exchange_calendars.get_calendar(name, start=FIRST_DAY)
    except ValueError:
        # Some exchanges, Tokyo's among them, are known from a later year on only.
        earliest = type(exchange_calendars.get_calendar(name)).bound_min()
        if earliest is None:
            raise
        return exchange_calendars.get_calendar(name, start=earliest)


@cache
def _rebuild(name: str, decision_lead_minutes: int, cutoff_local: str, issue_minutes: int) -> SessionCalendar:
    return SessionCalendar(
        name,
        decision_lead_minutes=decision_lead_minutes,
        cutoff_local=cutoff_local,
        issue_minutes=issue_minutes,
    )


def _naive_instants(instants: pd.Series) -> np.ndarray:
    naive: np.ndarray = pd.DatetimeIndex(instants).tz_convert(None).values.astype("datetime64[us]")
    return naive


def _utc(instants: np.ndarray) -> pl.Series:
    return pl.Series(instants.astype("datetime64[us]")).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _naive(instant: datetime) -> np.datetime64:
    if instant.tzinfo is None:
        msg = f"instant={instant!r} has no time zone; give an aware datetime, for example with tzinfo=UTC"
        raise ValueError(msg)
    return np.datetime64(instant.astimezone(UTC).replace(tzinfo=None), "us")


def _instant(value: np.datetime64) -> datetime:
    moment: datetime = value.astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC)
