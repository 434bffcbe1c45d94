"""How two training frames are compared, and what the page says of them."""

from datetime import date

import polars as pl
import pytest

from benchmarks.training_frame import Difference, Turn, compare_frames, render

TOLD = {
    "rows": 2, "columns": 1, "as_of": date(2018, 2, 7), "version": "1", "master": "local[2]", "memory": "3g",
    "cores": 2, "spine": 3, "refused": 1,
}  # fmt: skip
NONE = Difference(rows=0, cells=0)


def frame_of(**values):
    keys = {"symbol": ["A", "B", "C"], "session": [date(2018, 2, day) for day in (5, 6, 7)]}
    return pl.DataFrame({**keys, **values})


def test_equal_frames_have_no_difference_whatever_their_order():
    ours = frame_of(value=[1.0, None, 3.0])
    assert compare_frames(ours, ours.reverse()) == NONE
    assert NONE.is_none


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        (frame_of(value=[1.0, 2.0, 3.0]), Difference(rows=0, cells=1)),  # null is not 2
        (frame_of(value=[1.0, None, 3.0 + 2**-50]), Difference(rows=0, cells=1)),
        (frame_of(value=[1.0, None, 3.0]).head(2), Difference(rows=1, cells=0)),
    ],
)
def test_a_cell_and_a_row_that_differ_are_counted(theirs, expected):
    found = compare_frames(frame_of(value=[1.0, None, 3.0]), theirs)
    assert found == expected
    assert not found.is_none


@pytest.mark.parametrize(
    ("ours", "difference", "met", "said"),
    [
        (5.0, NONE, True, "Median share 50%; wanted: at most 60%, and equal frames: met."),
        (7.0, NONE, False, "Median share 70%; wanted: at most 60%, and equal frames: NOT met."),
        (5.0, Difference(rows=0, cells=4), False, "The frames are NOT equal: 0 rows, 4 cells."),
    ],
)
def test_share_and_equality_are_judged(ours, difference, met, said):
    page, judged = render([Turn(ours=ours, stock=10.0)], [difference], TOLD)
    assert judged == met
    assert said in page
