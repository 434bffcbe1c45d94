"""What is disturbed, and what stays as it was."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from features.leakcheck import disturbances
from features.leakcheck.value_grid import AT
from tests.features.leakcheck.frames import placed_of

CLOSES = {"A": [10.0, 11.0, 12.0, 12.0], "B": [20.0, None, 22.0, 24.0]}
PLACED, GRID = placed_of(CLOSES)
MASK = PLACED[AT].to_numpy() >= 2
FUTURES = (
    disturbances.drop_rows,
    disturbances.scramble_rows,
    disturbances.move_rows,
    disturbances.mirror_rows,
    disturbances.flatten_rows,
    disturbances.list_more,
    disturbances.delist_some,
)


def draw() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.mark.parametrize("disturb", FUTURES, ids=lambda one: one.__name__)
def test_rows_outside_the_mask_stay(disturb):
    past = pl.col(AT) < 2
    changed = disturb(PLACED, MASK, draw()).filter(past)
    assert changed.filter(pl.col("symbol").is_in(["A", "B"])).equals(PLACED.filter(past))


def test_a_mirrored_future_has_returns_of_the_other_sign():
    mirrored = disturbances.mirror_rows(PLACED, MASK, draw())
    # From the last close before: 11² / 12 for A, 20² / 22 and 20² / 24 for B.
    assert mirrored["close"].to_list() == pytest.approx([10, 11, 121 / 12, 121 / 12, 20, 400 / 22, 400 / 24])


def test_a_flat_future_stands_at_the_last_close():
    flat = disturbances.flatten_rows(PLACED, MASK, draw())
    assert flat["close"].to_list() == [10, 11, 11, 11, 20, 20, 20]


def test_a_moved_future_is_sixteen_times_larger():
    moved = disturbances.move_rows(PLACED, MASK, draw())
    assert moved["close"].to_list() == [10, 11, 192, 192, 20, 352, 384]
    assert moved["split"].to_list() == [1.0] * 7


def test_last_bits_keep_ties_and_the_order_of_prices():
    moved = disturbances.jitter(PLACED, draw())
    assert moved["close"].to_list() != PLACED["close"].to_list()
    assert moved["close"].to_list() == pytest.approx(PLACED["close"].to_list(), rel=1e-14)
    assert moved["close"][2] == moved["close"][3]
    assert (moved["high"] == moved["close"]).all()


def test_after_the_open_the_open_is_known():
    scrambled = disturbances.scramble_after_open(PLACED, MASK, draw())
    assert scrambled["open"].to_list() == PLACED["open"].to_list()
    assert (scrambled["close"] != PLACED["close"]).to_list() == MASK.tolist()
    assert (scrambled["high"] >= scrambled["open"]).all()


def test_late_versions_come_after_the_instant_and_behind_what_they_restate():
    instant = PLACED["cutoff_at"].max()
    more = disturbances.add_late_versions(PLACED, MASK, draw(), after=pl.lit(instant))
    late = more.filter(pl.col("known_at") > instant)
    assert (more.height, late.height) == (7 + 4, 4)
    assert more.unique(["symbol", "session"], keep="first", maintain_order=True).equals(PLACED)


def test_exchanged_symbols_are_sorted_by_their_new_names():
    exchanged = disturbances.exchange_symbols(PLACED, GRID.symbols, np.array([1, 0]))
    assert exchanged["symbol"].to_list() == ["A", "A", "A", "B", "B", "B", "B"]
    assert exchanged["close"].to_list() == [20, 22, 24, 10, 11, 12, 12]


def test_versions_are_averaged_over_what_they_know():
    twice = pl.concat([PLACED[:1], PLACED[:1].with_columns(close=14.0)])
    assert disturbances.average_versions(twice)["close"].to_list() == [12.0]
