"""Whether a session's universe was whole at its cut, from polls, acceptances and bars written out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.base.context import Context
from pipelines.registry.universe import AtCut, completeness_at_cut, completeness_at_cuts
from pipelines.tables.contracts import OPS_ACCEPTANCES, OPS_POLLS, SILVER_BARS
from tests.pipelines.synthetic_gold import CALENDAR, FIRST
from tests.pipelines.table_rows import append

DAYS = CALENDAR.sessions(FIRST, CALENDAR.shift(FIRST, 29))
TEN = [f"S{number}" for number in range(10)]
LAST = DAYS[6]
CUT = CALENDAR.cutoff_at(LAST)
MICRO = timedelta(microseconds=1)


def bars(
    context: Context,
    session: date,
    symbols: Iterable[str],
    *,
    known_at: datetime | None = None,
    valid: bool = True,
    source: str = "simulated",
) -> None:
    """Append a bar of each symbol, known at its close if nothing else is said."""
    names = list(symbols)
    append(
        context.lake,
        SILVER_BARS,
        {
            "symbol": names,
            "session": [session] * len(names),
            "known_at": [known_at or CALENDAR.close_at(session)] * len(names),
            "valid": [valid] * len(names),
            "source": [source] * len(names),
            "month": [f"{session:%Y-%m}"] * len(names),
        },
    )


def polls(context: Context, **told: Any) -> None:
    """Append polls of the primary feed: a row a session."""
    count = len(told["session"])
    named = {"source": ["simulated"] * count, "kind": ["bars"] * count, "run_seq": list(range(count))}
    append(context.lake, OPS_POLLS, named | told)


@pytest.fixture
def context(open_home: Callable[..., Context], tmp_path: Path) -> Context:
    """Five complete sessions of ten symbols, of which one is there only three times."""
    home = open_home(tmp_path)
    for place, day in enumerate(DAYS[:5]):
        bars(home, day, TEN if place < 3 else TEN[:9])
    # The first poll of the fourth found it short; the next one, of a later run, did not.
    polls(
        home,
        session=[*DAYS[:3], DAYS[3], DAYS[3], DAYS[4], DAYS[5]],
        complete=[True, True, True, False, True, True, False],
    )
    return home


def test_a_session_needs_its_share_of_the_usual_symbols_by_its_cut(context: Context) -> None:
    # Nine symbols are usual: eight are needed.
    bars(context, LAST, TEN[:7])
    bars(context, LAST, TEN[7:8], known_at=CUT + MICRO)
    assert completeness_at_cut(context, LAST) == AtCut(session=LAST, known=7, needed=8, accepted=False)
    assert not completeness_at_cut(context, LAST).is_complete
    bars(context, LAST, TEN[8:9], known_at=CUT)
    assert completeness_at_cut(context, LAST).is_complete


def test_a_bar_that_was_retracted_by_the_cut_or_is_another_feeds_is_not_there(context: Context) -> None:
    bars(context, LAST, TEN[:8])
    bars(context, LAST, TEN[:1], known_at=CUT, valid=False)
    bars(context, LAST, TEN[8:], source="beside")
    assert completeness_at_cut(context, LAST).known == 7
    bars(context, LAST, TEN[1:2], known_at=CUT + MICRO, valid=False)
    assert completeness_at_cut(context, LAST).known == 7


def test_an_accepted_session_is_complete_as_it_is_and_counts_among_the_recent_ones(context: Context) -> None:
    bars(context, DAYS[5], TEN[:3])
    bars(context, LAST, TEN[:3])
    assert not completeness_at_cut(context, DAYS[5]).is_complete
    assert completeness_at_cut(context, LAST).needed == 8
    accepted = {"kind": ["partial"], "source": ["simulated"], "session": [DAYS[5]], "accepted_at": [CUT]}
    append(context.lake, OPS_ACCEPTANCES, accepted)
    assert completeness_at_cut(context, DAYS[5]) == AtCut(session=DAYS[5], known=3, needed=8, accepted=True)
    assert completeness_at_cut(context, DAYS[5]).is_complete
    # Of the five sessions 1 to 5 the first three symbols are in all, six more in four.
    assert completeness_at_cut(context, LAST).needed == 8


def test_nobody_can_accept_a_session_without_any_bar(context: Context) -> None:
    accepted = {"kind": ["partial"], "source": ["simulated"], "session": [LAST], "accepted_at": [CUT]}
    append(context.lake, OPS_ACCEPTANCES, accepted)
    assert not completeness_at_cut(context, LAST).is_complete


def test_before_five_complete_sessions_one_symbol_is_enough(context: Context) -> None:
    assert completeness_at_cut(context, DAYS[4]) == AtCut(session=DAYS[4], known=9, needed=1, accepted=False)


def test_where_nothing_was_ever_polled_one_symbol_is_enough(
    open_home: Callable[..., Context], tmp_path: Path
) -> None:
    home = open_home(tmp_path)
    assert completeness_at_cut(home, LAST) == AtCut(session=LAST, known=0, needed=1, accepted=False)
    for day in DAYS[:6]:
        bars(home, day, TEN)
    bars(home, LAST, TEN[:1])
    assert completeness_at_cut(home, LAST).is_complete


def test_many_sessions_are_answered_as_one_by_one(context: Context) -> None:
    for place, day in enumerate(DAYS[5:]):
        bars(context, day, TEN[: place % 11])
    together = completeness_at_cuts(context, DAYS)
    assert list(together) == DAYS
    assert together == {day: completeness_at_cut(context, day) for day in DAYS}
    assert pl.Series([found.is_complete for found in together.values()]).sum() == 5 + 2 * 3
