"""Jumps by hand: what makes one wait, what explains it, and since when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.stages.curate.jumps import JumpRules, unexplained_jumps
from pipelines.stages.curate.units import Timeline
from tests.pipelines.stages.curate.deliveries import cut

FEED = ("feed", "AAA")
CLOSES = {0: 100.0, 1: 101.0, 2: 50.5, 3: 51.0, 4: 50.0, 5: 52.0, 6: 51.0}
"""A move by a half on place 2."""
WAITING = (2, 0.5, True, cut(2))


def bar(position: int, close: float, day: int | None = None, **columns: Any) -> dict[str, Any]:
    """One record: known on the evening of its session unless said otherwise, in that day's delivery."""
    day = position if day is None else day
    return {
        "source": FEED[0],
        "symbol": FEED[1],
        "position": position,
        "session": cut(position).date(),
        "event_timestamp": cut(position) - timedelta(hours=1),
        "close": close,
        "valid": True,
        "known_at": cut(day),
        "landed_at": cut(day),
        "said_at": cut(day),
        "delivery": f"{day}.csv",
        "overlap": 0,
        "answered": False,
        **columns,
    }


def days(until: int = 6, **columns: Any) -> list[dict[str, Any]]:
    """The bars up to a place, one delivery a day."""
    return [bar(place, close, **columns) for place, close in CLOSES.items() if place <= until]


def rules(basis: str = "split", **changes: Any) -> JumpRules:
    told: dict[str, Any] = {"asked": (), "accepted": {}, **changes}
    return JumpRules(tolerance=0.1, price_basis={"feed": basis}, **told)


def states(
    records: Sequence[Mapping[str, Any]],
    how: JumpRules | None = None,
    factors: Mapping[Any, Timeline] | None = None,
    retracted: Sequence[Mapping[str, Any]] = (),
) -> list[tuple[int, float, bool, datetime]]:
    """Return place, ratio, whether it waits and since when of every version."""
    schema = dict.fromkeys(("position", "overlap"), pl.Int64)
    schema |= {
        name: pl.Datetime("us", "UTC") for name in ("known_at", "said_at", "landed_at", "event_timestamp")
    }
    accepted = pl.DataFrame(records, schema_overrides=schema, infer_schema_length=None)
    versions = pl.DataFrame([*records, *retracted], schema_overrides=schema, infer_schema_length=None)
    found = unexplained_jumps(versions, accepted, factors or {}, how or rules())
    return [
        (position, round(value, 3), valid, known_at)
        for position, value, valid, known_at in found.select("position", "value", "valid", "known_at").rows()
    ]


def split(ratio: float, day: int, position: int = 2) -> dict[Any, Timeline]:
    return {(*FEED, position): Timeline([cut(day)], [ratio])}


def test_a_jump_waits_while_nothing_is_said_of_it() -> None:
    assert states(days()) == [WAITING]


@pytest.mark.parametrize(
    ("after", "waits"), [(0.72, True), (0.75, False), (1.35, False), (1.38, True), (0.3, True)]
)
def test_only_a_move_near_a_simple_ratio_is_one(after: float, waits: bool) -> None:
    # 1 / 1.5 within ten percent is 0.606 to 0.733; upwards 1.5 is 1.364 to 1.65.
    assert bool(states([bar(0, 100.0), bar(1, 100.0), bar(2, 100.0 * after)])) is waits


def test_three_later_sessions_in_the_file_that_holds_the_jump_explain_it() -> None:
    records = [
        bar(place, close, known_at=cut(place), said_at=cut(9), delivery="all")
        for place, close in CLOSES.items()
    ]
    assert states(records) == [WAITING, (2, 0.5, False, cut(5))]


def test_a_file_that_begins_with_the_jump_does_not_explain_it() -> None:
    own = {"said_at": cut(9), "delivery": "all"}
    records = days(1) + [bar(place, close, **own) for place, close in CLOSES.items() if place >= 2]
    assert states(records) == [WAITING]


@pytest.mark.parametrize(("overlap", "explained"), [(2, False), (3, True)])
def test_deliveries_that_repeat_the_past_unchanged_explain_it(overlap: int, explained: bool) -> None:
    assert states(days(overlap=overlap)) == [WAITING, *[(2, 0.5, False, cut(5))] * explained]


def test_two_later_sessions_are_too_few() -> None:
    assert states(days(4, overlap=5)) == [WAITING]


def test_a_missing_bar_between_is_no_session_that_shows_none() -> None:
    with_gap = [one for one in days(overlap=5) if one["position"] != 4]
    assert states(with_gap) == [WAITING, (2, 0.5, False, cut(6))]


def test_rows_that_answer_explain_a_raw_one_and_overlaps_do_not() -> None:
    assert states(days(overlap=9), rules("raw")) == [WAITING]
    assert states(days(answered=True), rules("raw")) == [WAITING, (2, 0.5, False, cut(5))]


