"""Conditions over sessions, judged by a database that knows nothing of ours."""

from __future__ import annotations

import random
from datetime import date, timedelta

import polars as pl
import pytest

from features.sessions import SessionCalendar
from pipelines.tables.queries import date_literal, text_literal
from pipelines.tables.scope import (
    around,
    dates_condition,
    range_condition,
    sessions_condition,
    span_condition,
)

CALENDAR = SessionCalendar("XNYS")
DAYS = CALENDAR.sessions(date(2023, 11, 1), date(2024, 2, 29))


def selected(condition: str) -> list[date]:
    """The sessions that a condition lets through, by Polars' own SQL."""
    rows = pl.DataFrame({"session": DAYS}).with_columns(month=pl.col("session").dt.strftime("%Y-%m"))
    return (
        pl.SQLContext(rows=rows, eager=True)
        .execute(f"select session from rows where {condition}")["session"]
        .to_list()
    )


@pytest.mark.parametrize("seed", range(5))
def test_named_sessions_and_no_others_are_selected(seed: int) -> None:
    wanted = sorted(random.Random(seed).sample(DAYS, 7))
    assert selected(dates_condition(wanted)) == wanted
    assert selected(sessions_condition(wanted)) == wanted


def test_all_none_and_a_range() -> None:
    assert selected(dates_condition(None)) == DAYS
    assert selected(dates_condition([])) == []
    first, last = date(2023, 12, 28), date(2024, 1, 3)
    assert selected(range_condition(first, last)) == [day for day in DAYS if first <= day <= last]


def test_spans_meet_without_overlap() -> None:
    first, later = date(2023, 12, 1), date(2024, 1, 16)
    cut = [selected(span_condition(*bounds)) for bounds in ((None, first), (first, later), (later, None))]
    assert [day for part in cut for day in part] == DAYS
    assert (cut[1][0], cut[2][0]) == (first, later)
    assert selected(span_condition(None, None)) == DAYS


def test_neighbours_are_sessions_and_days_off_are_left_out() -> None:
    new_year = date(2024, 1, 1)
    assert around(CALENDAR, [new_year], before=1, after=1) == []
    assert around(CALENDAR, [date(2024, 1, 2)], before=1, after=2) == [
        date(2023, 12, 29), date(2024, 1, 2), date(2024, 1, 3), date(2024, 1, 4),
    ]  # fmt: skip
    many = [date(1995, 1, 2) + timedelta(days=step) for step in range(2_000)]
    assert around(CALENDAR, many, before=1, after=1) is None


def test_a_text_that_could_end_its_literal_is_refused() -> None:
    assert text_literal("BRK.B") == "'BRK.B'"
    assert date_literal(date(2024, 1, 2)) == "date'2024-01-02'"
    for text in ("A' or true --", "A\\"):
        with pytest.raises(ValueError, match="holds a quote or a backslash"):
            text_literal(text)
