"""A symbol that looks like another one under a new name is told of; three equal bars are needed."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from pipelines.stages.curate.renames import find_renames

DAYS = [date(2024, 1, day) for day in (2, 3, 4, 5)]


def bars(symbol: str, closes: list[float | None], source: str = "feed") -> pl.DataFrame:
    days = DAYS[: len(closes)]
    prices = {name: [None if close is None else 10.0 for close in closes] for name in ("open", "high", "low")}
    columns = {"source": [source] * len(days), "symbol": [symbol] * len(days), "session": days}
    return pl.DataFrame({**columns, **prices, "close": closes, "volume": [1000.0] * len(days)})


def test_three_equal_bars_are_named_with_the_last_of_them() -> None:
    (told,) = find_renames(bars("META", [10.0, 10.5, 11.0]), bars("FB", [10.0, 10.5, 11.0, 12.0]))
    assert told.startswith(
        "feed: META looks like FB under a new name: 3 sessions up to 2024-01-04 are the same"
    )


@pytest.mark.parametrize(
    ("closes", "source"),
    [
        ([10.0, 10.5], "feed"),
        ([10.0, 10.5, 11.1], "feed"),
        ([10.0, 10.5, None], "feed"),
        ([10.0, 10.5, 11.0], "other"),
    ],
)
def test_two_equal_bars_or_those_of_another_feed_are_chance(closes: list[float | None], source: str) -> None:
    assert find_renames(bars("META", closes), bars("FB", [10.0, 10.5, 11.0], source)) == []


def test_versions_of_one_session_count_once() -> None:
    twice = pl.concat([bars("FB", [10.0, 10.5])] * 2)
    assert find_renames(bars("META", [10.0, 10.5, 11.0]), twice) == []


def test_several_names_are_told_in_their_order() -> None:
    fresh = pl.concat([bars("NEW", [10.0, 10.5, 11.0]), bars("ALSO", [10.0, 10.5, 11.0])])
    told = find_renames(fresh, bars("OLD", [10.0, 10.5, 11.0]))
    assert [one.split(" looks like ")[0] for one in told] == ["feed: ALSO", "feed: NEW"]
