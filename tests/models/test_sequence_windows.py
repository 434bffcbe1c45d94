"""Windows and the choice of features, on arrays small enough to write out."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from models.linear import RobustScaler
from models.sequence_windows import build_panel, choose_features

SCALER = RobustScaler(centre=np.zeros(1), scale=np.ones(1))


def test_that_a_window_ends_at_its_row_and_fills_gaps_with_the_middle() -> None:
    days = [date(2020, 1, 1), date(2020, 1, 2), date(2020, 1, 3)]
    frame = pl.DataFrame(
        {
            "symbol": ["A", "A", "A", "B", "B"],
            "session": [days[0], days[1], days[2], days[0], days[2]],
            "x": [0.1, 0.2, None, 1.1, 1.3],
        }
    )
    panel, places = build_panel(frame, ["x"], SCALER, history=3)
    windows = panel.windows(places)[..., 0]
    expected = [[0, 0, 0.1], [0, 0.1, 0.2], [0.1, 0.2, 0], [0, 0, 1.1], [1.1, 0, 1.3]]
    np.testing.assert_allclose(windows, expected, rtol=1e-6)


def test_that_an_empty_frame_has_no_windows() -> None:
    frame = pl.DataFrame(schema={"symbol": pl.String, "session": pl.Date, "x": pl.Float64})
    panel, places = build_panel(frame, ["x"], SCALER, history=3)
    assert panel.windows(places).shape == (0, 3, 1)


def test_that_near_copies_and_constants_are_passed_over() -> None:
    rng = np.random.default_rng(0)
    first, other = rng.standard_normal((2, 500))
    matrix = np.column_stack([first, first + 0.01 * other, np.zeros(500), other])
    chosen = choose_features(matrix, np.array([0.3, 0.4, 0.9, 0.1]), ["a", "b", "c", "d"], count=3)
    assert chosen == ("b", "d")
