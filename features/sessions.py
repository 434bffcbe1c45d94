"""Exchange sessions and the instants that belong to each."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache, cached_property

import exchange_calendars
import numpy as np
import pandas as pd
import polars as pl

INSTANT = pl.Datetime("us", "UTC")


class SessionCalendar:
    """Sessions of one exchange, with closes, opens and decision instants in UTC.

    Parameters
    ----------
    name : str
        Calendar of `exchange_calendars`, such as ``XNYS``; ``24/7`` for markets that never close.
    decision_lead_minutes : int
        Minutes before the next session's open at which a forecast must exist. A larger lead
        assumes that orders need more time to reach the market.

    Notes
    -----
    `decision_at(t)` is the next session's open less the lead, so it lies after the close of ``t``
    and before anything of the following session is known.
    """

    def __init__(self, name: str = "XNYS", *, decision_lead_minutes: int = 60) -> None:
        self.name = name
        self.decision_lead = timedelta(minutes=decision_lead_minutes)

    def __reduce__(self) -> tuple[object, ...]:
        """Travel to a worker as name and lead: the calendar itself is rebuilt, once a process."""
        return _rebuild, (self.name, int(self.decision_lead.total_seconds() // 60))

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
    def _decisions(self) -> np.ndarray:
        opens = _naive_instants(self._exchange.opens)
        decisions: np.ndarray = opens[1:] - np.timedelta64(int(self.decision_lead.total_seconds()), "s")
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

    def shift(self, session: date, count: int) -> date:
        """Return the session `count` sessions after (before, if negative) `session`."""
        return self._days[self.position(session) + count].item()  # type: ignore[no-any-return]

    def count_between(self, earlier: date, later: date) -> int:
        """Return how many sessions lie between two sessions: 0 for the same one."""
        return self.position(later) - self.position(earlier)

    def close_at(self, session: date) -> datetime:
        """Return the official close of `session` in UTC."""
        return _instant(self._closes[self.position(session)])

    def decision_at(self, session: date) -> datetime:
        """Return the instant at which the forecast made with `session` must exist, in UTC."""
        return _instant(self._decisions[self.position(session)])

    def decision_on_or_after(self, instant: datetime) -> datetime:
        """Return the first decision instant not earlier than `instant`."""
        at = int(np.searchsorted(self._decisions, _naive(instant)))
        return _instant(self._decisions[at])

    def last_decided(self, instant: datetime) -> date:
        """Return the last session whose decision instant is not later than `instant`."""
        at = int(np.searchsorted(self._decisions, _naive(instant), side="right")) - 1
        return self._days[max(at, 0)].item()  # type: ignore[no-any-return]

    def session_for(self, instant: datetime, *, lag: timedelta = timedelta()) -> date:
        """Return the first session whose close, less `lag`, is not earlier than `instant`."""
        at = int(np.searchsorted(self._closes, _naive(instant + lag)))
        return self._days[at].item()  # type: ignore[no-any-return]

    def frame(self, start: date, end: date) -> pl.DataFrame:
        """Return one row a session with its instants.

        Returns
        -------
        polars.DataFrame, shape (n_sessions, 3)
            `session` (Date), `event_timestamp` (official close, UTC) and `decision_at` (UTC).
        """
        part = self._between(start, end)
        return pl.DataFrame(
            {
                "session": pl.Series(self._days[part]).cast(pl.Date),
                "event_timestamp": _utc(self._closes[part]),
                "decision_at": _utc(self._decisions[part]),
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


@cache
def _exchange_calendar(name: str) -> exchange_calendars.ExchangeCalendar:
    return exchange_calendars.get_calendar(name, start="1990-01-01")


@cache
def _rebuild(name: str, decision_lead_minutes: int) -> SessionCalendar:
    return SessionCalendar(name, decision_lead_minutes=decision_lead_minutes)


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
