"""What is missing against the calendar, from a handful of polls, deliveries and forecasts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from features.sessions import SessionCalendar
from pipelines.tables.contracts import OPS_ACCEPTANCES, OPS_DELIVERIES, OPS_POLLS
from pipelines.tables.feed_gaps import FeedState, Watch, find_feeds, find_missed
from tests.pipelines.table_rows import rows_of

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (date(2024, 1, day) for day in (8, 9, 10, 11))
CUT = datetime(2024, 1, 11, 3, tzinfo=UTC)
"""Of Wednesday: 22:00 in New York."""
GRACE = timedelta(minutes=20)


def watch(now: datetime = CUT + GRACE) -> Watch:
    return Watch(calendar=SessionCalendar(), now=now, grace=GRACE)


def polls(*rows: tuple[date, bool, int], kind: str = "bars") -> pl.DataFrame:
    days, complete, seqs = zip(*rows, strict=True)
    same = {"source": ["files"] * len(rows), "kind": [kind] * len(rows)}
    return rows_of(OPS_POLLS, same | {"session": [*days], "complete": [*complete], "run_seq": [*seqs]})


def deliveries(*rows: tuple[str, str, int]) -> pl.DataFrame:
    names, outcomes, seqs = zip(*rows, strict=True)
    values: dict[str, list[Any]] = {
        "source": ["files"] * len(rows),
        "kind": ["texts"] * len(rows),
        "name": [*names],
        "outcome": [*outcomes],
        "why": [f"why {outcome}" for outcome in outcomes],
        "run_seq": [*seqs],
    }
    return rows_of(OPS_DELIVERIES, values)


NO_DELIVERIES = deliveries(("a", "landed", 1)).clear()
NO_ACCEPTANCES = rows_of(OPS_ACCEPTANCES, {"kind": []})


def bars(found: pl.DataFrame, accepted: pl.DataFrame = NO_ACCEPTANCES, **when: Any) -> FeedState:
    (feed,) = find_feeds(found, NO_DELIVERIES, accepted, watch(**when))
    return feed


def test_of_each_session_the_last_poll_counts() -> None:
    feed = bars(polls((TUESDAY, True, 3), (MONDAY, False, 1), (TUESDAY, False, 2), (WEDNESDAY, False, 3)))
    assert (feed.last_complete, feed.incomplete) == (TUESDAY, [MONDAY, WEDNESDAY])


def test_a_session_that_was_accepted_is_complete_for_its_source() -> None:
    values = {"kind": ["partial", "jump"], "source": ["files"] * 2, "session": [WEDNESDAY, MONDAY]}
    found = polls((MONDAY, False, 1), (TUESDAY, True, 1), (WEDNESDAY, False, 2))
    feed = bars(found, rows_of(OPS_ACCEPTANCES, values))
    assert (feed.last_complete, feed.incomplete) == (WEDNESDAY, [MONDAY])
    other = rows_of(OPS_ACCEPTANCES, values | {"source": ["vendor"] * 2})
    assert bars(found, other).incomplete == [MONDAY, WEDNESDAY]


@pytest.mark.parametrize(
    ("now", "incomplete"),
    [
        (CUT - timedelta(microseconds=1), []),
        (CUT, []),
        (CUT + GRACE, [WEDNESDAY]),
        (CUT + timedelta(days=1), [WEDNESDAY]),
        (CUT + timedelta(days=1) + GRACE, [WEDNESDAY, THURSDAY]),
    ],
    ids=["before its cut", "at its cut", "after its grace", "at the next cut", "after that grace"],
)
def test_a_session_that_nobody_asked_for_is_missing_after_its_grace(
    now: datetime, incomplete: list[date]
) -> None:
    assert bars(polls((MONDAY, True, 1), (TUESDAY, True, 2)), now=now).incomplete == incomplete


def test_a_session_that_was_asked_for_in_vain_is_missing_at_once() -> None:
    found = polls((TUESDAY, True, 1), (WEDNESDAY, False, 2))
    assert bars(found, now=CUT).incomplete == [WEDNESDAY]
    assert bars(found, now=CUT - timedelta(seconds=1)).incomplete == []


def test_of_each_place_what_lies_there_now_counts() -> None:
    given = deliveries(
        ("a.csv", "refused", 1), ("b.csv", "unreadable", 1), ("c.csv", "landed", 1), ("a.csv", "landed", 2),
        ("c.csv", "refused", 2),
    )  # fmt: skip
    (feed,) = find_feeds(polls((MONDAY, True, 1)).clear(), given, NO_ACCEPTANCES, watch())
    assert (feed.kind, feed.last_complete, feed.incomplete) == ("texts", None, [])
    assert feed.not_taken == [
        {"name": "b.csv", "outcome": "unreadable", "why": "why unreadable"},
        {"name": "c.csv", "outcome": "refused", "why": "why refused"},
    ]


def test_feeds_are_told_apart() -> None:
    found = pl.concat([polls((TUESDAY, True, 1)), polls((MONDAY, True, 1), kind="texts")])
    feeds = find_feeds(found, NO_DELIVERIES, NO_ACCEPTANCES, watch())
    assert [(feed.kind, feed.last_complete) for feed in feeds] == [("bars", TUESDAY), ("texts", MONDAY)]


def test_a_session_is_missed_when_its_grace_is_over_without_a_forecast() -> None:
    assert find_missed([MONDAY], watch(CUT + GRACE - timedelta(microseconds=1))) == [TUESDAY]
    assert find_missed([MONDAY], watch()) == [TUESDAY, WEDNESDAY]
    assert find_missed([WEDNESDAY, MONDAY], watch()) == [TUESDAY]


def test_before_the_first_issue_nothing_is_missed() -> None:
    assert find_missed([], watch()) == []
    assert find_missed([WEDNESDAY], watch()) == []