def test_an_answered_poll_of_actions_explains_a_raw_one_from_when_it_is_known() -> None:
    asked = (cut(0), cut(5), cut(5))
    assert states(days(), rules("raw", asked=[asked])) == [WAITING, (2, 0.5, False, cut(5))]
    late = (cut(0), cut(5), cut(8))
    assert states(days(), rules("raw", asked=[late])) == [WAITING, (2, 0.5, False, cut(8))]
    short = (cut(0), cut(4), cut(4))
    assert states(days(), rules("raw", asked=[short])) == [WAITING]


def test_a_poll_that_was_read_with_its_bars_is_known_as_they_are() -> None:
    load = [bar(place, close, landed_at=cut(90)) for place, close in CLOSES.items()]
    told = states(load, rules("raw", asked=[(cut(0), cut(60), cut(90))]))
    assert told == [WAITING, (2, 0.5, False, cut(5))]


def test_a_person_explains_it_from_the_hour_of_the_word() -> None:
    hour = cut(3) + timedelta(hours=2)
    assert states(days(), rules(accepted={(*FEED, 2): [hour]})) == [WAITING, (2, 0.5, False, hour)]
    assert states(days(), rules(accepted={(*FEED, 3): [hour]})) == [WAITING]


def test_a_change_of_units_that_is_told_in_time_leaves_no_jump() -> None:
    assert states(days(), factors=split(2.0, day=1)) == []


def test_a_change_of_units_that_is_told_late_explains_it_then() -> None:
    assert states(days(), factors=split(2.0, day=4)) == [WAITING, (2, 0.5, False, cut(4))]


def test_a_change_of_units_that_prices_do_not_follow_is_a_jump_itself() -> None:
    flat = [bar(place, 100.0) for place in range(4)]
    assert states(flat, factors=split(2.0, day=1)) == [(2, 2.0, True, cut(2))]


def test_a_change_of_units_on_a_session_without_a_bar_counts_for_the_next_one() -> None:
    gap = [one for one in days() if one["position"] != 2]
    assert states(gap, factors=split(2.0, day=1)) == []
    assert states(gap) == [(3, 0.505, True, cut(3))]


def test_a_retracted_tick_waits_no_longer() -> None:
    tick = [bar(0, 100.0), bar(1, 101.0), bar(2, 50.5), bar(3, 101.0)]
    back = bar(2, 50.5, 3) | {"close": None, "valid": False}
    assert states(tick, retracted=[back]) == [WAITING, (2, 0.5, False, cut(3))]


def test_the_way_back_from_a_retracted_tick_is_told_from_the_bar_before_it() -> None:
    tick = [bar(0, 100.0), bar(1, 101.0), bar(2, 50.5), bar(3, 50.0)]
    back = bar(2, 50.5, 3) | {"close": None, "valid": False}
    assert states(tick, retracted=[back]) == [
        WAITING,
        (2, 0.5, False, cut(3)),
        (3, 0.495, True, cut(3)),
    ]


def test_a_corrected_close_ends_it_and_a_second_one_begins_it_again() -> None:
    records = [*days(3), bar(2, 101.0, 4), bar(2, 50.5, 5)]
    assert [one for one in states(records) if one[0] == 2] == [
        WAITING,
        (2, 0.5, False, cut(4)),
        (2, 0.5, True, cut(5)),
    ]


def test_bars_that_fill_a_halt_later_leave_what_was_known_of_the_jump_after_it() -> None:
    halted = [bar(0, 100.0), bar(5, 50.0)]
    assert states(halted) == [(5, 0.5, True, cut(5))]
    filled = [*halted, *(bar(place, 100.0, 7) for place in (1, 2, 3, 4))]
    assert states(filled) == [(5, 0.5, True, cut(5))]


_events = st.lists(
    st.tuples(
        st.integers(0, 7), st.sampled_from([100.0, 50.0, 101.0, 33.0]), st.integers(0, 4), st.booleans()
    ),
    min_size=4,
    max_size=14,
)


@settings(max_examples=40, deadline=None)
@given(_events, st.sampled_from(["raw", "split"]), st.integers(0, 10), st.integers(0, 10), st.integers(0, 9))
def test_what_is_known_later_changes_no_state_known_before(
    events: list[tuple[int, float, int, bool]], basis: str, told: int, polled: int, now: int
) -> None:
    newest: dict[tuple[int, datetime], dict[str, Any]] = {}
    for position, close, late, shows in events:
        one = bar(position, close, position + late, overlap=3 * shows, answered=shows)
        newest[position, one["known_at"]] = one
    how = rules(basis, asked=[(cut(0), cut(6), cut(polled))])
    factors = split(2.0, told, position=3)
    known = [one for one in newest.values() if one["known_at"] <= cut(now)]
    asked = [one for one in how.asked if one[2] <= cut(now)]
    before = states(known, rules(basis, asked=asked), factors if told <= now else {}) if known else []
    assert [one for one in states(list(newest.values()), how, factors) if one[3] <= cut(now)] == before
