"""How much of a symbol's past a delivery shows unchanged beside what it brings that is new."""

from __future__ import annotations

import polars as pl

COUNTED = ("place", "symbol")


def count_repeats(judged: pl.DataFrame) -> pl.DataFrame:
    """Return how many records of each delivery and symbol only repeat what stands.

    Parameters
    ----------
    judged : polars.DataFrame
        From `steps.judge_records` or `steps.mark_repeats`.

    Returns
    -------
    polars.DataFrame
        `place`, `symbol` and `overlap`, without those of which nothing repeats. What is refused, contradicts
        another record or comes in a delivery older than the one that its key stands on shows nothing.
    """
    sound = pl.col("broken").is_null() & pl.col("known_at").is_not_null() & ~pl.col("conflicting")
    repeats = judged.filter(~pl.col("fresh") & ~pl.col("older") & sound)
    return repeats.group_by(COUNTED).agg(pl.len().cast(pl.Int32).alias("overlap"))


def merge_counts(
    counted: pl.DataFrame, more: pl.DataFrame, *, less: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Return the sum of two counts, what is counted in `less` taken off."""
    taken = [] if less is None else [less.with_columns(-pl.col("overlap"))]
    parts = [part for part in (counted, more, *taken) if part.height]
    return pl.concat(parts).group_by(COUNTED).agg(pl.col("overlap").sum()) if parts else counted


def mark_overlap(judged: pl.DataFrame, counted: pl.DataFrame) -> pl.DataFrame:
    """Return the records with `overlap`, what was counted of their delivery and symbol.

    A kind of record whose table does not keep it stays as it is.
    """
    if "overlap" not in judged.columns:
        return judged
    if counted.is_empty():
        return judged.with_columns(overlap=pl.lit(0, pl.Int32))
    joined = judged.drop("overlap").join(
        counted, on=COUNTED, how="left", nulls_equal=True, maintain_order="left"
    )
    return joined.with_columns(pl.col("overlap").fill_null(0)).select(judged.columns)
