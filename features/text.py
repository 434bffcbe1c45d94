"""Daily sentiment features from scored texts: null when nothing was said, never zero."""

from __future__ import annotations

from functools import partial

import numpy as np
import polars as pl

from features import windows
from features.feature import Feature
from features.panel import check_columns, with_position

SCORED_COLUMNS = ("text_id", "symbol", "session", "negative", "neutral", "positive")

_feature = partial(Feature, family="text", alignment="text")

_TETLOCK = "Tetlock (2007), J. Finance 62(3)"
_ATTENTION = "Barber and Odean (2008), Review of Financial Studies 21(2): attention"
_DISAGREEMENT = "Antweiler and Frank (2004), J. Finance 59(3): disagreement"


def _placed(grid: pl.DataFrame, scored: pl.DataFrame) -> pl.DataFrame:
    """Return the scored items that belong to a row of the grid, in a fixed order."""
    rows = grid.select("symbol", "session").with_row_index("row")
    known = scored.select(SCORED_COLUMNS).drop_nulls()
    return known.join(rows, on=["symbol", "session"], how="inner").sort("row", "text_id")


def _sums(items: pl.DataFrame, values: pl.Series, height: int) -> pl.Series:
    """Add `values` up by grid row, one after the other in the order of the items."""
    # bincount adds in the order of its input, which `_placed` has fixed: the same items give the same bits.
    rows = items.get_column("row").to_numpy().astype(np.int64)
    return pl.Series(np.bincount(rows, weights=values.to_numpy(), minlength=height))


def prepare_texts(grid: pl.DataFrame, scored: pl.DataFrame) -> pl.DataFrame:
    """Add up the scored items of each row of a dense grid.

    Parameters
    ----------
    grid : polars.DataFrame
        symbol and session: a row for every pair, sorted.
    scored : polars.DataFrame
        `SCORED_COLUMNS`, one row for each item and symbol with class probabilities of one scorer. Items
        outside the grid, or without a score, are left out.

    Returns
    -------
    polars.DataFrame
        The grid with position, item_count, sentiment_total (positive − negative), negative_total and
        deviation_total (squared distances from the session's mean); null where nothing was said.

    Raises
    ------
    ValueError
        If columns are missing or the grid is not dense.
    """
    check_columns(grid, ("symbol", "session"), "the grid")
    check_columns(scored, SCORED_COLUMNS, "the scored texts")
    base = with_position(grid.select("symbol", "session"))
    items = _placed(base, scored).with_columns(sentiment=pl.col("positive") - pl.col("negative"))
    totals = base.with_columns(
        item_count=_sums(items, pl.repeat(1.0, items.height, eager=True), base.height),
        sentiment_total=_sums(items, items.get_column("sentiment"), base.height),
        negative_total=_sums(items, items.get_column("negative"), base.height),
    )
    means = totals.get_column("sentiment_total") / totals.get_column("item_count")
    deviations = (items.get_column("sentiment") - means.gather(items.get_column("row"))) ** 2
    said = pl.when(pl.col("item_count") > 0)
    return totals.with_columns(deviation_total=_sums(items, deviations, base.height)).with_columns(
        said.then(pl.col(name)).alias(name)
        for name in ("item_count", "sentiment_total", "negative_total", "deviation_total")
    )


def _heard(column: str, window: int) -> pl.Expr:
    return windows.total(column, window, min_samples=1)


FEATURES = (
    *(
        _feature(
            name=f"text_count_{window}d",
            unit="items",
            definition=f"items of {window} sessions",
            lookback_sessions=window,
            source=_ATTENTION,
            expression=_heard("item_count", window),
        )
        for window in (1, 5)
    ),
    *(
        _feature(
            name=f"text_sentiment_mean_{window}d",
            unit="score in −1 … 1",
            definition=f"mean of positive − negative probability over the items of {window} sessions",
            lookback_sessions=window,
            source=_TETLOCK,
            expression=_heard("sentiment_total", window) / _heard("item_count", window),
        )
        for window in (1, 5, 20)
    ),
    _feature(
        name="text_sentiment_std_1d",
        unit="score",
        definition="std (n − 1) of positive − negative probability over the session's items",
        lookback_sessions=1,
        source=_DISAGREEMENT,
        expression=(pl.col("deviation_total") / (pl.col("item_count") - 1.0)).sqrt(),
    ),
    _feature(
        name="text_sentiment_change_1d_20d",
        unit="score",
        definition="mean sentiment of the session − of 20 sessions",
        lookback_sessions=20,
        source=_TETLOCK,
        expression=pl.col("text_sentiment_mean_1d") - pl.col("text_sentiment_mean_20d"),
        inputs=("text_sentiment_mean_1d", "text_sentiment_mean_20d"),
    ),
    _feature(
        name="text_negative_mean_1d",
        unit="probability",
        definition="mean probability of the negative class over the session's items",
        lookback_sessions=1,
        source="Tetlock, Saar-Tsechansky and Macskassy (2008), J. Finance 63(3)",
        expression=pl.col("negative_total") / pl.col("item_count"),
    ),
    _feature(
        name="text_attention_1d_20d",
        unit="ratio",
        definition="items of the session / items a session over 20 sessions",
        lookback_sessions=20,
        source=_ATTENTION,
        expression=20.0 * pl.col("item_count") / _heard("item_count", 20),
    ),
)
