"""The target: the forward return as a normal score of its rank within the session."""

from __future__ import annotations

import polars as pl
from scipy.special import ndtri

MIN_CROSS_SECTION = 3


def add_target(frame: pl.DataFrame, *, min_cross_section: int = MIN_CROSS_SECTION) -> pl.DataFrame:
    """Add `target`, the Gaussian rank score of `label` within its session.

    With ``n`` labelled symbols in a session and average ranks ``r`` in 1..n, the target is
    ``Φ⁻¹((r − ½) / n)``: mean zero by construction, standard deviation just below 1, blind to the
    market's move and to outliers. Ties share one score.

    Parameters
    ----------
    frame : polars.DataFrame
        One row a (symbol, session), with `label`: the raw forward return, a fraction.
    min_cross_section : int
        Sessions with fewer labels get null targets: ranks of one or two symbols say nothing.

    Returns
    -------
    polars.DataFrame
        The same rows in the same order with `target` (Float64); null where `label` is null or NaN.

    Notes
    -----
    Rank-based normal scores after Blom (1958), with the plotting position (r − ½)/n.
    """
    label = pl.col("label").fill_nan(None)
    count = label.count().over("session")
    share = (label.rank("average").over("session") - 0.5) / count
    scored = frame.with_columns(pl.when(count >= min_cross_section).then(share).alias("target"))
    score = pl.Series("target", ndtri(scored["target"].to_numpy().astype("float64"))).fill_nan(None)
    return scored.with_columns(score)


def centred_rank(column: str) -> pl.Expr:
    """Rank `column` within its session, centred and scaled to the open interval (−½, ½); nulls stay null."""
    value = pl.col(column).fill_nan(None)
    return (value.rank("average").over("session") - 0.5) / value.count().over("session") - 0.5
