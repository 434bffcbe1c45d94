"""Events are found where they are, and cuts lie around them."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from features.leakcheck.cuts import NEVER, mark_events, plain_cuts, symbol_cuts
from features.leakcheck.value_grid import Grid
from tests.features.leakcheck.frames import placed_of

CLOSES = {
    "A": [10.0, 10.0, None, None, None, 11.0, 11.5, 12.0, 12.5, 13.0],
    "B": [None, 20.0, 21.0, 22.0, 21.0, 20.0, 19.0, None, None, None],
}
PLACED, GRID = placed_of(CLOSES)


def places(kind: str) -> list[tuple[int, int]]:
    events = mark_events(PLACED, GRID)
    shape = (2, 10)
    return [tuple(map(int, one)) for one in np.argwhere(np.broadcast_to(events[kind], shape))]


def test_listings_gaps_and_delistings():
    assert places("listing") == [(0, 0), (1, 1)]
    assert places("delisting") == [(0, 9), (1, 6)]
    assert places("before gap") == [(0, 1)]
    assert places("after gap") == [(0, 5)]
    assert places("before halt") == [(0, 1)]


def test_what_stands_still_is_flat():
    assert places("flat") == [(0, 1)]


def test_actions_count_on_their_session():
    split = PLACED.with_columns(split=pl.when(pl.col("close") == 21.0).then(2.0).otherwise(1.0))
    assert np.argwhere(mark_events(split, GRID)["split"]).tolist() == [[1, 2], [1, 4]]


def test_cuts_leave_a_future():
    cuts = plain_cuts(mark_events(PLACED, GRID), GRID, np.random.default_rng(1), 6)
    assert cuts == sorted(set(cuts))
    assert len(cuts) == 6
    assert 0 <= cuts[0] <= cuts[-1] <= 8


def test_common_cuts_meet_every_weekday_and_most_days_of_a_month():
    days = pl.date_range(date(2024, 1, 1), date(2024, 12, 31), eager=True)
    rows = pl.DataFrame({"symbol": "A", "session": days.filter(days.dt.weekday() < 6)})
    grid = Grid.of(rows)
    cuts = plain_cuts(mark_events(grid.place(rows), grid), grid, np.random.default_rng(1), 40)
    met = grid.sessions.gather(cuts)
    assert met.dt.weekday().n_unique() == 5
    assert met.dt.month().n_unique() == 12
    assert met.dt.day().n_unique() >= 28


def test_every_symbol_is_cut_around_its_own_events():
    drawn = list(symbol_cuts(mark_events(PLACED, GRID), GRID, np.random.default_rng(1), 12))
    assert all(((cuts >= 0) & (cuts <= 8) | (cuts == NEVER)).all() for cuts in drawn)
    assert {1, 5} & {int(cuts[0]) for cuts in drawn}
