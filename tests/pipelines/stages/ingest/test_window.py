"""Which window a run asks a feed for."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from features.sessions import SessionCalendar
from pipelines.base.report import SessionRange
from pipelines.io.feed_log import FeedPast, unite
from pipelines.stages.ingest.window import Window, plan_window

CALENDAR = SessionCalendar()
MONDAY, TUESDAY = date(2024, 7, 8), date(2024, 7, 9)
FRIDAYS_CUT, MONDAYS_CUT, TUESDAYS_CUT = (
    CALENDAR.cutoff_at(day) for day in (date(2024, 7, 5), MONDAY, TUESDAY)
)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def past(*covered: tuple[datetime, datetime], complete: dict[date, bool] | None = None) -> FeedPast:
    return FeedPast(arrival="none", covered=covered, read={}, complete=complete or {}, accepted=frozenset())


def plan(left: FeedPast, *, now: datetime, **changes: Any) -> Window:
    asked = {"sessions": SessionRange(start=MONDAY, end=MONDAY), "lag": timedelta(), "overlap": 72 * HOUR}
    return plan_window(CALENDAR, past=left, now=now, **asked | changes)


def test_an_empty_home_reads_on_from_the_cut_before() -> None:
    found = plan(past(), now=MONDAYS_CUT + MINUTE)
    assert found.covers == (FRIDAYS_CUT, MONDAYS_CUT)
    assert (found.request.after, found.request.until) == (FRIDAYS_CUT - 72 * HOUR, MONDAYS_CUT)


def test_the_first_session_of_a_calendar_is_read_from_its_midnight() -> None:
    tokyo = SessionCalendar("XTKS")
    first = SessionRange(start=tokyo.first, end=tokyo.first)
    left, cut = past(), tokyo.cutoff_at(tokyo.first)
    found = plan_window(tokyo, first, left, now=cut, lag=timedelta(), overlap=HOUR)
    assert found.covers == (datetime(1997, 1, 6, tzinfo=UTC), cut)


def test_nobody_reads_beyond_the_clock() -> None:
    noon = datetime(2024, 7, 8, 16, tzinfo=UTC)
    assert plan(past(), now=noon).covers == (FRIDAYS_CUT, noon)


def test_after_an_outage_reading_goes_on_where_it_ended() -> None:
    ended = datetime(2024, 6, 20, 2, tzinfo=UTC)
    found = plan(past((ended - HOUR, ended)), now=MONDAYS_CUT)
    assert found.covers == (ended, MONDAYS_CUT)
    assert found.request.after == ended - 72 * HOUR


def test_the_last_events_are_not_expected_yet() -> None:
    assert plan(past(), now=MONDAYS_CUT, lag=5 * MINUTE).covers == (FRIDAYS_CUT, MONDAYS_CUT - 5 * MINUTE)


def test_a_session_that_passed_incomplete_is_looked_for_up_to_the_next_cut() -> None:
    later = MONDAYS_CUT + 9 * HOUR
    assert plan(past(complete={MONDAY: False}), now=later).request.until == later
    assert plan(past(complete={MONDAY: False}), now=later + 48 * HOUR).request.until == TUESDAYS_CUT
    assert plan(past(complete={MONDAY: True}), now=later).request.until == MONDAYS_CUT


def test_a_history_load_reads_its_range_whatever_was_read() -> None:
    asked = SessionRange(start=MONDAY, end=TUESDAY, history=True)
    found = plan(past((FRIDAYS_CUT, MONDAYS_CUT)), now=TUESDAYS_CUT + 48 * HOUR, sessions=asked)
    assert (found.request.after, found.request.until) == found.covers == (FRIDAYS_CUT, TUESDAYS_CUT)


def test_what_was_read_beyond_the_as_of_adds_nothing() -> None:
    found = plan(past((FRIDAYS_CUT - HOUR, TUESDAYS_CUT)), now=TUESDAYS_CUT)
    assert found.covers is None
    assert found.request.after < found.request.until == MONDAYS_CUT


def test_intervals_that_touch_are_one() -> None:
    first, second, third = (FRIDAYS_CUT + place * HOUR for place in range(3))
    assert unite([(second, third), (first, second)]) == ((first, third),)
    assert unite([(first, second), (third, third + HOUR)]) == ((first, second), (third, third + HOUR))
