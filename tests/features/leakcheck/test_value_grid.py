"""Outputs are laid on the grid, and what is no output is refused with advice."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl
import pytest

from features.leakcheck.value_grid import DoubledRows, FeatureOutputError, check_output, read_values
from tests.features.leakcheck.frames import placed_of, rows_of

CLOSES = {"A": [1.0, 2.0], "B": [3.0, None]}
KEYS = rows_of(CLOSES).select("symbol", "session")
_, GRID = placed_of(CLOSES)


def test_rows_that_are_not_there_are_nulls():
    output = check_output(KEYS.with_columns(x=pl.Series([1, None, 3]), y=pl.Series([True, False, True])))
    expected = [[[1.0, np.nan], [3.0, np.nan]], [[1.0, 0.0], [1.0, np.nan]], [[np.nan] * 2] * 2]
    np.testing.assert_array_equal(read_values(output, GRID, ["x", "y", "absent"]), expected)


def test_pandas_instants_are_sessions():
    instants = KEYS.with_columns(pl.col("session").cast(pl.Datetime("ns")), x=1.0)
    assert check_output(instants).schema["session"] == pl.Date


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        (KEYS.with_columns(x=1.0).to_dict(), "returned a builtins.dict; return a polars.DataFrame"),
        (KEYS.drop("session").with_columns(x=1.0), "lacks the columns .'session'."),
        (KEYS, "holds no feature column"),
        (KEYS.with_columns(x=pl.lit("up")), "no numbers: x .String.; leave them out"),
        (KEYS.with_columns(session=pl.lit(1), x=1.0), "return it as it stands in the bars, a date"),
        (KEYS.with_columns(x=pl.lit(datetime(2024, 1, 1))), "no numbers: x"),  # noqa: DTZ001
    ],
)
def test_what_cannot_be_examined_is_said(output, advice):
    with pytest.raises(FeatureOutputError, match=advice):
        check_output(output)


def test_doubled_rows_are_named():
    with pytest.raises(DoubledRows, match="2 rows that share their symbol and session, such as A 2024-01-01"):
        check_output(pl.concat([KEYS, KEYS[:1]]).with_columns(x=1.0))
