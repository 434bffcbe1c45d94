"""Sessions and their instants, worked from the exchange's published hours."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime, timedelta

import exchange_calendars
import polars as pl
import pytest

from features.sessions import INSTANT, SessionCalendar

CALENDAR = SessionCalendar("XNYS", decision_lead_minutes=60)
CLOSE_AT_TEN = ("XDUS", "XEUR", "XHAM", "XSTU")


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


@pytest.mark.parametrize("name", exchange_calendars.get_calendar_names(include_aliases=False))
def test_on_every_calendar_the_instants_of_a_session_follow_one_another(name: str) -> None:
    # A few exchanges close at 22:00 of their own clocks: 23:00 leaves their bars the half hour they take.
    cutoff_local = "23:00" if name in CLOSE_AT_TEN else "22:00"
    calendar = SessionCalendar(name, cutoff_local=cutoff_local)
    calendar.check_instants(timedelta(minutes=30))
    instants = calendar.frame(calendar.shift(calendar.last, -799), calendar.last)
    known_at, cut, decision = pl.col("event_timestamp") + pl.duration(minutes=30), "cutoff_at", "decision_at"
    assert instants.height == 800
    assert instants.select((known_at <= pl.col(cut)).all()).item()
    decided = instants.with_columns(next_close=pl.col("event_timestamp").shift(-1)).head(-1)
    assert decided.select((pl.col(cut) < pl.col(decision)).all()).item()
    assert decided.select((pl.col(decision) < pl.col("next_close")).all()).item()
    for column in ("session", "event_timestamp", cut, decision):
        assert decided[column].is_sorted()
        assert decided[column].n_unique() == decided.height
    reach = decided.select((pl.col(cut).shift(-1) - pl.col("event_timestamp")).max()).item()
    assert reach <= calendar.longest_reach
    assert calendar.cut_before(calendar.first) < calendar.close_at(calendar.first)


def test_an_exchange_that_closes_at_the_cut_is_told_to_cut_later() -> None:
    with pytest.raises(ValueError, match=r"cutoff_local=22:00 cuts .* of XEUR, which closes at .*later time"):
        SessionCalendar("XEUR").check_instants(timedelta(minutes=30))
    late = SessionCalendar("24/7", cutoff_local="23:30")
    with pytest.raises(ValueError, match=r"issue_minutes=60 sets the decision of .* next session of 24/7"):
        late.check_instants(timedelta(minutes=30))


def test_clocks_that_go_forward_at_midnight_leave_the_cut_where_it_is() -> None:
    # 1997-10-06, a Monday, had no midnight in Sao Paulo; 22:00 there was two hours behind UTC.
    assert SessionCalendar("BVMF").cutoff_at(date(1997, 10, 6)) == datetime(1997, 10, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "first"), [("XTKS", date(1997, 1, 6)), ("XSHG", date(1990, 12, 3)), ("XSAU", date(2021, 1, 3))]
)
def test_a_calendar_begins_with_its_own_first_session(name: str, first: date) -> None:
    calendar = SessionCalendar(name)
    assert calendar.first == first
    assert calendar.look_back(calendar.shift(first, 2), 5) == first
    assert calendar.neighbours(first, before=2, after=1) == [first, calendar.shift(first, 1)]
    assert calendar.neighbours(calendar.last, before=0, after=3) == [calendar.last]
    assert calendar.cut_before(first) == datetime(first.year, first.month, first.day, tzinfo=UTC)
    for session, count in ((first, -1), (calendar.last, 1)):
        with pytest.raises(ValueError, match=f"count={count} leads from {session} out of the calendar"):
            calendar.shift(session, count)
    with pytest.raises(ValueError, match="count=1 leads from"):
        calendar.decision_at(calendar.last)


@pytest.mark.parametrize(
    ("name", "reach"),
    [
        # 1999-02-09 to 1999-03-01, 15:00 to 22:00 in Shanghai; Athens closed at 17:20 of 2015-06-26 and
        # opened on 2015-08-03; New York in September 2001, 16:00 of the 10th to 22:00 of the 17th.
        ("XSHG", timedelta(days=20, hours=7)),
        ("ASEX", timedelta(days=38, hours=4, minutes=40)),
        ("XNYS", timedelta(days=7, hours=6)),
        ("24/7", timedelta(days=1, hours=22)),
    ],
)
def test_the_longest_reach_spans_the_longest_closure(name: str, reach: timedelta) -> None:
    assert SessionCalendar(name).longest_reach == reach


def test_a_digest_is_of_the_sessions_named_and_their_closes() -> None:
    january = date(2024, 1, 2), date(2024, 1, 31)
    known = CALENDAR.digest(*january)
    assert SessionCalendar("XNYS").digest(*january) == known
    assert CALENDAR.digest(date(2024, 1, 2), date(2024, 2, 1)) != known
    assert SessionCalendar("XLON").digest(*january) != known
    # A session more outside of the range, whenever the library learns of it, is none of its business.
    assert CALENDAR.digest(date(2024, 1, 1), date(2024, 1, 31)) == known
