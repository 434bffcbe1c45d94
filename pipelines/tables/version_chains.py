"""Chains of versions: what makes a row a new version of its key, and which partition it goes to."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def month_of_session() -> pl.Expr:
    """Return the partition value of a row's session: ``YYYY-MM``."""
    return pl.col("session").dt.strftime("%Y-%m").alias("month")


def drop_repeated_states(
    rows: pl.DataFrame, key: Sequence[str], state: Sequence[str], *, order: str = "known_at"
) -> pl.DataFrame:
    """Return the rows that say something else than the row before them of the same key.

    Parameters
    ----------
    rows : polars.DataFrame
        Everything that was said of each key, in any order.
    key, state : sequence of str
        Columns that name a key, and those that say something of it; nulls are equal to one another.
    order : str
        Column of instants by which a key's rows follow one another.

    Returns
    -------
    polars.DataFrame
        Sorted by key and instant. A → A → B is two rows, A → B → A three: only a repeat of the state just
        before is no version, so that a value which comes back is known to have come back.
    """
    ordered = rows.sort(*key, order)
    same = pl.all_horizontal(*(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in (*key, *state)))
    # On the first row `shift` gives null, which eq_missing holds equal to a null state: it always stays.
    return ordered.filter((pl.int_range(pl.len()) == 0) | ~same)
