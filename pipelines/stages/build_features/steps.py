"""Pure steps of build_features: one block of sessions, from versions of inputs to versions of values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from features.labels import compute_labels
from features.panel import dense_panel
from features.sessions import SessionCalendar
from features.views import FeatureView
from pipelines.stages.build_features.evaluations import evaluate_chains, latest_known
from pipelines.tables.contracts import GOLD_LABELS, feature_table
from pipelines.tables.session_grid import SessionGrid
from pipelines.tables.version_chains import drop_repeated_states, month_of_session

FEATURES, LABELS = "features", "labels"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelPlan:
    """Which outcomes come out of the pass over the primary view's source, and when each is known.

    Attributes
    ----------
    horizons : tuple of int
        Sessions held; labels that END in a touched session are returned.
    lag : timedelta
        From the close that ends a label to when it counts as known.
    """

    horizons: tuple[int, ...]
    lag: timedelta


def block_schema(view: FeatureView, labels: LabelPlan | None) -> dict[str, Any]:
    """Return the columns of `build_block`: a row is of one ``kind`` and null in the columns of the other."""
    return {
        "kind": pl.String,
        **feature_table(view).schema,
        **(GOLD_LABELS.schema if labels else {}),
    }


def mark_blocks(
    rows: pl.DataFrame, *, grid: SessionGrid, size: int, lookback: int, wanted: Collection[int] | None
) -> pl.DataFrame:
    """Return each row once for every block that needs it, named in ``block``.

    Parameters
    ----------
    rows : polars.DataFrame
        Any columns with `session`; sessions that `grid` lacks are left out.
    size, lookback : int
        Sessions of a block, and of the look-back of its first session, that one included.
    wanted : collection of int or None
        Blocks to return, None for all.

    Returns
    -------
    polars.DataFrame
        The columns of `rows` and ``block`` (Int64: position of a session over `size`), in any order.
    """
    placed = rows.join(grid.frame.select("session", "position"), on="session", how="inner")
    # A row at position p is read by the sessions p to p + lookback - 1: it goes to all of their blocks.
    last = (pl.col("position") + lookback - 1) // size
    blocks = pl.int_ranges(pl.col("position") // size, last + 1, dtype=pl.Int64).alias("block")
    marked = placed.with_columns(blocks).explode("block").select(*rows.columns, "block")
    return marked if wanted is None else marked.filter(pl.col("block").is_in(sorted(wanted)))


def build_block(
    rows: pl.DataFrame,
    *,
    view: FeatureView,
    grid: SessionGrid,
    last: date,
    block_sessions: int,
    calendar: SessionCalendar,
    labels: LabelPlan | None = None,
) -> pl.DataFrame:
    """Return the versions of a view's vectors, and of labels, for one block's touched sessions.

    Parameters
    ----------
    rows : polars.DataFrame
        The view's `source_columns` and ``block``: all versions of its sessions and the look-back before.
    view : FeatureView
        The definition itself and not its name: a worker of Spark's may not have it registered.
    grid : SessionGrid
        The exchange's sessions; `touched` says which are wanted.
    last : date
        Newest session with bars: a session that has not closed yet has no vector.
    labels : LabelPlan, optional
        For the primary view: outcomes need the same panel.

    Returns
    -------
    polars.DataFrame
        `block_schema`: a row a version, instants in UTC; unknown values are null, never NaN.
    """
    block = rows.item(0, "block")
    span = grid.between(block * block_sessions, (block + 1) * block_sessions - 1)
    due = span.filter((pl.col("session") <= last) & grid.wanted())
    wanted: dict[int, datetime] = dict(due.select("position", "cutoff_at").rows())

    def evaluate(known: pl.DataFrame, first: int, final: int) -> pl.DataFrame:
        sessions = grid.between(first - view.lookback_sessions + 1, final).select("session")
        values = view.evaluate(known, sessions, calendar)
        if labels:
            outcomes = _label_columns(dense_panel(known, sessions), labels.horizons)
            values = values.join(outcomes, on=["symbol", "session"], how="left")
        # Of the same rows that the values were computed from, so no value is known before all its inputs.
        inputs = latest_known(known, grid, first, final, lookback=view.lookback_sessions)
        return _rows_of_view(view, known, values, grid).join(inputs, on="position", how="inner")

    evaluated = evaluate_chains(
        grid.placed(rows.select(view.source_columns)),
        key=view.version_key,
        touched=wanted,
        grid=grid,
        lookback=view.lookback_sessions,
        evaluate=evaluate,
    )
    schema = block_schema(view, labels)
    if evaluated is None:
        return pl.DataFrame(schema=schema)
    parts = [feature_versions(evaluated, view)]
    if labels:
        parts += [label_versions(evaluated, grid, horizon, labels.lag) for horizon in labels.horizons]
    return pl.concat(parts, how="diagonal").select(list(schema))


def _rows_of_view(
    view: FeatureView, known: pl.DataFrame, values: pl.DataFrame, grid: SessionGrid
) -> pl.DataFrame:
    """Return the values at the rows that the view has, with ``row_valid`` and their session."""
    if view.row_rule == "of_source":
        own = known if view.row_record is None else known.filter(pl.col("record") == view.row_record)
        there = own.select("symbol", "session", "position", "event_timestamp", row_valid="valid")
        return there.join(values, on=["symbol", "session"], how="inner")
    said = values.filter(pl.any_horizontal(pl.col(view.feature_names).is_not_null()))
    return grid.placed(said).drop("cutoff_at").with_columns(row_valid=pl.lit(value=True))


def _label_columns(panel: pl.DataFrame, horizons: tuple[int, ...]) -> pl.DataFrame:
    labels = compute_labels(panel, horizons)
    wide = labels.pivot(on="horizon", index=["symbol", "session"], values="value")
    return wide.rename({str(horizon): f"label_{horizon}" for horizon in horizons})


def feature_versions(evaluated: pl.DataFrame, view: FeatureView) -> pl.DataFrame:
    """Return the rows of the view's gold table that the evaluations amount to, repeats dropped.

    Parameters
    ----------
    evaluated : polars.DataFrame
        From `evaluate_chains`: values with `row_valid`, `inputs_known_at` and `evaluated_at` (UTC).

    Returns
    -------
    polars.DataFrame
        Columns of the gold table and ``kind``, a row a state, in the order of the cuts.

    Notes
    -----
    A vector is known when its last input was. Rows that exist only where something is known may rest on
    inputs of earlier sessions alone, so they are not known before their own session's close.
    """
    known_at = pl.col("inputs_known_at")
    if view.row_rule == "where_known":
        known_at = pl.max_horizontal("inputs_known_at", "event_timestamp")
    rows = evaluated.select(
        pl.lit(FEATURES).alias("kind"),
        "symbol",
        "session",
        "event_timestamp",
        known_at.alias("known_at"),
        pl.col("row_valid").alias("valid"),
        *view.feature_names,
        month_of_session(),
        "evaluated_at",
    )
    state = ("valid", *view.feature_names)
    return drop_repeated_states(rows, ("symbol", "session"), state, order="evaluated_at").drop("evaluated_at")


def label_versions(
    evaluated: pl.DataFrame, grid: SessionGrid, horizon_sessions: int, lag: timedelta
) -> pl.DataFrame:
    """Return the rows of `gold.labels` of one horizon that END in the evaluated sessions.

    The label of the forecast made with session t is the return from the close of t + 1 to that of
    t + 1 + h. A label that was known and is no longer is a version with a null and ``valid=false``.

    Parameters
    ----------
    evaluated : polars.DataFrame
        With ``label_<h>`` (fraction) at the session in which the label ENDS, null where unknown.
    grid : SessionGrid
        Holds the signal's session too, 1 + h sessions earlier.
    lag : timedelta
        From the close that ends a label to when it counts as known.

    Returns
    -------
    polars.DataFrame
        Columns of `gold.labels` and ``kind``; `session` and `event_timestamp` are the signal's.
    """
    # Shifted to where the label ends, so that one join by position finds the session that it belongs to.
    signals = grid.frame.select(
        (pl.col("position") + 1 + horizon_sessions).alias("position"),
        pl.col("session").alias("signal"),
        pl.col("event_timestamp").alias("signal_at"),
    )
    value = pl.col(f"label_{horizon_sessions}")
    rows = evaluated.join(signals, on="position", how="inner").select(
        pl.lit(LABELS).alias("kind"),
        "symbol",
        pl.col("signal").alias("session"),
        pl.lit(horizon_sessions, pl.Int32).alias("horizon"),
        pl.col("signal_at").alias("event_timestamp"),
        pl.col("event_timestamp").alias("label_end"),
        pl.max_horizontal("inputs_known_at", pl.col("event_timestamp") + lag).alias("known_at"),
        value.is_not_null().alias("valid"),
        value.alias("value"),
        "evaluated_at",
    )
    # Before its first value a label is absent, not retracted: only what was known once can be taken back.
    ever = pl.col("valid").cum_max().over("symbol", "session", order_by="evaluated_at")
    chain = drop_repeated_states(
        rows.filter(ever), ("symbol", "session"), ("valid", "value"), order="evaluated_at"
    )
    return chain.drop("evaluated_at").with_columns(month_of_session())
