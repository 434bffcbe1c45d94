"""Bad ticks are flagged, then retracted; real moves stay."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipelines.stages.curate.params import CurateParams
from pipelines.stages.curate.ticks import judge_suspects, sessions_read, suspect_bars

PARAMS = CurateParams(
    suspect_move=0.25,
    revert_share=0.25,
    turnover_multiple=3.0,
    usual_sessions=5,
    stale_sessions=5,
    jump_tolerance=0.1,
)
MORNING = datetime(2024, 7, 1, 21, tzinfo=UTC)


def bars(*closes: float, units: dict[int, float] | None = None, **others: dict[int, float]) -> pl.DataFrame:
    """One bar a day, known a day apart; every price is the close, the volume 100 but where `others` says."""
    rows = [
        {
            "symbol": "A",
            "position": place,
            "known_at": MORNING + timedelta(days=place),
            "open": close,
            "high": close,
            "low": close,
            "close": close,
            "volume": 100.0,
            "unit": (units or {}).get(place, 1.0),
        }
        | {name: by_place[place] for name, by_place in others.items() if place in by_place}
        for place, close in enumerate(closes)
    ]
    return pl.DataFrame(rows)


def judged(records: pl.DataFrame) -> list[tuple[int, int, bool, bool]]:
    """(position, day known, suspect, valid) of each judged version."""
    found = judge_suspects(records, suspect_bars(records, PARAMS), PARAMS).sort("position", "known_at")
    days = ((found["known_at"] - MORNING).dt.total_days()).to_list()
    return list(zip(found["position"], days, found["suspect"], found["valid"], strict=True))


def test_a_tick_that_comes_back_is_retracted_when_the_next_bar_is_known() -> None:
    states = judged(bars(44.0, 31.0, 43.0))
    assert states == [(1, 1, True, True), (1, 2, True, False), (2, 2, False, True)]


def test_a_crash_that_does_not_come_back_is_never_retracted() -> None:
    assert judged(bars(44.0, 31.0, 32.0)) == [(1, 1, True, True), (1, 2, True, True)]


def test_half_a_recovery_is_not_a_bad_tick() -> None:
    assert all(valid for _, _, _, valid in judged(bars(44.0, 31.0, 38.0)))


def test_a_split_is_no_move() -> None:
    assert suspect_bars(bars(100.0, 50.0, 51.0, units={1: 2.0}), PARAMS).is_empty()


def test_a_corrected_neighbour_takes_the_retraction_back() -> None:
    correction = bars(44.0, 31.0, 31.5).filter(pl.col("position") == 2)
    late = correction.with_columns(pl.col("known_at") + timedelta(days=2))
    states = [state for state in judged(pl.concat([bars(44.0, 31.0, 43.0), late])) if state[0] == 1]
    assert states == [(1, 1, True, True), (1, 2, True, False), (1, 4, True, True)]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_the_order_of_the_records_does_not_matter(order: list[int]) -> None:
    records = bars(44.0, 31.0, 43.0)
    assert judged(records[order]) == judged(records)


def test_a_retracted_bar_keeps_its_actions_but_no_price() -> None:
    records = bars(44.0, 31.0, 43.0)
    last = judge_suspects(records, suspect_bars(records, PARAMS), PARAMS).filter(~pl.col("valid"))
    assert last.select("open", "high", "low", "close", "volume").rows() == [(None,) * 5]
    assert last["unit"].to_list() == [1.0]


QUIET = (44.0,) * 5


def test_a_move_on_heavy_turnover_is_real_though_it_comes_back() -> None:
    # At the price of the session before: 300 x 44 is three times the usual 100 x 44.
    assert [state[3] for state in judged(bars(*QUIET, 31.0, 43.0, volume={5: 299.0}))] == [True, False, True]
    assert all(state[3] for state in judged(bars(*QUIET, 31.0, 43.0, volume={5: 300.0})))


def test_a_split_changes_no_turnover() -> None:
    # 500 new shares at half the price are 250 old ones.
    split = bars(*QUIET, 15.5, 21.5, volume={5: 500.0}, units={5: 2.0})
    assert [state[3] for state in judged(split)] == [True, False, True]


@pytest.mark.parametrize(
    "volume", [{5: 900.0, 1: 0.0, 2: 0.0, 3: 0.0}, {5: 0.0}], ids=["usual unreported", "bar without volume"]
)
def test_where_volume_cannot_speak_prices_judge(volume: dict[int, float]) -> None:
    assert [state[3] for state in judged(bars(*QUIET, 31.0, 43.0, volume=volume))] == [True, False, True]


def test_too_few_sessions_have_no_usual_turnover() -> None:
    heavy = bars(*QUIET[1:], 31.0, 43.0, volume={4: 900.0})
    assert [state[3] for state in judged(heavy)] == [True, False, True]


def test_volume_that_does_not_follow_a_restated_reverse_split_makes_no_crash_a_tick() -> None:
    # The past was restated in price alone: ten old sessions show ten times the turnover of the last three.
    past = dict.fromkeys(range(10), 1000.0)
    crash = bars(*(44.0,) * 13, 31.0, 43.0, volume={**past, 13: 900.0})
    params = replace(PARAMS, usual_sessions=10)
    found = judge_suspects(crash, suspect_bars(crash, params), params)
    assert found["valid"].all()
    calm = crash.with_columns(volume=pl.when(pl.col("position") == 13).then(100.0).otherwise("volume"))
    assert not judge_suspects(calm, suspect_bars(calm, params), params)["valid"].all()


def test_sessions_without_volume_do_not_make_the_usual_turnover_none() -> None:
    idle = dict.fromkeys((8, 9, 10), 0.0)
    heavy = bars(*(44.0,) * 11, 31.0, 43.0, volume={**idle, 11: 300.0})
    params = replace(PARAMS, usual_sessions=10)
    assert judge_suspects(heavy, suspect_bars(heavy, params), params)["valid"].all()


def test_a_price_at_which_the_next_session_opens_is_real() -> None:
    assert all(state[3] for state in judged(bars(*QUIET, 31.0, 43.0, open={6: 33.0})))


def test_usual_turnover_is_what_was_known_at_the_instant() -> None:
    records = bars(*QUIET, 31.0, 43.0, volume={5: 250.0})
    # Two days after the retraction three earlier volumes prove smaller: the bar was heavily traded after all.
    smaller = records.filter(pl.col("position").is_in([1, 2, 3])).with_columns(
        volume=pl.lit(50.0), known_at=pl.lit(MORNING + timedelta(days=8))
    )
    states = [state for state in judged(pl.concat([records, smaller])) if state[0] == 5]
    assert states == [(5, 5, True, True), (5, 6, True, False), (5, 8, True, True)]


def test_a_judgement_reads_no_other_sessions_than_it_says() -> None:
    before, after = sessions_read(PARAMS)
    records = bars(*(10.0,) * 4, *QUIET, 31.0, 43.0, 44.0, volume={0: 1e9, 1: 1e9, 2: 1e9})
    suspects = suspect_bars(records, PARAMS).filter(pl.col("position") == 9)
    near = records.filter(pl.col("position").is_between(9 - before, 9 + after))
    assert judge_suspects(near, suspects, PARAMS).equals(judge_suspects(records, suspects, PARAMS))


def test_the_future_changes_no_earlier_judgement() -> None:
    records = bars(*QUIET, 31.0, 43.0, 29.0, 44.0, 70.0, volume={7: 1000.0})
    suspects = suspect_bars(records, PARAMS)
    for day in range(5, 10):
        cut = MORNING + timedelta(days=day)
        known, later = records.filter(pl.col("known_at") <= cut), pl.col("known_at") > cut
        then = judge_suspects(known, suspect_bars(known, PARAMS), PARAMS)
        assert then.equals(judge_suspects(records, suspects, PARAMS).filter(~later))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"turnover_multiple": 1.0}, "turnover_multiple=1.0 must be larger than 1"),
        ({"usual_sessions": 4}, "usual_sessions=4 must be at least 5"),
    ],
)
def test_settings_without_sense_are_refused(setting: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(PARAMS, **setting)
