"""Which blocks a row goes to, and which view is built; what a block computes is tested end to end."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import polars as pl
import pytest

from features.sessions import SessionCalendar
from features.views import VIEWS, primary_view
from pipelines.stages.build_features.built_tables import FeatureTable
from pipelines.stages.build_features.steps import Exchange, build_block, cut_sessions, mark_blocks
from pipelines.tables.session_grid import SessionGrid

FIRST = date(2024, 7, 1)
DAYS = SessionGrid(
    frame=pl.DataFrame(
        {
            "session": [FIRST, date(2024, 7, 2), date(2024, 7, 3), date(2024, 7, 5), date(2024, 7, 8)],
            "event_timestamp": [datetime(2024, 7, day, 20, tzinfo=UTC) for day in (1, 2, 3, 5, 8)],
            "cutoff_at": [datetime(2024, 7, day, 12, tzinfo=UTC) for day in (2, 3, 5, 8, 9)],
            "position": [10, 11, 12, 13, 14],
        },
        schema_overrides={"position": pl.Int64},
    )
)
ROWS = pl.DataFrame(
    {
        "symbol": ["A"] * 6,
        "session": [*DAYS.frame["session"], date(2024, 7, 6)],
        "close": [1.0, 2, 3, 4, 5, 6],
    }
)


def placed(*, size: int, lookback: int, wanted: set[int] | None = None) -> list[tuple[float, int]]:
    marked = mark_blocks(ROWS, grid=DAYS, size=size, lookback=lookback, wanted=wanted)
    assert marked.columns == ["symbol", "session", "close", "block"]
    return sorted(marked.select("close", "block").rows())


def test_without_a_look_back_each_row_has_one_block_and_a_day_off_none() -> None:
    assert placed(size=2, lookback=1) == [(1.0, 5), (2.0, 5), (3.0, 6), (4.0, 6), (5.0, 7)]


def test_a_block_gets_the_sessions_that_its_look_back_needs() -> None:
    # Block 6 holds positions 12 and 13; three sessions of look-back reach from 12 to 10.
    found = placed(size=2, lookback=3)
    assert [close for close, block in found if block == 6] == [1.0, 2.0, 3.0, 4.0]
    assert [close for close, block in found if block == 7] == [3.0, 4.0, 5.0]


@pytest.mark.parametrize("wanted", [{6}, {5, 7}])
def test_only_wanted_blocks_are_returned(wanted: set[int]) -> None:
    everything = placed(size=2, lookback=3)
    assert placed(size=2, lookback=3, wanted=wanted) == [row for row in everything if row[1] in wanted]


@pytest.mark.parametrize(
    ("positions", "size", "runs"),
    [
        ([], 3, []),
        (range(4, 11), 3, [(4, 6), (7, 9), (10, 10)]),
        (range(4, 12), 6, [(4, 7), (8, 11)]),
        ([4, 5, 90, 92], 10, [(4, 5), (90, 92)]),
    ],
)
def test_sessions_are_cut_into_runs_of_about_equal_length(
    positions: Sequence[int], size: int, runs: list[tuple[int, int]]
) -> None:
    assert cut_sessions(positions, size) == runs


def test_a_view_that_the_worker_has_not_registered_is_built():
    daily = primary_view()
    view = replace(daily, name="features_of_the_driver", features=(daily.features[0],), compute=take_close)
    assert view.name not in VIEWS
    rows = DAYS.frame.select(
        "session", pl.lit("A").alias("symbol"), pl.col("event_timestamp").alias("known_at"), block=pl.lit(2)
    )
    prices = {name: pl.lit(7.5) for name in view.columns} | {
        "valid": pl.lit(value=True),
        "record": pl.lit("bar"),
    }
    built = build_block(
        rows.with_columns(**prices),
        table=pickle.loads(pickle.dumps(FeatureTable(view=view))),  # noqa: S301 (as a Spark worker gets it)
        exchange=Exchange(grid=DAYS, last=date(2024, 7, 5), calendar=SessionCalendar()),
        block_sessions=5,
    )
    assert built["session"].to_list() == DAYS.frame["session"][:4].to_list()
    assert built[view.feature_names[0]].to_list() == [7.5] * 4


def take_close(rows, sessions, calendar, features):
    return rows.select("symbol", "session", pl.col("close").alias(features[0].name))
