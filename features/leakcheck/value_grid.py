"""Values of features on a grid of symbols and sessions, so that two runs can be laid one on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Values = NDArray[np.float64]
"""Shape (n_features, n_symbols, n_sessions); NaN is a null, or a row that is not there."""
Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]

KEY = ("symbol", "session")
WHO, AT = "_who", "_at"
"""Columns of placed rows: the row's symbol and session as positions of the grid."""


class FeatureOutputError(ValueError):
    """What a feature function returned, or did, cannot be examined."""


class DoubledRows(FeatureOutputError):
    """More than one row of a (symbol, session) came back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The symbols and sessions of the examined rows, both ascending."""

    symbols: pl.Series
    sessions: pl.Series

    @classmethod
    def of(cls, rows: pl.DataFrame) -> Grid:
        """Return the grid that holds every symbol and session of `rows`."""
        symbols, sessions = (rows.get_column(name).unique().sort() for name in KEY)
        return cls(symbols=symbols, sessions=sessions)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_symbols, n_sessions)."""
        return len(self.symbols), len(self.sessions)

    def place(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows with their positions, null where the grid lacks their symbol or session."""
        for name, values, place in (("symbol", self.symbols, WHO), ("session", self.sessions, AT)):
            places = values.to_frame(name).with_row_index(place).cast({place: pl.Int64})
            rows = rows.join(places, on=name, how="left", maintain_order="left")
        return rows

    def present(self, placed: pl.DataFrame) -> Flags:
        """Return for each symbol and session whether a row is there, shape (n_symbols, n_sessions)."""
        there = np.zeros(self.shape, dtype=bool)
        there[placed.get_column(WHO).to_numpy(), placed.get_column(AT).to_numpy()] = True
        return there


def check_output(output: object) -> pl.DataFrame:
    """Return what a feature function gave, in the types that the grid knows.

    Parameters
    ----------
    output : object
        A Polars frame with `symbol`, `session` (a date, or an instant at midnight) and numbers.

    Returns
    -------
    polars.DataFrame
        `symbol` as String, `session` as Date, the features as Float64; a truth value counts as 0 or 1.

    Raises
    ------
    DoubledRows
        If a (symbol, session) came back more than once.
    FeatureOutputError
        If it is no such frame; the message says what to return instead.
    """
    if not isinstance(output, pl.DataFrame):
        msg = (
            f"features(bars) returned a {type(output).__module__}.{type(output).__name__}; return a "
            "polars.DataFrame (pl.from_pandas makes one of pandas')"
        )
        raise FeatureOutputError(msg)
    lacking = [name for name in KEY if name not in output.columns]
    names = [name for name in output.columns if name not in KEY]
    if lacking or not names:
        what = f"lacks the columns {lacking}" if lacking else "holds no feature column"
        msg = f"features(bars) returned {output.columns}: it {what}; return symbol, session and the features"
        raise FeatureOutputError(msg)
    wrong = [
        f"{name} ({dtype})"
        for name, dtype in output.schema.items()
        if name in names and not (dtype.is_numeric() or dtype in {pl.Boolean, pl.Null})
    ]
    if wrong:
        msg = f"features(bars) returned columns that are no numbers: {', '.join(wrong)}; leave them out"
        raise FeatureOutputError(msg)
    return _unique_rows(_typed(output, names))


def _typed(output: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    dtype = output.schema["session"]
    if dtype not in (pl.Date, pl.Datetime):
        msg = f"features(bars) returned session as {dtype}; return it as it stands in the bars, a date"
        raise FeatureOutputError(msg)
    values = (pl.col(name).cast(pl.Float64) for name in names)
    return output.select(pl.col("symbol").cast(pl.String), pl.col("session").cast(pl.Date), *values)


def _unique_rows(output: pl.DataFrame) -> pl.DataFrame:
    doubled = output.filter(output.select(KEY).is_duplicated())
    if doubled.height:
        symbol, session = doubled.row(0)[:2]
        msg = (
            f"features(bars) returned {doubled.height} rows that share their symbol and session, such as "
            f"{symbol} {session}; return one row for each"
        )
        raise DoubledRows(msg)
    return output


def read_values(output: pl.DataFrame, grid: Grid, names: Sequence[str]) -> Values:
    """Lay a checked output on the grid.

    Returns
    -------
    Values
        In the order of `names`; NaN where the output has no row or a null, and for a column that it lacks.
        Rows of symbols and sessions outside the grid are left out.
    """
    values = np.full((len(names), *grid.shape), np.nan)
    placed = grid.place(output).drop_nulls([WHO, AT])
    who, at = (placed.get_column(name).to_numpy() for name in (WHO, AT))
    for number, name in enumerate(names):
        if name in placed.columns:
            values[number, who, at] = placed.get_column(name).to_numpy()
    return values
