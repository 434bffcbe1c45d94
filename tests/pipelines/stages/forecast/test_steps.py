"""Which sessions may be forecast, and how a run ends."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from features.sessions import SessionCalendar
from pipelines.stages.forecast.steps import SortedOut, choose_sessions, judge_status

MONDAY, TUESDAY, WEDNESDAY = date(2018, 1, 8), date(2018, 1, 9), date(2018, 1, 10)
CALENDAR = SessionCalendar("XNYS", decision_lead_minutes=60)
DECISIONS = {day: CALENDAR.decision_at(day) for day in (MONDAY, TUESDAY, WEDNESDAY)}
CUTS = {day: CALENDAR.cutoff_at(day) for day in (MONDAY, TUESDAY, WEDNESDAY)}


def test_sessions_cut_before_the_last_label_end_are_refused() -> None:
    fitted_until = datetime(2018, 1, 10, 3, tzinfo=UTC)
    choice = choose_sessions(CUTS, fitted_until, allow_in_sample=False)
    assert CUTS[TUESDAY] == fitted_until
    assert choice.sessions == (TUESDAY, WEDNESDAY)
    assert (choice.refused, choice.in_sample) == (1, frozenset())


def test_in_sample_sessions_are_marked_on_request() -> None:
    fitted_until = datetime(2018, 1, 10, 3, 0, 1, tzinfo=UTC)
    choice = choose_sessions(CUTS, fitted_until, allow_in_sample=True)
    assert choice.sessions == (MONDAY, TUESDAY, WEDNESDAY)
    assert (choice.refused, choice.in_sample) == (0, frozenset({MONDAY, TUESDAY}))


@pytest.mark.parametrize(
    ("inserted", "issued_before", "waiting", "status"),
    [
        (3, (), (), "done"),
        (3, (MONDAY,), (), "done"),
        (0, (MONDAY,), (), "unchanged"),
        (0, (), (), "nothing_to_do"),
        (3, (MONDAY,), (WEDNESDAY,), "waiting"),
    ],
)
def test_how_a_run_ends(
    inserted: int, issued_before: tuple[date, ...], waiting: tuple[date, ...], status: str
) -> None:
    found = SortedOut(
        issued_before=issued_before, due=(), waiting=waiting, missed=(TUESDAY,), short={TUESDAY: "1 of 2"}
    )
    assert judge_status(inserted, found) == status
    told = found.describe()
    assert (told["missed"], told["issued_before"]) == (["2018-01-09"], len(issued_before))
    assert told["alerts"] == [f"no forecast was issued for 2018-01-09, and none will be: {told['why']}"]
    assert "1 of 2" in told["why"]
    assert "accept-partial" in told["why"]
