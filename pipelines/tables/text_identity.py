"""What tells texts apart, in this process: the same forms and digests as the queries give in the engine."""

from __future__ import annotations

import hashlib

import polars as pl


def canonical_text(column: str = "text") -> pl.Expr:
    """Return the form by which texts are told apart and in which they are scored.

    Source: `pipelines.tables.queries.CANONICAL_TEXT`, whose behaviour is matched.
    """
    return pl.col(column).str.strip_chars(" ").str.replace_all(r"[ \t\n\r]+", " ").str.to_lowercase()


def identify_texts(records: pl.DataFrame) -> pl.DataFrame:
    """Return the records with `text_id`: what a text says, on its session.

    Parameters
    ----------
    records : polars.DataFrame
        `session_date` (Date) and `text`; what is null takes no part in the identity.
    """
    said = records.select(
        pl.concat_str(
            pl.col("session_date").dt.to_string("%Y-%m-%d"),
            canonical_text(),
            separator="|",
            ignore_nulls=True,
        )
    ).to_series()
    ids = [hashlib.sha256((text or "").encode()).hexdigest() for text in said]
    return records.with_columns(pl.Series("text_id", ids, dtype=pl.String))


def first_spellings(texts: pl.DataFrame, scored: pl.DataFrame) -> pl.DataFrame:
    """Return `text_id`, `session` and canonical `text` of texts that no score is there of, one row each.

    Parameters
    ----------
    texts : polars.DataFrame
        `text_id`, `session`, `symbol` and `text`. Of a text that speaks of several symbols the first row
        stands for all: its score does not depend on them.
    scored : polars.DataFrame
        `text_id` of the scores there are.
    """
    unscored = texts.join(scored, on="text_id", how="anti").sort("session", "symbol")
    first = unscored.unique("text_id", keep="first", maintain_order=True)
    return first.select("text_id", "session", canonical_text().alias("text"))
