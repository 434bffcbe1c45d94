"""The oracle of Alpha158 against windows worked by hand and, where it is stable, against pandas."""

from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pytest

from benchmarks.alpha158_oracle import (
    SymbolInputs,
    evaluate_cell,
    evaluate_cells,
    place_on_calendar,
    smallest_spread,
)

NAN = np.nan
CLOSES = [10, 11, 10, NAN, 12, 12, 9, 10.5]
HIGHS = [11, 12, 11, NAN, 12, 12, NAN, 11]
LOWS = [9, 9, 9, NAN, 9, 9, 9, 9]
VOLUMES = [100, 0, 50, NAN, 0, 70, 80, 0]


def inputs_of(**fields):
    return SymbolInputs({name: np.array(values, np.float64) for name, values in fields.items()})


@pytest.fixture
def inputs():
    return inputs_of(close=CLOSES, high=HIGHS, low=LOWS, volume=VOLUMES)


@pytest.mark.parametrize(
    ("column", "row", "expected"),
    [
        ("ROC2", 2, 1.0),
        ("ROC2", 1, NAN),  # no close that long ago
        ("MA3", 0, 1.0),  # one value is enough
        ("MA3", 4, 11 / 12),  # 10, none, 12
        ("MA3", 3, NAN),  # no close to divide by
        ("STD3", 0, NAN),
        ("STD3", 1, 0.5**0.5 / 11),
        ("STD3", 2, (1 / 3) ** 0.5 / 10),
        ("STD3", 5, 0.0),  # none, 12, 12
        ("BETA3", 0, NAN),
        ("BETA3", 1, 1 / 11),
        ("BETA3", 4, 1 / 12),  # 2 in two sessions, one of them missing
        ("BETA3", 7, -0.75 / 10.5),
        ("RESI3", 2, -1 / 30),  # 10 less the mean of 10, 11, 10; no slope
        ("RESI3", 3, NAN),
        ("RESI3", 6, -0.5 / 9),  # 9 less 11 - 1.5
        ("RSQR3", 0, NAN),
        ("RSQR3", 3, 1.0),  # 11, 10, none: two points are a line
        ("RSQR3", 5, NAN),  # constant
        ("RSQR3", 6, 0.75),
        ("RSQR3", 7, 0.25),
        ("MAX3", 6, 12 / 9),
        ("MIN3", 7, 9 / 10.5),
        ("QTLU3", 2, 10.6 / 10),  # 1.6 places into 10, 10, 11
        ("QTLD3", 7, 9.6 / 10.5),  # 0.4 places into 9, 10.5, 12
        ("RANK3", 1, 1.0),
        ("RANK3", 2, 0.5),  # first of three, beside another
        ("RANK3", 3, NAN),
        ("RANK3", 5, 0.75),  # both of two
        ("RSV3", 2, 1 / 3),
        ("IMAX3", 0, 1 / 3),
        ("IMAX3", 3, 1.0),  # 12, 11, none: the missing row is taken
        ("IMAX3", 4, 2 / 3),
        ("IMIN3", 2, 1 / 3),  # the first of equals
        ("IMIN3", 4, 2 / 3),
        ("IMXD3", 2, 1 / 3),
        ("CORR3", 0, NAN),
        ("CORR3", 1, -1.0),
        ("CORD3", 6, NAN),  # 70 after 0 is infinite and left out
        ("CORD3", 7, -1.0),
        ("CNTP3", 0, 0.0),
        ("CNTP3", 1, 0.5),
        ("CNTP3", 3, 1 / 3),  # a missing row counts as no rise
        ("CNTN3", 4, 1 / 3),
        ("CNTD3", 3, 0.0),
        ("SUMP3", 0, NAN),
        ("SUMP3", 2, 0.5),
        ("SUMN3", 7, 3 / 4.5),  # 0, -3, +1.5
        ("SUMD3", 7, -1.5 / 4.5),
        ("VMA3", 2, 1.0),
        ("VMA3", 1, 5e13),  # the mean of 100 and 0, by 1e-12
        ("VMA3", 3, NAN),
        ("VSTD3", 6, 43.5889894 / 80),  # of 0, 70, 80: deviations -50, 20, 30
        ("WVMA3", 1, NAN),
        ("WVMA3", 6, 2**0.5),  # 0 and a quarter of 80
        ("VSUMP3", 7, 80 / 160),  # +70, +10, -80
        ("VSUMN3", 7, 80 / 160),
        ("VSUMD3", 7, 0.0),
    ],
)
def test_hand_worked_windows(inputs, column, row, expected):
    assert float(evaluate_cell(inputs, row, column)) == pytest.approx(
        expected, rel=1e-6, abs=1e-12, nan_ok=True
    )


