"""Symbols that go on under another name: told of, and not followed."""

from __future__ import annotations

import polars as pl

LEAST_EQUAL = 3
"""Sessions with the very same bar under another symbol that make a name look like a new one for it."""
SAME = ("session", "open", "high", "low", "close", "volume")


def find_renames(fresh: pl.DataFrame, standing: pl.DataFrame) -> list[str]:
    """Return what a person is to be told of symbols that look like others under a new name.

    Parameters
    ----------
    fresh : polars.DataFrame
        Bars of symbols that silver did not hold yet: `source`, `symbol` and `SAME`.
    standing : polars.DataFrame
        Bars of other symbols, the same columns.
    """
    told = fresh.drop_nulls("close").join(
        standing.drop_nulls("close"), on=["source", *SAME], how="inner", suffix="_before"
    )
    pairs = (
        told.group_by("source", "symbol", "symbol_before")
        .agg(pl.col("session").n_unique().alias("equal"), pl.col("session").max().alias("last"))
        .filter(pl.col("equal") >= LEAST_EQUAL)
        .sort("symbol", "symbol_before")
    )
    return [
        f"{row['source']}: {row['symbol']} looks like {row['symbol_before']} under a new name: "
        f"{row['equal']} sessions up to {row['last']} are the same; nothing is mapped, its past begins anew"
        for row in pairs.iter_rows(named=True)
    ]
