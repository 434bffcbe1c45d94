"""Sessions and their instants, worked from the exchange's published hours."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from features.sessions import INSTANT, SessionCalendar

CALENDAR = SessionCalendar("XNYS", decision_lead_minutes=60)


def test_a_winter_close_is_21_utc_and_the_decision_an_hour_before_the_next_open() -> None:
    assert CALENDAR.close_at(date(2018, 2, 6)) == datetime(2018, 2, 6, 21, tzinfo=UTC)
    assert CALENDAR.decision_at(date(2018, 2, 6)) == datetime(2018, 2, 7, 13, 30, tzinfo=UTC)


def test_summer_time_moves_the_close_and_a_half_day_ends_early() -> None:
    assert CALENDAR.close_at(date(2024, 7, 2)) == datetime(2024, 7, 2, 20, tzinfo=UTC)
    assert CALENDAR.close_at(date(2024, 7, 3)) == datetime(2024, 7, 3, 17, tzinfo=UTC)


def test_the_decision_of_a_friday_lies_on_monday() -> None:
    assert CALENDAR.decision_at(date(2018, 2, 2)) == datetime(2018, 2, 5, 13, 30, tzinfo=UTC)


def test_shift_skips_holidays() -> None:
    assert CALENDAR.shift(date(2024, 7, 3), 1) == date(2024, 7, 5)
    assert CALENDAR.count_between(date(2024, 7, 1), date(2024, 7, 5)) == 3


def test_a_day_off_is_named_with_the_session_before_it() -> None:
    with pytest.raises(
        ValueError, match=r"session=2024-07-04 is not a session of XNYS.*before it is 2024-07-03"
    ):
        CALENDAR.position(date(2024, 7, 4))


@pytest.mark.parametrize(
    ("instant", "session"),
    [
        (datetime(2024, 7, 3, 16, 45, tzinfo=UTC), date(2024, 7, 3)),
        (datetime(2024, 7, 3, 16, 46, tzinfo=UTC), date(2024, 7, 5)),
        (datetime(2024, 3, 8, 20, 45, tzinfo=UTC), date(2024, 3, 8)),
        (datetime(2024, 3, 11, 19, 45, tzinfo=UTC), date(2024, 3, 11)),
        (datetime(2024, 3, 11, 19, 46, tzinfo=UTC), date(2024, 3, 12)),
    ],
)
def test_a_text_belongs_to_the_first_session_it_precedes_by_the_lag(instant: datetime, session: date) -> None:
    lag = timedelta(minutes=15)
    assert CALENDAR.session_for(instant, lag=lag) == session
    assert CALENDAR.sessions_for(pl.Series([instant], dtype=INSTANT), lag=lag).to_list() == [session]


def test_the_first_decision_on_or_after_an_instant() -> None:
    decision = CALENDAR.decision_at(date(2018, 2, 6))
    assert CALENDAR.decision_on_or_after(decision) == decision
    after = CALENDAR.decision_on_or_after(decision + timedelta(microseconds=1))
    assert after == CALENDAR.decision_at(date(2018, 2, 7))
    assert CALENDAR.last_decided(decision) == date(2018, 2, 6)


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        CALENDAR.session_for(datetime(2024, 7, 3, 16))  # noqa: DTZ001


def test_a_calendar_travels_by_name() -> None:
    copy = pickle.loads(pickle.dumps(CALENDAR))  # noqa: S301
    assert (copy.name, copy.decision_lead) == (CALENDAR.name, CALENDAR.decision_lead)
    assert len(pickle.dumps(CALENDAR)) < 200
