"""Labels by hand."""

import polars as pl
import pytest

from features.labels import compute_labels
from tests.panels import panel_of, sessions_of


def test_value_belongs_to_the_end_session_and_is_adjusted():
    panel = panel_of(
        {"A": [10.0, 11.0, 5.5, 6.0], "B": [20.0, None, 22.0, 11.0]}, split=[1, 1, 2, 1] + [1] * 4
    )
    labels = compute_labels(panel, [2, 1])
    assert labels.schema == {
        "symbol": pl.String,
        "session": pl.Date,
        "horizon": pl.Int32,
        "value": pl.Float64,
    }
    values = {(row[0], row[1], row[2]): row[3] for row in labels.iter_rows()}
    days = sessions_of(4)
    assert [values["A", day, 1] for day in days] == [
        None,
        pytest.approx(0.1),
        0.0,
        pytest.approx(6 / 5.5 - 1),
    ]
    assert [values["A", day, 2] for day in days] == [
        None,
        None,
        pytest.approx(0.1),
        pytest.approx(12 / 11 - 1),
    ]
    assert [values["B", day, 1] for day in days] == [None, None, None, -0.5]
    assert [values["B", day, 2] for day in days] == [None, None, pytest.approx(0.1), None]


def test_retracted_bar_has_no_label():
    panel = panel_of({"A": [10.0, 11.0, 12.0]}, valid=[True, False, True])
    assert compute_labels(panel, [1]).get_column("value").to_list() == [None, None, None]


@pytest.mark.parametrize("horizon_sessions", [[], [0], [5, -1]])
def test_bad_horizons_are_refused(horizon_sessions):
    with pytest.raises(ValueError, match=r"horizon_sessions=.* must name at least one, each at least 1"):
        compute_labels(panel_of({"A": [1.0]}), horizon_sessions)
