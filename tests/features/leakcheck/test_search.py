"""Rows since a start, as look-backs are counted."""

from __future__ import annotations

import numpy as np

from features.leakcheck.search import count_since, fewest_since

PRESENT = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 1, 1], [0, 0, 0, 1, 1]], dtype=bool)


def test_rows_are_counted_from_the_start_on():
    assert count_since(PRESENT, 2).tolist() == [[0, 0, 1, 2, 3], [0, 0, 0, 1, 2], [0, 0, 0, 1, 2]]


def test_the_symbol_with_most_gaps_counts_unless_it_has_no_past():
    # The third symbol was not there before session 2, the second has no row at session 2.
    assert fewest_since(PRESENT, 2)[0, 2:].tolist() == [1, 1, 2]