@pytest.mark.parametrize(("step", "known"), [(2.0**-15, True), (1.5 * 2.0**-16, False)])
def test_r_squared_and_correlation_stop_where_a_window_is_nearly_constant(step, known):
    # The deviation of two values is their difference by the root of two: 2.16e-5 and 1.62e-5.
    flat = inputs_of(close=[1.0, 1.0 + step], volume=[10, 30], high=[1, 1], low=[1, 1])
    assert smallest_spread(flat, 1, "CORR2") == pytest.approx(step / 2**0.5)
    for column in ("RSQR2", "CORR2"):
        assert np.isnan(evaluate_cell(flat, 1, column)) != known
    assert float(evaluate_cell(flat, 1, "BETA2")) == pytest.approx(step, rel=1e-4)
    assert np.isnan(smallest_spread(flat, 1, "BETA2"))


def test_small_deviations_on_a_high_level_keep_their_digits():
    # Sums of squares in double precision lose all of this: 2**20 apart by the last bit of a float32.
    level, bit = 2.0**20, 2.0**-3
    high = inputs_of(
        close=[level, level + bit, level, level + bit], volume=[1] * 4, high=[1] * 4, low=[1] * 4
    )
    assert float(evaluate_cell(high, 3, "STD4")) == pytest.approx(bit / 3**0.5 / (level + bit), rel=1e-12)
    assert float(evaluate_cell(high, 3, "RSQR4")) == pytest.approx(0.2, rel=1e-12)


@pytest.mark.parametrize("length", [5, 20, 60])
def test_stable_windows_are_those_of_pandas(length):
    draw = np.random.default_rng(7)
    close = (100 * np.exp(np.cumsum(draw.normal(0, 0.02, 200)))).astype(np.float32)
    volume = draw.lognormal(12, 1, 200).astype(np.float32)
    missing = draw.choice(200, 20, replace=False)
    close[missing], volume[missing] = np.nan, np.nan
    inputs = inputs_of(close=close, volume=volume, high=close, low=close)
    prices, logs = pd.Series(close), pd.Series(np.log(volume + np.float32(1)))
    windows = prices.rolling(length, min_periods=1)
    expected = {
        "MA": windows.mean() / prices,
        "STD": windows.std() / prices,
        "QTLU": windows.quantile(0.8) / prices,
        "RANK": windows.rank(pct=True),
        "CORR": windows.corr(logs),
    }
    for factor, values in expected.items():
        found = [float(evaluate_cell(inputs, row, f"{factor}{length}")) for row in range(200)]
        np.testing.assert_allclose(found, values.astype(float), rtol=1e-6, atol=1e-9, err_msg=factor)


def test_cells_are_found_on_the_calendar_of_all_symbols():
    days = [date(2024, 1, day) for day in (2, 3, 4)]
    rows = [("A", 0, 10.0), ("A", 2, 14.0), ("B", 0, 1.0), ("B", 1, 1.0), ("B", 2, 1.0)]
    bars = pl.DataFrame(
        {
            "symbol": [symbol for symbol, _, _ in rows],
            "session": [days[at] for _, at, _ in rows],
            **{name: [price for *_, price in rows] for name in ("open", "high", "low", "close", "volume")},
        }
    )
    sessions, inputs = place_on_calendar(bars, {"A"})["A"]
    assert sessions == days
    assert np.isnan(inputs.plain["close"][1])
    cells = pl.DataFrame({"symbol": ["A", "A", "B"], "session": [days[2], days[2], days[1]]}).with_columns(
        column=pl.Series(["BETA2", "BETA3", "RSQR2"])
    )
    judged = evaluate_cells(bars, cells)
    # With two rows the last session stands alone; with three it is 4 higher after 2 sessions.
    assert judged["oracle"].to_list() == [None, pytest.approx(2 / 14), None]
    assert judged["spread"].to_list() == [None, None, 0.0]


@pytest.mark.parametrize("column", ["KMID", "MA", "OPEN0", "SMA20"])
def test_other_columns_are_refused(inputs, column):
    with pytest.raises(ValueError, match=f"column='{column}' must be a factor of .* and its window"):
        evaluate_cell(inputs, 0, column)
