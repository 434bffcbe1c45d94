"""Placed rows by hand."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from features.leakcheck.value_grid import Grid

FIRST = date(2024, 1, 1)


def rows_of(closes: dict[str, list[float | None]]) -> pl.DataFrame:
    """Return bars with these closes, none where None stands: a Monday and the days that follow."""
    rows = [
        {"symbol": symbol, "session": FIRST + timedelta(days=at), "close": close, "volume": 100.0 + at}
        for symbol, values in closes.items()
        for at, close in enumerate(values)
        if close is not None
    ]
    prices = [pl.col("close").alias(name) for name in ("open", "high", "low")]
    known = (pl.col("session").cast(pl.Datetime("us", "UTC")) + timedelta(hours=22)).alias("cutoff_at")
    frame = pl.DataFrame(rows).with_columns(*prices, known, dividend=0.0, split=1.0, valid=True)
    return frame.with_columns(known_at="cutoff_at").sort("symbol", "session")


def placed_of(closes: dict[str, list[float | None]]) -> tuple[pl.DataFrame, Grid]:
    """Return placed rows and their grid."""
    rows = rows_of(closes)
    grid = Grid.of(rows)
    return grid.place(rows), grid
