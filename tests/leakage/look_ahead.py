"""Find features that read rows which they must not read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np
import polars as pl

Compute = Callable[[pl.DataFrame], pl.DataFrame]
Disturb = Callable[[pl.DataFrame], pl.DataFrame]

_SCRAMBLED = ("open", "high", "low", "close", "volume", "dividend", "split")
_KEY = ("symbol", "session")


def drop_rows(block: pl.DataFrame) -> pl.DataFrame:
    """Return none of the rows: the future has not happened, or the past is not at hand."""
    return block.clear()


def scramble_rows(block: pl.DataFrame, *, seed: int = 7) -> pl.DataFrame:
    """Return the rows with other numbers, other validity and the same keys."""
    random = np.random.default_rng(seed)
    columns = [name for name in _SCRAMBLED if name in block.columns]
    noise = {name: pl.Series(name, random.lognormal(0.0, 0.8, block.height)) for name in columns}
    valid = (
        {"valid": pl.Series("valid", random.random(block.height) > 0.1)} if "valid" in block.columns else {}
    )
    return block.with_columns(**noise, **valid)


def differing_columns(left: pl.DataFrame, right: pl.DataFrame) -> list[str]:
    """Return the names of the columns that are not identical, bit for bit, nulls at the same places."""
    pairs = ((name, left.get_column(name), right.get_column(name)) for name in left.columns)
    return [name for name, one, other in pairs if not _identical(one, other)]


def _identical(one: pl.Series, other: pl.Series) -> bool:
    same_nulls = (one.is_null() == other.is_null()).all()
    if not same_nulls or one.dtype != pl.Float64:
        return same_nulls and one.equals(other)
    bits = (series.fill_null(0.0).to_numpy().view(np.int64) for series in (one, other))
    return bool(np.array_equal(next(bits), next(bits)))


def find_look_ahead(
    compute: Compute, panel: pl.DataFrame, cut: date, disturb: Disturb = drop_rows
) -> list[str]:
    """Return the columns whose values up to `cut` change when the rows after it are disturbed.

    Parameters
    ----------
    compute : callable
        From a panel to symbol, session and feature columns.
    panel : polars.DataFrame
        Dense block with a `session` column.
    cut : datetime.date
        Last session of the past.
    disturb : callable
        What happens to the rows after `cut`: `drop_rows` or `scramble_rows`.

    Returns
    -------
    list of str
        Names of leaking columns; empty when the past is identical, bit for bit.
    """
    past, future = panel.filter(pl.col("session") <= cut), panel.filter(pl.col("session") > cut)
    changed = pl.concat([past, disturb(future)]).sort(_KEY)
    return _compare(compute, panel, changed, pl.col("session") <= cut)


def find_overreach(
    compute: Compute, panel: pl.DataFrame, first: date, disturb: Disturb = scramble_rows
) -> list[str]:
    """Return the columns whose values on the last session change when rows before `first` are disturbed.

    A feature with a look-back of n sessions must not be named when `first` is the n-th session from the end.
    """
    early, window = panel.filter(pl.col("session") < first), panel.filter(pl.col("session") >= first)
    changed = pl.concat([disturb(early), window]).sort(_KEY)
    return _compare(compute, panel, changed, pl.col("session") == pl.col("session").max())


def _compare(compute: Compute, panel: pl.DataFrame, changed: pl.DataFrame, kept: pl.Expr) -> list[str]:
    left = compute(panel).filter(kept).sort(_KEY)
    right = compute(changed).filter(kept).sort(_KEY)
    return differing_columns(left, right)
