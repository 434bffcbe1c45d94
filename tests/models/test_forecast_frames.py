"""Checks of frames that the forecaster suite does not reach."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from models.forecast_frames import check_known, feature_matrix, rows_to_forecast


def test_that_unknown_values_become_nan_in_32_bits() -> None:
    frame = pl.DataFrame({"a": [1.5, None], "b": [2, 3]})
    matrix = feature_matrix(frame, ["b", "a"])
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix, [[2.0, 1.5], [3.0, np.nan]])


def test_that_a_number_too_large_for_32_bits_is_refused() -> None:
    with pytest.raises(ValueError, match=r"features \['a'\] hold infinite values"):
        feature_matrix(pl.DataFrame({"a": [1e300]}), ["a"])


def test_that_rows_are_cut_and_sorted() -> None:
    first, second = date(2020, 1, 2), date(2020, 1, 3)
    frame = pl.DataFrame({"symbol": ["B", "A", "A"], "session": [second, second, first]})
    assert rows_to_forecast(frame, second).rows() == [("A", second), ("B", second)]


def test_that_unknown_names_come_with_near_matches() -> None:
    with pytest.raises(ValueError, match=r"x.y names unknown features \['volm'\].*\['volm_1d'\]"):
        check_known(["volm"], ["volm_1d", "zzz"], setting="x.y")
