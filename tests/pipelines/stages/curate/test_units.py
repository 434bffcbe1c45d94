"""Announcements and seams weighed against one another, by hand, on every basis."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.stages.curate.units import Timeline, Units, announced_chains, weigh
from tests.pipelines.stages.curate.deliveries import cut

MOMENT = pl.Datetime("us", "UTC")
PLACED: dict[str, Any] = {
    "source": pl.String,
    "symbol": pl.String,
    "session": pl.Date,
    "position": pl.Int64,
    "event_timestamp": MOMENT,
    "known_at": MOMENT,
}
SAID = PLACED | {"said_at": MOMENT, "delivery": pl.String, "record_hash": pl.String}
ROWS = SAID | {"split": pl.Float64, "dividend": pl.Float64}
FEED = SAID | {"kind": pl.String, "value": pl.Float64}
SEAMS = PLACED | {"value": pl.Float64, "share_value": pl.Float64, "valid": pl.Boolean}
SEAMS |= {"delivered_at": MOMENT, "delivery": pl.String}
EX = 5
"""Place of the action."""


def placed(position: int, day: int) -> dict[str, Any]:
    return {
        "source": "feed",
        "symbol": "AAA",
        "session": cut(position).date(),
        "position": position,
        "event_timestamp": cut(position),
        "known_at": cut(day),
        "said_at": cut(day),
        "delivery": f"{day}.csv",
        "record_hash": f"{position}@{day}",
    }


def frame(rows: list[dict[str, Any]], schema: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


def on_row(day: int, *, split: float | None = 1.0, dividend: float | None = 0.0) -> dict[str, Any]:
    return placed(EX, day) | {"split": split, "dividend": dividend}


def in_feed(day: int, value: float, kind: str = "split", position: int = EX) -> dict[str, Any]:
    return placed(position, day) | {"kind": kind, "value": value}


def seam(
    day: int, value: float, *, position: int = EX, share: float | None = None, valid: bool = True
) -> dict[str, Any]:
    return placed(position, day) | {
        "value": value,
        "share_value": value if share is None else share,
        "valid": valid,
        "delivered_at": cut(day),
    }


def chains(rows: list[dict[str, Any]], feed: list[dict[str, Any]]) -> pl.DataFrame:
    return announced_chains(frame(rows, ROWS), frame(feed, FEED))


def told(actions: pl.DataFrame, kind: str) -> list[tuple[float | None, bool, datetime]]:
    own = actions.filter(pl.col("kind") == kind).sort("position", "known_at")
    return own.select("value", "valid", "known_at").rows()


def closes(told: dict[tuple[int, int], float]) -> pl.DataFrame:
    """Closes by place and by the day on which they were known."""
    rows = [placed(position, day) | {"close": close} for (position, day), close in told.items()]
    return frame(rows, PLACED | {"close": pl.Float64})


def weighed(
    feed: list[dict[str, Any]], seams: list[dict[str, Any]], bars: dict[tuple[int, int], float], basis: str
) -> Units:
    return weigh(chains([], feed), frame(seams, SEAMS), closes(bars), {"feed": basis})


def factor(units: Units, position: int = EX) -> list[tuple[datetime, float]]:
    line = units.factors[("feed", "AAA", position)]
    steps = list(zip(line.instants, line.states, strict=True))
    return [step for at, step in enumerate(steps) if not at or step[1] != steps[at - 1][1]]


def daily(values: dict[int, float]) -> dict[tuple[int, int], float]:
    return {(position, position): close for position, close in values.items()}


HALVED = daily({3: 100.0, 4: 100.0, 5: 50.0, 6: 51.0})
FLAT = daily({3: 100.0, 4: 100.0, 5: 100.0, 6: 101.0})


def test_a_timeline_says_what_was_known() -> None:
    line = Timeline([cut(1), cut(3)], ["a", "b"])
    assert [line.at(cut(day)) for day in (0, 1, 2, 3, 4)] == [None, "a", "a", "b", "b"]


def test_rows_announce_change_and_take_back() -> None:
    rows = [on_row(5, split=2.0), on_row(6, split=3.0), on_row(7, split=None), on_row(8), on_row(9)]
    assert told(chains(rows, []), "split") == [
        (2.0, True, cut(5)),
        (3.0, True, cut(6)),
        (None, False, cut(8)),
    ]


def test_rows_that_only_say_that_there_is_none_have_no_version() -> None:
    assert chains([on_row(5), on_row(6)], []).is_empty()


def test_a_feed_of_actions_is_heard_alone_from_when_it_first_speaks() -> None:
    rows = [on_row(5, split=2.0), on_row(7, split=4.0)]
    assert told(chains(rows, [in_feed(6, 3.0)]), "split") == [(2.0, True, cut(5)), (3.0, True, cut(6))]
    assert told(chains(rows, [in_feed(6, 2.0)]), "split") == [(2.0, True, cut(5))]
    assert told(chains(rows, [in_feed(6, 1.0)]), "split") == [(2.0, True, cut(5)), (None, False, cut(6))]


def test_the_feed_speaks_of_splits_and_the_rows_of_dividends_beside_one_another() -> None:
    both = chains([on_row(5, split=2.0, dividend=0.5)], [in_feed(4, 3.0)])
    assert told(both, "split") == [(3.0, True, cut(4))]
    assert told(both, "dividend") == [(0.5, True, cut(5))]


def test_of_words_known_at_one_instant_the_last_delivery_counts() -> None:
    first = in_feed(5, 3.0) | {"delivery": "b.csv"}
    assert told(chains([], [first, in_feed(5, 2.0) | {"delivery": "a.csv"}]), "split") == [
        (3.0, True, cut(5))
    ]


def test_an_announced_split_counts_for_raw_prices_at_once() -> None:
    units = weighed([in_feed(3, 2.0)], [], HALVED, "raw")
    assert factor(units) == [(cut(3), 2.0)]
    assert told(units.actions, "split") == [(2.0, True, cut(3))]
    assert told(units.actions, "rebase") == []


def test_raw_prices_that_go_on_contradict_a_split_from_then_on() -> None:
    units = weighed([in_feed(3, 2.0)], [], FLAT, "raw")
    assert factor(units) == [(cut(3), 2.0), (cut(5), 1.0)]
    assert told(units.actions, "split") == [(2.0, True, cut(3)), (2.0, False, cut(5))]


def test_a_split_too_small_to_be_seen_is_believed() -> None:
    assert factor(weighed([in_feed(3, 1.2)], [], FLAT, "raw")) == [(cut(3), 1.2)]


def test_restated_prices_take_an_announced_split_only_while_they_jump_by_it() -> None:
    assert factor(weighed([in_feed(3, 2.0)], [], FLAT, "split")) == [(cut(3), 1.0)]
    units = weighed([in_feed(3, 2.0)], [], HALVED, "split")
    assert factor(units) == [(cut(3), 1.0), (cut(5), 2.0)]
    assert told(units.actions, "rebase") == [(2.0, True, cut(5))]
    assert units.actions.filter(kind="rebase")["delivery"].to_list() == [None]


def test_a_bad_tick_on_the_ex_date_hides_a_split_until_the_next_session() -> None:
    ticked = daily({3: 100.0, 4: 100.0, 5: 19.0, 6: 33.0})
    units = weighed([in_feed(3, 3.0)], [], ticked, "split")
    assert factor(units) == [(cut(3), 1.0), (cut(6), 3.0)]
    assert told(units.actions, "rebase") == [(3.0, True, cut(6))]


def test_a_crash_after_a_split_that_was_restated_is_no_split() -> None:
    restated = daily({3: 100.0, 4: 100.0, 5: 99.0, 6: 33.0})
    assert factor(weighed([in_feed(3, 3.0)], [], restated, "split")) == [(cut(3), 1.0)]


def test_a_seam_without_an_announcement_is_a_rebase() -> None:
    units = weighed([], [seam(6, 2.0)], FLAT, "split")
    assert factor(units) == [(cut(6), 2.0)]
    assert told(units.actions, "rebase") == [(2.0, True, cut(6))]


def test_a_seam_stands_before_the_announcement_it_agrees_with() -> None:
    units = weighed([in_feed(3, 2.0)], [seam(5, 2.0)], HALVED, "split")
    assert factor(units) == [(cut(3), 1.0), (cut(5), 2.0)]
    assert units.actions.filter(kind="rebase").select("value", "delivery").rows() == [(2.0, "5.csv")]


def test_a_seam_that_says_what_the_announcement_said_is_kept_with_its_delivery() -> None:
    units = weighed([in_feed(3, 2.0)], [seam(6, 2.0)], HALVED, "split")
    assert units.actions.filter(kind="rebase").select("value", "delivery", "known_at").rows() == [
        (2.0, None, cut(5)),
        (2.0, "6.csv", cut(6)),
    ]


def test_a_seam_that_goes_back_leaves_no_change() -> None:
    units = weighed([], [seam(6, 2.0), seam(7, 1.0, valid=False)], FLAT, "split")
    assert factor(units) == [(cut(6), 2.0), (cut(7), 1.0)]


def test_a_split_withdrawn_takes_its_rebase_along() -> None:
    units = weighed([in_feed(3, 2.0), in_feed(7, 1.0)], [], HALVED, "split")
    assert told(units.actions, "rebase") == [(2.0, True, cut(5)), (None, False, cut(7))]


@pytest.mark.parametrize("basis", ["raw", "split"])
def test_a_split_whose_halt_a_seam_has_already_crossed_is_not_applied_again(basis: str) -> None:
    # No bars on places 3 and 4; the restated past ended on place 2, so that the seam lies on place 3.
    bars = {(2, 2): 100.0, (5, 5): 50.0}
    units = weighed([in_feed(6, 2.0)], [seam(5, 2.0, position=3)], bars, basis)
    assert factor(units)[-1][1] == 1.0
    assert factor(units, 3) == [(cut(5), 2.0)]


def test_a_late_bar_beside_a_split_changes_nothing_that_was_known_before_it() -> None:
    bars = daily({3: 100.0, 4: 100.0, 6: 101.0})
    before = weighed([in_feed(3, 2.0)], [], bars, "raw")
    after = weighed([in_feed(3, 2.0)], [], {**bars, (5, 8): 50.0}, "raw")
    assert factor(before) == [(cut(3), 2.0), (cut(6), 1.0)]
    assert factor(after) == [(cut(3), 2.0), (cut(6), 1.0), (cut(8), 2.0)]


def test_dividends_pass_through() -> None:
    units = weighed([in_feed(4, 0.5, "dividend")], [], FLAT, "split")
    assert told(units.actions, "dividend") == [(0.5, True, cut(4))]
    assert units.factors == {}


_days = st.integers(2, 9)


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(_days, st.sampled_from([2.0, 3.0, 1.0]), max_size=3),
    st.dictionaries(_days, st.sampled_from([2.0, 3.0]), max_size=2),
    st.dictionaries(st.tuples(st.integers(2, 7), _days), st.sampled_from([100.0, 50.0]), max_size=8),
    st.sampled_from(["raw", "split"]),
    _days,
)
def test_what_is_known_later_changes_nothing_known_before(
    said: dict[int, float], shown: dict[int, float], bars: dict[tuple[int, int], float], basis: str, now: int
) -> None:
    def until(day: int) -> Units:
        return weighed(
            [in_feed(heard, value) for heard, value in said.items() if heard <= day],
            [seam(heard, value) for heard, value in shown.items() if heard <= day],
            {(place, known): close for (place, known), close in bars.items() if known <= day},
            basis,
        )

    order = ("kind", "known_at")
    after = until(99).actions.filter(pl.col("known_at") <= cut(now)).sort(order)
    assert after.equals(until(now).actions.sort(order))
