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


@pytest.mark.parametrize(
    ("name", "session", "cut"),
    [
        # 22:00 in New York is 03:00 UTC in winter and 02:00 in summer, after a half-day as after any other.
        ("XNYS", date(2018, 2, 6), datetime(2018, 2, 7, 3, tzinfo=UTC)),
        ("XNYS", date(2024, 7, 3), datetime(2024, 7, 4, 2, tzinfo=UTC)),
        # The Fridays before and the Mondays after the clocks change.
        ("XNYS", date(2024, 3, 8), datetime(2024, 3, 9, 3, tzinfo=UTC)),
        ("XNYS", date(2024, 3, 11), datetime(2024, 3, 12, 2, tzinfo=UTC)),
        ("XNYS", date(2024, 11, 1), datetime(2024, 11, 2, 2, tzinfo=UTC)),
        ("XNYS", date(2024, 11, 4), datetime(2024, 11, 5, 3, tzinfo=UTC)),
        # The day that never closes ends at midnight; the first 22:00 after it lies on the next day.
        ("24/7", date(2024, 2, 28), datetime(2024, 2, 29, 22, tzinfo=UTC)),
        ("XLON", date(2024, 2, 6), datetime(2024, 2, 6, 22, tzinfo=UTC)),
        ("XLON", date(2024, 7, 2), datetime(2024, 7, 2, 21, tzinfo=UTC)),
        # Tokyo's 22:00 is 13:00 UTC of the same day.
        ("XTKS", date(2024, 7, 2), datetime(2024, 7, 2, 13, tzinfo=UTC)),
    ],
)
def test_the_cut_is_the_first_evening_at_or_after_the_close(name: str, session: date, cut: datetime) -> None:
    calendar = SessionCalendar(name)
    assert calendar.cutoff_at(session) == cut
    assert calendar.frame(session, session)["cutoff_at"].to_list() == [cut]
    assert calendar.last_cut(cut) == session
    assert calendar.last_cut(cut - timedelta(microseconds=1)) == calendar.shift(session, -1)
    assert calendar.close_at(session) <= cut < calendar.decision_at(session)


def test_a_cut_at_the_very_close_is_that_close_and_one_before_it_the_next_days() -> None:
    at_close = SessionCalendar("XNYS", cutoff_local="16:00")
    assert at_close.cutoff_at(date(2018, 2, 6)) == at_close.close_at(date(2018, 2, 6))
    before = SessionCalendar("XNYS", cutoff_local="15:59")
    assert before.cutoff_at(date(2018, 2, 6)) == datetime(2018, 2, 7, 20, 59, tzinfo=UTC)


def test_a_time_that_the_clocks_skip_or_repeat_is_one_instant() -> None:
    # 2024-03-10 has no 02:30 in New York, 2024-11-03 has it twice: the first one counts.
    night = SessionCalendar("24/7", cutoff_local="02:30")
    assert night.cutoff_at(date(2024, 3, 9)) == datetime(2024, 3, 10, 2, 30, tzinfo=UTC)
    eastern = SessionCalendar("CMES", cutoff_local="02:30")
    cuts = eastern.frame(date(2024, 3, 1), date(2024, 11, 15))["cutoff_at"]
    assert cuts.is_sorted()
    assert cuts.n_unique() == len(cuts)


def test_the_decision_comes_no_sooner_than_the_issue_takes() -> None:
    day = date(2024, 2, 28)
    never_closes = SessionCalendar("24/7", issue_minutes=45)
    # The next session opens at midnight, long before its evening's cut.
    assert never_closes.decision_at(day) == never_closes.cutoff_at(day) + timedelta(minutes=45)
    late_lead = SessionCalendar("XNYS", decision_lead_minutes=600, issue_minutes=90)
    assert late_lead.decision_at(date(2018, 2, 6)) == datetime(2018, 2, 7, 4, 30, tzinfo=UTC)


def test_the_last_decision_not_later_than_an_instant() -> None:
    decision = CALENDAR.decision_at(date(2018, 2, 6))
    assert CALENDAR.last_decided(decision) == date(2018, 2, 6)
    assert CALENDAR.last_decided(decision - timedelta(microseconds=1)) == date(2018, 2, 5)


def test_an_open_is_the_exchanges_own() -> None:
    assert CALENDAR.open_at(date(2018, 2, 7)) == datetime(2018, 2, 7, 14, 30, tzinfo=UTC)


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        CALENDAR.session_for(datetime(2024, 7, 3, 16))  # noqa: DTZ001


def test_a_calendar_travels_by_name() -> None:
    copy = pickle.loads(pickle.dumps(CALENDAR))  # noqa: S301
    assert (copy.name, copy.decision_lead) == (CALENDAR.name, CALENDAR.decision_lead)
    assert (copy.cutoff_local, copy.issue_time) == (CALENDAR.cutoff_local, CALENDAR.issue_time)
    assert len(pickle.dumps(CALENDAR)) < 200
