"""Bad ticks are flagged, then retracted; real moves stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipelines.stages.curate.params import CurateParams
from pipelines.stages.curate.ticks import judge_suspects, suspect_bars

PARAMS = CurateParams(
    suspect_move=0.25,
    revert_share=0.25,
    stale_sessions=5,
)
MORNING = datetime(2024, 7, 1, 21, tzinfo=UTC)


def bars(*closes: float, splits: dict[int, float] | None = None) -> pl.DataFrame:
    """One bar a day, known a day apart."""
    rows = [
        {
            "symbol": "A",
            "position": place,
            "known_at": MORNING + timedelta(days=place),
            "open": close,
            "high": close,
            "low": close,
            "close": close,
            "volume": 1.0,
            "split": (splits or {}).get(place, 1.0),
        }
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
    assert suspect_bars(bars(100.0, 50.0, 51.0, splits={1: 2.0}), PARAMS).is_empty()


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
    assert last["split"].to_list() == [1.0]
