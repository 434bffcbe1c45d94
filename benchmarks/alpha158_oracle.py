"""Alpha158 of chosen cells in extended precision: slow, plain, and a judge between two quick engines.

Inputs of windows are formed elementwise in float32, as Qlib forms them; a window is then taken anew for every
cell, in NumPy's long double, with sums about the mean. What it says of missing values is what pyqlib 0.9.7
does: a window holds rows of the calendar, missing ones and infinite inputs are skipped, one value is enough,
regressions and correlations of nearly constant windows are null. It shares no code with either engine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.qlib_peer import with_peer_fields

Singles = npt.NDArray[np.float32]
Longs = npt.NDArray[np.longdouble]
LONG = np.longdouble
MISSING = LONG("nan")
SMALL = LONG(1e-12)
SMALL_SINGLE = np.float32(1e-12)
"""What is added to `volume` and to `high - low`, which are float32: the nearest float32 to 1e-12."""
FLAT = LONG(2e-5)
"""The largest standard deviation at which Qlib leaves a correlation or an R squared out."""
FIELDS = ("open", "high", "low", "close", "volume", "vwap")
COLUMN = re.compile(r"([A-Z]+?)(\d*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One input's last rows up to a cell: all of them, and the finite ones in long double.

    Attributes
    ----------
    rows : numpy.ndarray
        float32, oldest first; fewer than the window's length at the start of a history.
    place : numpy.ndarray
        Positions of the finite values among `rows`, from 0.
    values : numpy.ndarray
        The finite values.
    """

    rows: Singles
    place: Longs
    values: Longs


class SymbolInputs:
    """The float32 inputs of one symbol's windows, a row for every session of the calendar in its span.

    Parameters
    ----------
    fields : mapping of str to numpy.ndarray
        `open`, `high`, `low`, `close`, `volume`, `vwap`; NaN where a bar or a value is missing.
    """

    def __init__(self, fields: Mapping[str, npt.NDArray[np.floating]]) -> None:
        self.plain: dict[str, Singles] = {name: values.astype(np.float32) for name, values in fields.items()}

    @cached_property
    def all(self) -> dict[str, Singles]:
        """The stored fields and what is made of them, by name."""
        one, nought = np.float32(1), np.float32(0)
        close, volume = self.plain["close"], self.plain["volume"]
        before, volume_before = _shift(close), _shift(volume)
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.plain | {
                "rise": np.maximum(close - before, nought),
                "fall": np.maximum(before - close, nought),
                "move": np.abs(close - before),
                "volume_rise": np.maximum(volume - volume_before, nought),
                "volume_fall": np.maximum(volume_before - volume, nought),
                "volume_move": np.abs(volume - volume_before),
                "up": (close > before).astype(np.float32),
                "down": (close < before).astype(np.float32),
                "log_volume": np.log(volume + one),
                "close_ratio": close / before,
                "log_volume_ratio": np.log(volume / volume_before + one),
                "weighted_move": np.abs(close / before - one) * volume,
            }

    def window(self, name: str, row: int, length: int) -> Window:
        """Return the window of an input that ends with `row`."""
        rows = self.all[name][max(0, row + 1 - length) : row + 1]
        finite = np.flatnonzero(np.isfinite(rows))
        return Window(rows=rows, place=finite.astype(LONG), values=rows[finite].astype(LONG))

    def last(self, name: str, row: int) -> np.longdouble:
        """Return an input's value at `row`."""
        return LONG(self.all[name][row])


def _shift(values: Singles) -> Singles:
    return np.concatenate([np.full(1, np.nan, np.float32), values[:-1]])


def compute_mean(window: Window) -> np.longdouble:
    """Return the mean of what is there."""
    return window.values.mean() if window.values.size else MISSING


def compute_sum(window: Window) -> np.longdouble:
    """Return the sum of what is there."""
    return window.values.sum() if window.values.size else MISSING


def compute_std(window: Window) -> np.longdouble:
    """Return the standard deviation with one degree of freedom less; null of a single value."""
    if window.values.size < 2:
        return MISSING
    spread = _centred(window.values)
    return LONG(np.sqrt((spread * spread).sum() / (spread.size - 1)))


def compute_maximum(window: Window) -> np.longdouble:
    """Return the largest value."""
    return window.values.max() if window.values.size else MISSING


def compute_minimum(window: Window) -> np.longdouble:
    """Return the smallest value."""
    return window.values.min() if window.values.size else MISSING


def compute_quantile(window: Window, share: float) -> np.longdouble:
    """Return a quantile, linear between the two neighbours in order."""
    if not window.values.size:
        return MISSING
    ordered = np.sort(window.values)
    place = LONG(share) * (ordered.size - 1)
    low = int(np.floor(place))
    high = min(low + 1, ordered.size - 1)
    return LONG(ordered[low] + (ordered[high] - ordered[low]) * (place - low))


