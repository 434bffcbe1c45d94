"""Compute features over one dense block. Which ones is the caller's word: nothing here knows them all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

from features.feature import Feature
from features.panel import dense_panel, prepare_panel, symbol_grid
from features.session_calendar import calendar_frame
from features.sessions import SessionCalendar
from features.text import SCORED_COLUMNS, prepare_texts


def compute_features(
    panel: pl.DataFrame, calendar: SessionCalendar, features: Sequence[Feature]
) -> pl.DataFrame:
    """Compute features of a dense block of bars.

    Parameters
    ----------
    panel : polars.DataFrame, shape (n_symbols × n_sessions, 9 to 14)
        Sorted by symbol and session, a row for every pair: symbol, session, open, high, low, close, volume,
        price_basis, valid, and what there is of `features.adjust.ACTIONS`. Without a bar: nulls and
        valid=false. Rows before the first wanted session must reach back the features' look-back.
    calendar : SessionCalendar
        Calendar of the exchange.
    features : sequence of Feature
        Which features, with all their `inputs`.

    Returns
    -------
    polars.DataFrame, shape (n_symbols × n_sessions, 2 + n_features)
        symbol, session and one Float64 column a feature, known at the close of its session. Null means
        unknown (too few samples, no bar at t); never NaN or infinite. The value at t is, bit for bit, a
        function of the rows in (t − lookback, t].

    Raises
    ------
    ValueError
        If the panel lacks columns, is not dense, or holds days that are not sessions of the calendar.
    """
    prepared = prepare_panel(panel)
    if prepared.height:
        days = calendar_frame(calendar, prepared)
        prepared = prepared.join(days, on="session", how="left", maintain_order="left")
        return evaluate(prepared, features, known=pl.col("valid"))
    unknown = (pl.lit(None, pl.Float64).alias(feature.name) for feature in features)
    return prepared.select("symbol", "session", *unknown)


def compute_from_bars(
    bars: pl.DataFrame, sessions: pl.DataFrame, calendar: SessionCalendar, features: Sequence[Feature]
) -> pl.DataFrame:
    """Compute features of bars and actions as known at one instant; see `features.views.FeatureView`."""
    return compute_features(dense_panel(bars, sessions), calendar, features)


def compute_from_texts(
    scored: pl.DataFrame, sessions: pl.DataFrame, calendar: SessionCalendar, features: Sequence[Feature]
) -> pl.DataFrame:
    """Compute features of scored texts as known at one instant; see `features.views.FeatureView`."""
    del calendar  # a text belongs to its session already
    grid = symbol_grid(scored, sessions)
    return compute_text_features(grid, scored.select(SCORED_COLUMNS), features)


def compute_text_features(
    grid: pl.DataFrame, scored: pl.DataFrame, features: Sequence[Feature]
) -> pl.DataFrame:
    """Compute sentiment features of a dense block.

    Parameters
    ----------
    grid : polars.DataFrame
        symbol and session (more columns are ignored), a row for every pair, sorted.
    scored : polars.DataFrame
        text_id, symbol, session, negative, neutral, positive: each item with the session it belongs to and
        its class probabilities by one scorer.
    features : sequence of Feature
        Which features, with all their `inputs`.

    Returns
    -------
    polars.DataFrame
        symbol, session and one Float64 column a text feature; null when nothing was said in its window.

    Raises
    ------
    ValueError
        If columns are missing or the grid is not dense.
    """
    return evaluate(prepare_texts(grid, scored), features, known=pl.lit(value=True))


def evaluate(prepared: pl.DataFrame, features: Sequence[Feature], *, known: pl.Expr) -> pl.DataFrame:
    """Evaluate `features` over a prepared panel, each after its inputs.

    Raises
    ------
    ValueError
        If an input is neither a base column nor among `features`.
    """
    # What is not finite becomes null before the next wave reads it: a rank must not count an infinity.
    for wave in _waves(features, prepared.columns):
        values = prepared.with_columns(one.expression.cast(pl.Float64).alias(one.name) for one in wave)
        prepared = values.with_columns(
            pl.when(known & pl.col(one.name).is_finite()).then(pl.col(one.name)).alias(one.name)
            for one in wave
        )
    return prepared.select("symbol", "session", *(feature.name for feature in features))


def _waves(features: Iterable[Feature], columns: Iterable[str]) -> Iterable[list[Feature]]:
    ready, waiting = set(columns), list(features)
    while waiting:
        wave = [feature for feature in waiting if ready.issuperset(feature.inputs)]
        if not wave:
            lacking = {one.name: sorted(set(one.inputs) - ready) for one in waiting}
            msg = (
                f"inputs are missing (or features read one another in a circle): {lacking}; compute them too"
            )
            raise ValueError(msg)
        yield wave
        ready.update(feature.name for feature in wave)
        waiting = [feature for feature in waiting if feature.name not in ready]
