"""What makes a row a new version, beside a plain loop."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from pipelines.tables.version_chains import drop_repeated_states

NOON = datetime(2024, 1, 2, 12, tzinfo=UTC)
Row = tuple[str, datetime, float | None]


def kept_by_a_loop(rows: list[Row]) -> list[Row]:
    said: dict[str, float | None] = {}
    kept = []
    for symbol, known_at, value in sorted(rows, key=lambda row: row[:2]):
        if symbol not in said or said[symbol] != value:
            kept.append((symbol, known_at, value))
        said[symbol] = value
    return kept


@pytest.mark.parametrize("seed", range(20))
def test_only_a_repeat_of_the_state_just_before_is_no_version(seed: int) -> None:
    rng = random.Random(seed)
    rows: list[Row] = [
        (symbol, NOON + timedelta(minutes=minute), rng.choice([None, 1.0, 2.0]))
        for symbol in ("A", "B", "C")
        for minute in rng.sample(range(50), rng.randint(0, 9))
    ]
    schema = {"symbol": pl.String, "known_at": pl.Datetime("us", "UTC"), "value": pl.Float64}
    frame = pl.DataFrame(rng.sample(rows, len(rows)), schema=schema, orient="row")
    assert drop_repeated_states(frame, ["symbol"], ["value"]).rows() == kept_by_a_loop(rows)


def test_the_first_row_of_a_key_stays_though_it_says_what_the_key_before_said() -> None:
    rows = pl.DataFrame({"symbol": ["A", "B"], "known_at": [NOON, NOON], "value": [None, None]})
    assert drop_repeated_states(rows, ["symbol"], ["value"])["symbol"].to_list() == ["A", "B"]