def compute_rank(window: Window) -> np.longdouble:
    """Return the average rank of the last value over the number of values."""
    last = LONG(window.rows[-1])
    if not np.isfinite(last):
        return MISSING
    below, equal = (window.values < last).sum(), (window.values == last).sum()
    return (LONG(below) + LONG(equal + 1) / 2) / window.values.size


def locate_extreme(window: Window, choose: Callable[[Singles], np.intp]) -> np.longdouble:
    """Return the position, from 1, of the first extreme; NumPy takes a missing row for the extreme."""
    return LONG(choose(window.rows) + 1) if window.values.size else MISSING


def _centred(values: Longs) -> Longs:
    centred: Longs = values - values.mean()
    return centred


def compute_slope(window: Window) -> np.longdouble:
    """Return the least-squares slope over the positions of rows; null of a single value."""
    if window.values.size < 2:
        return MISSING
    place = _centred(window.place)
    return LONG((place * _centred(window.values)).sum() / (place * place).sum())


def compute_residual(window: Window) -> np.longdouble:
    """Return the last value less its place on the line; null if it is missing."""
    last = LONG(window.rows[-1])
    if not np.isfinite(last) or window.values.size < 2:
        return MISSING
    ahead = window.rows.size - 1 - window.place.mean()
    return LONG((last - window.values.mean()) - compute_slope(window) * ahead)


def compute_r_squared(window: Window) -> np.longdouble:
    """Return the share of the variance on the line; null of nearly constant windows."""
    return _correlate(window.place, window.values) ** 2 if _spread_enough(window) else MISSING


def compute_correlation(left: Window, right: Window) -> np.longdouble:
    """Return the correlation of rows where both are finite; null if either is nearly constant by itself."""
    if not (_spread_enough(left) and _spread_enough(right)):
        return MISSING
    both = np.isfinite(left.rows) & np.isfinite(right.rows)
    return _correlate(left.rows[both].astype(LONG), right.rows[both].astype(LONG))


def _spread_enough(window: Window) -> bool:
    # A single value has no deviation, and Qlib's comparison lets that pass; what follows is null by itself.
    return not compute_std(window) <= FLAT


def _correlate(left: Longs, right: Longs) -> np.longdouble:
    if left.size < 2:
        return MISSING
    one, other = _centred(left), _centred(right)
    scale = np.sqrt((one * one).sum() * (other * other).sum())
    return (one * other).sum() / scale if scale > 0 else MISSING


Formula = Callable[[SymbolInputs, int, int], np.longdouble]


def _over(name: str, reduce: Callable[[Window], np.longdouble], by: str | None = None) -> Formula:
    def formula(inputs: SymbolInputs, row: int, length: int) -> np.longdouble:
        value = reduce(inputs.window(name, row, length))
        return value if by is None else value / _divisor(inputs, by, row)

    return formula


def _divisor(inputs: SymbolInputs, by: str, row: int) -> np.longdouble:
    value = inputs.all[by][row]
    return LONG(value + SMALL_SINGLE if by == "volume" else value)


def _share(parts: tuple[str, ...], whole: str) -> Formula:
    def formula(inputs: SymbolInputs, row: int, length: int) -> np.longdouble:
        sums = [compute_sum(inputs.window(name, row, length)) for name in (*parts, whole)]
        above = sums[0] if len(parts) == 1 else sums[0] - sums[1]
        return above / (sums[-1] + SMALL)

    return formula


def _pair(left: str, right: str) -> Formula:
    return lambda inputs, row, length: compute_correlation(
        inputs.window(left, row, length), inputs.window(right, row, length)
    )


def _delayed(inputs: SymbolInputs, row: int, length: int) -> np.longdouble:
    return inputs.last("close", row - length) / inputs.last("close", row) if row >= length else MISSING


def _stochastic(inputs: SymbolInputs, row: int, length: int) -> np.longdouble:
    low = compute_minimum(inputs.window("low", row, length))
    high = compute_maximum(inputs.window("high", row, length))
    return (inputs.last("close", row) - low) / (high - low + SMALL)


def _place(name: str, choose: Callable[[Singles], np.intp]) -> Formula:
    return lambda inputs, row, length: locate_extreme(inputs.window(name, row, length), choose) / length


def _less(one: Formula, other: Formula) -> Formula:
    return lambda inputs, row, length: one(inputs, row, length) - other(inputs, row, length)


def _weighted(inputs: SymbolInputs, row: int, length: int) -> np.longdouble:
    moves = inputs.window("weighted_move", row, length)
    return compute_std(moves) / (compute_mean(moves) + SMALL)


