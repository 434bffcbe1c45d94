"""The parity table on a few cells whose causes are known."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from benchmarks.alpha158_parity import (
    CAUSES,
    choose_evenly,
    compare_frames,
    find_gaps,
    name_cause,
    render,
)

DAYS = [date(2024, 1, day) for day in (2, 3, 4, 5)]
CLOSES = [10.0, 20.0, 10.0, 40.0]
MEANS = [1.0, 0.75, 1.5, 0.625]
"""Means of two closes by the last of them."""


@pytest.fixture
def bars():
    fields = dict.fromkeys(("open", "high", "low", "close", "volume"), CLOSES)
    return pl.DataFrame({"symbol": ["A"] * 4, "session": DAYS, **fields})


def frame_of(**columns):
    return pl.DataFrame({"symbol": ["A"] * 4, "session": DAYS, **columns})


def test_equal_frames_have_nothing_beyond(bars):
    frame = frame_of(MA2=MEANS, KMID=[0.0] * 4)
    parity = compare_frames(frame.sort("session", descending=True), frame, bars)
    first = parity.columns.row(0, named=True)
    assert (first["column"], first["cells"], first["absolute"], first["beyond"]) == ("MA2", 4, 0.0, 0)
    assert first["rank_correlation"] == pytest.approx(1.0)
    assert (parity.both, parity.ours, parity.qlib) == (4, 0, 0)


def test_each_cell_beyond_has_its_cause(bars):
    ours = frame_of(MA2=[1.0, 0.75 + 1e-3, None, 0.625])
    qlib = frame_of(MA2=[1.0 + 2e-3, 0.75, 1.5, 0.625 + 1e-9])
    row = compare_frames(ours, qlib, bars).columns.row(0, named=True)
    assert row["beyond"] == 3
    caused = {cause: row[cause] for cause in CAUSES if row[cause]}
    assert caused == {"ours nearer": 1, "Qlib nearer": 1, "null, Qlib as the oracle": 1}
    assert row["cells"] == 3
    assert row["absolute"] == pytest.approx(2e-3)
    assert row["relative"] == pytest.approx(2e-3 / 1.002)


def test_null_and_not_a_number_are_the_same(bars):
    parity = compare_frames(frame_of(MA2=[np.nan, *MEANS[1:]]), frame_of(MA2=[None, *MEANS[1:]]), bars)
    assert parity.columns["beyond"].to_list() == [0]


def test_one_huge_value_does_not_hide_the_others(bars):
    many = 400
    days = pl.date_range(date(2020, 1, 1), date(2021, 12, 31), eager=True).head(many)
    key = {"symbol": ["A"] * many, "session": days}
    values = np.linspace(1, 2, many)
    values[0] = 5e13
    qlib = pl.DataFrame({**key, "VMA5": values})
    ours = qlib.with_columns(VMA5=pl.col("VMA5") * 1.001)
    wide = pl.DataFrame({**key, **{name: [1.0] * many for name in bars.columns[2:]}})
    assert compare_frames(ours, qlib, wide).columns["beyond"].to_list() == [many]


@pytest.mark.parametrize(
    ("column", "values", "spread", "cause"),
    [
        ("RSQR5", (None, 0.3, 0.3), 2.1e-5, "near flat"),
        ("RSQR5", (None, 0.3, 0.3), 5e-5, "null, Qlib as the oracle"),
        ("CORR5", (0.1, None, 0.1), 1.0, "null, ours as the oracle"),
        ("STD5", (0.1, 0.3, None), None, "not judged"),
        ("STD5", (0.1, 0.3, 0.15), None, "ours nearer"),
        ("STD5", (0.1, 0.3, 0.25), None, "Qlib nearer"),
        ("STD5", (0.25, 0.75, 0.5), None, "tie"),
    ],
)
def test_cause_of_one_cell(column, values, spread, cause):
    told = dict(zip(("ours", "qlib", "oracle"), values, strict=True))
    assert name_cause({"column": column, "spread": spread, **told}) == cause


def test_cells_past_the_most_and_plain_columns_are_not_judged(bars):
    qlib = frame_of(MA2=MEANS, KMID=[1.0, 2.0, 3.0, 4.0])
    ours = qlib.with_columns(pl.col("MA2") + 0.5, KMID=pl.Series([1.5, 2.0, 3.0, None]))
    means, middles = compare_frames(ours, qlib, bars, judged=2).columns.iter_rows(named=True)
    assert (means["beyond"], means["Qlib nearer"], means["not judged"]) == (4, 2, 2)
    assert (middles["not judged"], middles["null, not judged"]) == (1, 1)


def test_choice_is_even():
    assert choose_evenly(pl.DataFrame({"at": range(9)}), 3)["at"].to_list() == [0, 4, 8]


def test_page_tells_rows_and_causes(bars):
    qlib = frame_of(MA2=MEANS)
    page = render(compare_frames(qlib.head(3).with_columns(pl.col("MA2") + 0.5), qlib, bars))
    assert "3 rows are at both; 0 at ours alone and 1 at Qlib's alone." in page.replace("\n", " ")
    assert "| Qlib nearer | 3 |" in page
    assert "| MA2 | 3 | 5.0e-01 | 6.7e-01 | 1.000000000 | 3 | 3 |" in page


def test_unusable_frames_are_refused(bars):
    frame = frame_of(MA2=MEANS)
    with pytest.raises(ValueError, match=r"ours lacks \['MA2'\] and 0 more"):
        compare_frames(frame.drop("MA2"), frame, bars)
    with pytest.raises(ValueError, match="qlib has two rows of one symbol and session"):
        compare_frames(frame, pl.concat([frame, frame]), bars)


def test_a_gap_is_a_bar_or_a_part_that_is_missing_since_the_first_one():
    days = [date(2024, 1, day) for day in (2, 3, 4, 5, 8, 9)]
    # B is listed on the third day; A misses the fourth bar, and the high of the last.
    bars = pl.DataFrame(
        {
            "symbol": ["A"] * 5 + ["B"] * 4,
            "session": [*days[:3], *days[4:], *days[2:]],
            "high": [1.0, 1.0, 1.0, 1.0, None] + [1.0] * 4,
            "low": [1.0] * 9,
            "close": [1.0] * 9,
        }
    )
    assert sorted(find_gaps(bars, 2).rows()) == [("A", days[4]), ("A", days[5])]
    assert sorted(find_gaps(bars, 1).rows()) == [("A", days[5])]
