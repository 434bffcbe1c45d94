"""When sessions are evaluated, and with which view."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import polars as pl

from pipelines.stages.build_features.evaluations import (
    as_of,
    evaluate_chains,
    latest_known,
    plan_evaluations,
    sort_versions,
    split_chains,
    split_far_sessions,
)
from pipelines.tables.session_grid import SessionGrid

START = datetime(2024, 7, 1, 13, tzinfo=UTC)


def decision(position: int) -> datetime:
    return START + timedelta(days=position)


TOUCHED = {position: decision(position) for position in range(4)}


CUTS = [decision(position) for position in range(20)]


def test_a_healthy_history_is_evaluated_in_one_go() -> None:
    assert plan_evaluations(TOUCHED, [], cuts=CUTS, lookback=3) == [(decision(3), TOUCHED)]


def test_a_late_change_splits_off_the_sessions_decided_without_it() -> None:
    plan = dict(plan_evaluations(TOUCHED, [(1, decision(2))], cuts=CUTS, lookback=3))
    assert plan[decision(1)] == {1: decision(1)}
    assert plan[decision(3)] == {0: decision(0), 1: decision(2), 2: decision(2), 3: decision(3)}
    assert len(plan) == 2


def test_a_change_after_the_last_decision_revises_only_what_looks_back_to_it() -> None:
    late = decision(9)
    plan = dict(plan_evaluations(TOUCHED, [(1, late)], cuts=CUTS, lookback=2))
    revised = {0: decision(0), 1: late, 2: late, 3: decision(3)}
    assert plan == {decision(8): {1: decision(1), 2: decision(2)}, late: revised}


def test_sessions_before_one_late_change_are_seen_together_just_before_it() -> None:
    touched = {position: decision(position) for position in range(10)}
    plan = dict(plan_evaluations(touched, [(2, decision(7))], cuts=CUTS, lookback=100))
    assert plan[decision(6)] == {position: decision(position) for position in range(2, 7)}
    assert plan[decision(9)] == {
        position: decision(7) if 2 <= position < 7 else decision(position) for position in range(10)
    }
    assert len(plan) == 2


def test_no_session_is_seen_at_an_instant_at_which_it_was_another() -> None:
    random = Random(5)
    for _ in range(50):
        lookback, touched = random.randint(1, 6), {place: decision(place) for place in range(12)}
        drawn = {(random.randint(0, 11), random.randint(1, 19)) for _ in range(random.randint(0, 9))}
        late = [(place, decision(at)) for place, at in sorted(drawn) if at > place]
        seen = {}
        for instant, members in plan_evaluations(touched, late, cuts=CUTS, lookback=lookback):
            for place, stands_for in members.items():
                own = [at for one, at in late if place - lookback < one <= place and at > decision(place)]
                assert stands_for in {decision(place), *own}
                assert not any(stands_for < at <= instant for at in own)
                assert instant >= stands_for
                seen[place, stands_for] = seen.get((place, stands_for), 0) + 1
        wanted = {(place, decision(place)) for place in touched} | {
            (place, at)
            for place in touched
            for one, at in late
            if place - lookback < one <= place and at > decision(place)
        }
        assert seen == dict.fromkeys(wanted, 1)


def test_what_lies_far_apart_is_evaluated_apart() -> None:
    members = {place: decision(place) for place in (1, 3, 9, 10)}
    runs = split_far_sessions(members, lookback=5)
    assert [list(run) for run in runs] == [[1, 3], [9, 10]]
    assert split_far_sessions({}, lookback=5) == []


def test_nothing_touched_is_nothing_planned() -> None:
    assert plan_evaluations({}, [(1, decision(2))], cuts=CUTS, lookback=3) == []


def days() -> SessionGrid:
    return SessionGrid(
        frame=pl.DataFrame(
            {
                "session": [decision(place).date() for place in range(12)],
                "event_timestamp": [decision(place) - timedelta(hours=17) for place in range(12)],
                "cutoff_at": [decision(place) for place in range(12)],
                "position": list(range(12)),
            }
        )
    )


def versions(*rows: tuple[int, float, float]) -> pl.DataFrame:
    """(position, days after its decision at which it is known, value)."""
    frame = pl.DataFrame(
        {
            "symbol": ["A"] * len(rows),
            "session": [decision(place).date() for place, _, _ in rows],
            "known_at": [decision(place) + timedelta(days=lag) for place, lag, _ in rows],
            "value": [value for _, _, value in rows],
        }
    )
    return days().placed(frame)


def total(view: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
    """A sum over two sessions: the simplest value that looks back."""
    rows = view.sort("position").with_columns(total=pl.col("value") + pl.col("value").shift(1).fill_null(0.0))
    return rows.filter(pl.col("position").is_between(first, last)).select("position", "total")


def chains(rows: pl.DataFrame, touched: dict[int, datetime]) -> list[tuple[int, int, float]]:
    key = ("symbol", "position")
    found = evaluate_chains(
        sort_versions(rows, key), key=key, touched=touched, grid=days(), lookback=2, evaluate=total
    )
    if found is None:
        return []
    ordered = found.sort("position", "evaluated_at")
    decided = ((ordered["evaluated_at"] - START).dt.total_days()).to_list()
    return list(zip(ordered["position"], decided, ordered["total"], strict=True))


def test_a_correction_is_a_second_value_from_its_decision_on() -> None:
    rows = versions((0, -0.5, 1.0), (1, -0.5, 2.0), (2, -0.5, 4.0), (1, 1.5, 20.0))
    assert chains(rows, {place: decision(place) for place in range(3)}) == [
        (0, 0, 1.0),
        (1, 1, 3.0),
        (1, 3, 21.0),
        (2, 2, 6.0),
        (2, 3, 24.0),
    ]


def test_evaluating_one_session_gives_what_evaluating_all_gives() -> None:
    rows = versions((0, -0.5, 1.0), (1, -0.5, 2.0), (2, -0.5, 4.0), (1, 1.5, 20.0), (3, 0.2, 8.0))
    every = chains(rows, TOUCHED)
    alone = [state for place in TOUCHED for state in chains(rows, {place: decision(place)})]
    assert sorted(alone) == sorted(every)


def test_what_was_evaluated_again_is_told_from_what_was_not() -> None:
    rows = pl.DataFrame({"symbol": ["A", "A", "B"], "session": [1, 1, 1], "value": [1.0, 2.0, 3.0]})
    once, again = split_chains(rows, ("symbol", "session"))
    assert (once["value"].to_list(), again["value"].to_list()) == ([3.0], [1.0, 2.0])
    once, again = split_chains(rows.tail(2), ("symbol", "session"))
    assert (once.height, again.height) == (2, 0)


def test_a_view_holds_the_newest_version_known() -> None:
    rows = sort_versions(versions((1, 1.5, 20.0), (1, -0.5, 2.0)), ("symbol", "position"))
    assert as_of(rows, ("symbol", "position"), decision(2))["value"].to_list() == [2.0]
    assert as_of(rows, ("symbol", "position"), decision(3))["value"].to_list() == [20.0]


def test_inputs_are_known_when_the_last_of_the_look_back_is() -> None:
    rows = versions((0, 3.0, 1.0), (1, -0.5, 2.0), (2, -0.5, 4.0))
    known = latest_known(rows, days(), 1, 2, lookback=2)
    assert known["inputs_known_at"].to_list() == [decision(3), decision(2) - timedelta(hours=12)]
