"""Since when a jump is known to be none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from tests.pipelines.stages.curate.test_steps import RULES, block, record

DAYS = tuple(date(2024, 7, day) for day in (1, 2, 3, 5, 8))
BEFORE = datetime(2024, 6, 28, 21, tzinfo=UTC)


def evening(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 21, tzinfo=UTC)


def bar(day: date, close: str, known_at: datetime) -> dict[str, object]:
    said = {"session": str(day), "session_date": day, "known_at": known_at, "delivered_at": known_at}
    return record(close, 0, **said, landed_at=known_at, delivery=f"{day}.csv", record_hash=str(day))


def told(*bars: dict[str, object], asked: tuple[tuple[datetime, datetime, datetime], ...]) -> list[object]:
    rows = block(*bars, rules=replace(RULES, asked=asked)).filter(part="actions", kind="jump")
    return rows.sort("known_at", "session").select("session", "valid", "known_at").rows()


FALL = [
    bar(day, close, evening(day)) for day, close in zip(DAYS, ("100", "50", "50", "50", "50"), strict=True)
]


def test_a_feed_that_was_asked_late_tells_of_a_jump_from_then_on() -> None:
    late = evening(DAYS[-1]) + timedelta(days=1)
    open_since = [(DAYS[1], True, evening(DAYS[1]))]
    assert told(*FALL, asked=((BEFORE, evening(DAYS[2]), BEFORE),)) == open_since
    answered = ((BEFORE, evening(DAYS[2]), BEFORE), (evening(DAYS[2]), evening(DAYS[-1]), late))
    assert told(*FALL, asked=answered) == [*open_since, (DAYS[1], False, late)]


def test_a_jump_over_a_bar_that_came_late_was_known_before_it() -> None:
    late = evening(DAYS[3])
    gap = [FALL[0], bar(DAYS[1], "50", late), *FALL[2:4]]
    assert told(*gap, asked=()) == [
        (DAYS[2], True, evening(DAYS[2])),
        (DAYS[1], True, late),
        (DAYS[2], False, late),
    ]
