"""How a window is put together."""

import pytest

from features.kernels.ladder import ladder, split_window


@pytest.mark.parametrize(
    ("window", "parts"),
    [
        (2, (1, 1)),
        (3, (2, 1)),
        (4, (2, 2)),
        (5, (4, 1)),
        (7, (5, 2)),
        (10, (5, 5)),
        (14, (10, 4)),
        (30, (20, 10)),
        (60, (40, 20)),
        (252, (250, 2)),
        (250, (240, 10)),
        (240, (160, 80)),
    ],
)
def test_a_window_has_a_newer_and_an_older_part(window, parts):
    assert split_window(window) == parts


@pytest.mark.parametrize("window", range(2, 700))
def test_parts_add_up(window):
    newer, older = split_window(window)
    assert newer + older == window
    assert min(newer, older) >= 1


def test_tables_are_made_from_tables_before_them():
    steps = ladder(30)
    assert steps.tolist() == [
        [1, 0, 0],
        [2, 0, 0],
        [4, 1, 1],
        [5, 2, 0],
        [10, 3, 3],
        [20, 4, 4],
        [30, 5, 4],
    ]
    for at, (length, newer, older) in enumerate(ladder(5, 10, 20, 30, 60, 252).tolist()[1:], start=1):
        assert max(newer, older) < at
        assert split_window(length) == tuple(ladder(5, 10, 20, 30, 60, 252)[[newer, older], 0])


def test_a_year_takes_few_steps():
    assert len(ladder(252)) == 12
