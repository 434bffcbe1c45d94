"""When a record counts as known."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from features.sessions import SessionCalendar
from pipelines.stages.ingest.dating import TICK, Observation, observe
from pipelines.tables.record_kinds import ACTIONS, TEXTS
from tests.pipelines.stages.ingest.judging import NOW, OBSERVED, action, bar, judge, judging, text

CLOSE = datetime(2024, 7, 3, 17, tzinfo=UTC)
CUT = datetime(2024, 7, 4, 2, tzinfo=UTC)
STAMP = datetime(2024, 7, 3, 20, 15, tzinfo=UTC)
READ = ((datetime(2024, 7, 1, tzinfo=UTC), datetime(2024, 7, 3, 21, tzinfo=UTC)),)
GRACE = timedelta(minutes=20)


def known(by: Any, row: dict[str, Any], **standing: Any) -> tuple[datetime | None, str | None]:
    """When one row counts as known, and by what."""
    (found,) = judge(by, row, **standing).select("known_at", "known_by").rows()
    return found


def stamped(at: datetime = STAMP, **changes: Any) -> dict[str, Any]:
    """A bar with its arrival."""
    return bar(received_at=at.isoformat(), **changes)


def test_just_after_a_cut_that_nobody_has_read_things_are_observed_at_it() -> None:
    calendar = SessionCalendar()
    assert observe(calendar, NOW, grace=GRACE, closed_until=None).at == CUT
    assert observe(calendar, NOW, grace=GRACE, closed_until=None).known_by == "assumed"
    assert observe(calendar, NOW, grace=GRACE, closed_until=CUT).at == NOW
    assert observe(calendar, NOW + GRACE, grace=GRACE, closed_until=None).at == NOW + GRACE


def test_a_true_stamp_counts() -> None:
    assert known(judging(), stamped()) == (STAMP, "stamp")


def test_a_stamp_of_a_time_that_was_read_counts_from_when_it_was_seen() -> None:
    assert known(judging(covered=READ), stamped()) == (NOW, "observed")
    after = datetime(2024, 7, 3, 21, 0, 1, tzinfo=UTC)
    assert known(judging(covered=READ), stamped(after)) == (after, "stamp")


def test_what_was_stamped_after_the_cut_is_not_observed_at_it() -> None:
    stamp, read = CUT + timedelta(minutes=4), ((CLOSE, CUT + timedelta(minutes=5)),)
    at_cut = Observation(landed_at=NOW, at=CUT, assumed=True, closed_until=None)
    assert known(judging(observation=at_cut, covered=read), stamped(stamp)) == (stamp, "stamp")
    assert known(judging(observation=at_cut, covered=read), stamped()) == (CUT, "assumed")


def test_a_history_load_believes_the_stamps_of_a_symbol_that_is_new() -> None:
    by = {"covered": READ, "history": True}
    assert known(judging(known_symbols={"BBB"}, **by), stamped()) == (STAMP, "stamp")
    assert known(judging(known_symbols={"AAA"}, **by), stamped()) == (NOW, "observed")


def test_stamps_before_they_count_say_nothing() -> None:
    by = judging(stamps_from=datetime(2024, 7, 4, tzinfo=UTC))
    assert known(by, stamped()) == (CLOSE + timedelta(minutes=30), "assumed")


@pytest.mark.parametrize(
    ("sent", "rule"),
    [
        ("03/07/2024 20:15", "unreadable_received_at"),
        (None, "unreadable_received_at"),
        ("2024-07-03T16:59:59Z", "received_before_event"),
        ("2024-07-04T02:12:01Z", "received_in_future"),
    ],
)
def test_a_wrong_stamp_is_refused_and_never_guessed(sent: str | None, rule: str) -> None:
    (row,) = judge(judging(), bar(received_at=sent)).to_dicts()
    assert rule in row["broken"]
    assert row["known_at"] is None


def test_two_minutes_of_skew_are_forgiven() -> None:
    at = NOW + timedelta(minutes=2)
    assert known(judging(), stamped(at)) == (at, "stamp")


def test_what_has_not_happened_yet_is_refused() -> None:
    (row,) = judge(judging(TEXTS, stamped=False), text(published_at="2062-01-03T12:00:00Z")).to_dicts()
    assert "event_in_future" in row["broken"]
    (row,) = judge(judging(stamped=False), bar(session="2024-07-05")).to_dicts()
    assert "event_in_future" in row["broken"]


def test_a_first_delivery_is_known_a_lag_after_its_event() -> None:
    assert known(judging(stamped=False), bar()) == (CLOSE + timedelta(minutes=30), "assumed")
    at = datetime(2024, 7, 3, 18, 30, tzinfo=UTC)
    assert known(judging(TEXTS, stamped=False), text()) == (at, "assumed")


@pytest.mark.parametrize(
    "asked", [{"covered": READ}, {"missing": {date(2024, 7, 3)}}], ids=["covered", "missing"]
)
def test_what_was_looked_for_in_vain_is_known_when_it_is_seen(asked: dict[str, Any]) -> None:
    assert known(judging(stamped=False, **asked), bar()) == (NOW, "observed")


def test_another_value_is_known_after_the_one_before_it() -> None:
    later = NOW + timedelta(hours=1)
    held = {"standing_hash": "other", "standing_at": CLOSE, "last_known_at": later}
    assert known(judging(stamped=False, by_content=True), bar(), **held) == (later + TICK, "observed")
    held |= {"last_known_at": CLOSE}
    assert known(judging(stamped=False, by_content=True), bar(), **held) == (NOW, "observed")


def test_nothing_becomes_known_before_a_cut_that_was_read() -> None:
    read = Observation(landed_at=NOW, at=NOW, assumed=False, closed_until=CUT)
    assert known(judging(observation=read), stamped()) == (NOW, "observed")
    assert known(judging(observation=read, stamped=False), bar()) == (NOW, "observed")
    after = CUT + timedelta(minutes=5)
    assert known(judging(observation=read), stamped(after)) == (after, "stamp")


def test_a_clock_that_was_set_back_does_not_open_a_cut_again() -> None:
    back = Observation(landed_at=CUT - GRACE, at=CUT - GRACE, assumed=False, closed_until=CUT)
    assert known(judging(observation=back), stamped()) == (CUT + TICK, "observed")


def test_a_history_load_may_fill_what_bronze_lacks_behind_a_cut_that_was_read() -> None:
    read = Observation(landed_at=NOW, at=NOW, assumed=False, closed_until=CUT)
    by = judging(observation=read, history=True, known_symbols={"AAA"})
    assert known(by, stamped()) == (STAMP, "stamp")
    assert known(by, stamped(), last_known_at=CLOSE, in_bronze=True) == (NOW, "observed")


def test_an_action_may_be_known_before_its_ex_date() -> None:
    told = action(session="2024-07-10", received_at=STAMP.isoformat())
    assert known(judging(ACTIONS), told) == (STAMP, "stamp")
    told = action(session="2024-07-10", received_at="2024-07-04T02:12:01Z")
    (row,) = judge(judging(ACTIONS), told).to_dicts()
    assert "received_in_future" in row["broken"]


def test_what_is_announced_ahead_was_had_when_it_was_seen() -> None:
    ahead, at_cut = (
        action(session="2024-07-05"),
        Observation(landed_at=NOW, at=CUT, assumed=True, closed_until=None),
    )
    assert known(judging(ACTIONS, stamped=False), ahead) == (NOW, "observed")
    assert known(judging(ACTIONS, stamped=False, observation=at_cut), ahead) == (CUT, "assumed")
    early = judging(ACTIONS, stamps_from=datetime(2024, 7, 4, tzinfo=UTC))
    assert known(early, ahead | {"received_at": STAMP.isoformat()}) == (NOW, "observed")


def test_an_action_that_nobody_announced_is_known_as_its_bar_is() -> None:
    at = CLOSE + timedelta(minutes=30)
    assert known(judging(ACTIONS, stamped=False), action()) == (at, "assumed")
    just = Observation(landed_at=at, at=at, assumed=False, closed_until=None)
    assert known(judging(ACTIONS, stamped=False, observation=just), action()) == (at, "assumed")
    assert known(judging(ACTIONS, stamped=False, covered=READ), action()) == (NOW, "observed")
    read = Observation(landed_at=NOW, at=NOW, assumed=False, closed_until=CUT)
    assert known(judging(ACTIONS, stamped=False, observation=read), action()) == (NOW, "observed")


def test_an_action_that_is_changed_is_known_when_it_is_seen() -> None:
    by = judging(ACTIONS, stamped=False, by_content=True)
    held = {"standing_hash": "other", "standing_at": CLOSE, "last_known_at": NOW}
    assert known(by, action(session="2024-07-10"), **held) == (NOW + TICK, "observed")


def test_a_plain_observation_is_the_clock() -> None:
    assert (OBSERVED.at, OBSERVED.known_by) == (NOW, "observed")