_MOST, _LEAST = _place("high", np.argmax), _place("low", np.argmin)
_UP, _DOWN = _over("up", compute_mean), _over("down", compute_mean)
ROLLING: dict[str, Formula] = {
    "ROC": _delayed,
    "MA": _over("close", compute_mean, "close"),
    "STD": _over("close", compute_std, "close"),
    "BETA": _over("close", compute_slope, "close"),
    "RSQR": _over("close", compute_r_squared),
    "RESI": _over("close", compute_residual, "close"),
    "MAX": _over("high", compute_maximum, "close"),
    "MIN": _over("low", compute_minimum, "close"),
    "QTLU": _over("close", partial(compute_quantile, share=0.8), "close"),
    "QTLD": _over("close", partial(compute_quantile, share=0.2), "close"),
    "RANK": _over("close", compute_rank),
    "RSV": _stochastic,
    "IMAX": _MOST,
    "IMIN": _LEAST,
    "IMXD": _less(_MOST, _LEAST),
    "CORR": _pair("close", "log_volume"),
    "CORD": _pair("close_ratio", "log_volume_ratio"),
    "CNTP": _UP,
    "CNTN": _DOWN,
    "CNTD": _less(_UP, _DOWN),
    "SUMP": _share(("rise",), "move"),
    "SUMN": _share(("fall",), "move"),
    "SUMD": _share(("rise", "fall"), "move"),
    "VMA": _over("volume", compute_mean, "volume"),
    "VSTD": _over("volume", compute_std, "volume"),
    "WVMA": _weighted,
    "VSUMP": _share(("volume_rise",), "volume_move"),
    "VSUMN": _share(("volume_fall",), "volume_move"),
    "VSUMD": _share(("volume_rise", "volume_fall"), "volume_move"),
}
"""The rolling factors by the name before their window."""
JUDGED_BY_SPREAD = {
    "RSQR": ("close",),
    "CORR": ("close", "log_volume"),
    "CORD": ("close_ratio", "log_volume_ratio"),
}
"""The factors that are null where an input is nearly constant, with these inputs."""


def split_column(column: str) -> tuple[str, int]:
    """Return a rolling column's factor and window.

    Raises
    ------
    ValueError
        If it is none of the rolling columns of Alpha158.
    """
    found = COLUMN.fullmatch(column)
    if found is None or found[1] not in ROLLING or not found[2]:
        raise ValueError(
            f"column={column!r} must be a factor of {sorted(ROLLING)} and its window, as in MA20"
        )
    return found[1], int(found[2])


def evaluate_cell(inputs: SymbolInputs, row: int, column: str) -> np.longdouble:
    """Return one rolling factor at one row, NaN where Qlib's rules leave it missing.

    Raises
    ------
    ValueError
        If the column is not a rolling one.
    """
    factor, length = split_column(column)
    with np.errstate(divide="ignore", invalid="ignore"):
        return ROLLING[factor](inputs, row, length)


def smallest_spread(inputs: SymbolInputs, row: int, column: str) -> float:
    """Return the least standard deviation of a column's inputs in a window; NaN if it decides nothing."""
    factor, length = split_column(column)
    spreads = [
        float(compute_std(inputs.window(name, row, length))) for name in JUDGED_BY_SPREAD.get(factor, ())
    ]
    return min((spread for spread in spreads if not np.isnan(spread)), default=float("nan"))


def place_on_calendar(bars: pl.DataFrame, symbols: set[str]) -> dict[str, tuple[list[object], SymbolInputs]]:
    """Return the sessions and inputs of chosen symbols, a row for every session between first and last bar.

    Parameters
    ----------
    bars : polars.DataFrame
        As `qlib_peer.write_store` takes them; the calendar is every session that any symbol has.
    symbols : set of str
    """
    fields = with_peer_fields(bars)
    calendar = fields.select(pl.col("session").unique().sort())
    placed = {}
    for own in fields.filter(pl.col("symbol").is_in(sorted(symbols))).partition_by("symbol"):
        span = pl.col("session").is_between(own["session"].min(), own["session"].max())
        rows = calendar.filter(span).join(own, on="session", how="left", maintain_order="left")
        columns = {name: rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in FIELDS}
        placed[str(own["symbol"][0])] = (rows["session"].to_list(), SymbolInputs(columns))
    return placed


def evaluate_cells(bars: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
    """Return the cells with what the oracle says of them.

    Parameters
    ----------
    bars : polars.DataFrame
        As `place_on_calendar` takes them.
    cells : polars.DataFrame
        `symbol`, `session`, `column`; rolling columns alone.

    Returns
    -------
    polars.DataFrame
        The cells in their order with `oracle` (Float64, null where missing) and `spread` (Float64: the least
        standard deviation of the inputs of an R squared or a correlation, null elsewhere).
    """
    placed = place_on_calendar(bars, set(cells["symbol"]))
    rows = {
        symbol: {when: at for at, when in enumerate(sessions)} for symbol, (sessions, _) in placed.items()
    }
    oracle, spread = [], []
    for symbol, session, column in cells.select("symbol", "session", "column").iter_rows():
        inputs, row = placed[symbol][1], rows[symbol][session]
        oracle.append(float(evaluate_cell(inputs, row, column)))
        spread.append(smallest_spread(inputs, row, column))
    judged = cells.with_columns(
        pl.Series("oracle", oracle, pl.Float64), pl.Series("spread", spread, pl.Float64)
    )
    return judged.with_columns(pl.col("oracle", "spread").fill_nan(None))
