"""Pure steps of build_features: one block of sessions, from versions of inputs to versions of values."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta

import polars as pl

from features.catalog import daily_features, max_lookback, text_features
from features.compute import compute_features, compute_text_features
from features.labels import compute_labels
from features.panel import PANEL_COLUMNS
from features.sessions import SessionCalendar
from pipelines.stages.build_features.evaluations import Days, evaluate_chains, latest_known
from pipelines.tables.contracts import GOLD_FEATURES_TEXT, GOLD_LABELS

BAR_INPUTS = ("symbol", "session", "known_at", *PANEL_COLUMNS[2:])
TEXT_INPUTS = ("symbol", "session", "known_at", "text_id", "negative", "neutral", "positive")
FEATURE_NAMES = tuple(feature.name for feature in daily_features())
TEXT_NAMES = tuple(feature.name for feature in text_features())
TEXT_LOOKBACK = max(feature.lookback_sessions for feature in text_features())
KINDS = ("features", "labels")
BLOCK_OUTPUT = {
    "kind": pl.String,
    **{name: dtype for name, dtype in GOLD_LABELS.schema.items() if name != "month"},
    **dict.fromkeys(FEATURE_NAMES, pl.Float64),
    "month": pl.String,
}
"""Features and labels of a block come out of one pass; a row is of one `kind` and null elsewhere."""


def mark_blocks(
    rows: pl.DataFrame, *, days: Days, size: int, lookback: int, wanted: Collection[int] | None
) -> pl.DataFrame:
    """Return each row once for every block that needs it, named in ``block``.

    Parameters
    ----------
    rows : polars.DataFrame
        Any columns with `session`; sessions that `days` lacks are left out.
    size, lookback : int
        Sessions of a block, and of the look-back of its first session, that one included.
    wanted : collection of int or None
        Blocks to return, None for all.
    """
    placed = rows.join(days.frame.select("session", "position"), on="session", how="inner")
    last = (pl.col("position") + lookback - 1) // size
    blocks = pl.int_ranges(pl.col("position") // size, last + 1, dtype=pl.Int64).alias("block")
    marked = placed.with_columns(blocks).explode("block").select(*rows.columns, "block")
    return marked if wanted is None else marked.filter(pl.col("block").is_in(sorted(wanted)))


def build_block(
    rows: pl.DataFrame,
    *,
    days: Days,
    touched: Sequence[date] | None,
    block_sessions: int,
    calendar: SessionCalendar,
    horizons: tuple[int, ...],
    label_lag: timedelta,
) -> pl.DataFrame:
    """Return the versions of features and labels of one block's touched sessions.

    Parameters
    ----------
    rows : polars.DataFrame
        `BAR_INPUTS` and `block`: all versions of the block's sessions and of the `max_lookback` before.
    touched : sequence of date or None
        Sessions wanted; None for all of the block.
    horizons : tuple of int
        Label horizons in sessions; labels that END in a touched session are returned.

    Returns
    -------
    polars.DataFrame
        `BLOCK_OUTPUT`.
    """
    block = rows.item(0, "block")
    placed = days.placed(rows.select(BAR_INPUTS))
    wanted = _wanted(placed, days, touched, block=block, block_sessions=block_sessions)
    lookback = max_lookback()

    def evaluate(view: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
        panel = dense_panel(view, days, first - lookback + 1, last)
        values = compute_features(panel, calendar, daily_features()).join(
            _label_columns(panel, horizons), on=["symbol", "session"], how="left"
        )
        standing = view.select(
            "symbol", "session", "position", "event_timestamp", pl.col("valid").alias("bar_valid")
        )
        return standing.join(values, on=["symbol", "session"], how="inner").join(
            latest_known(view, days, first, last, lookback=lookback), on="position", how="inner"
        )

    evaluated = evaluate_chains(
        placed, key=("symbol", "position"), touched=wanted, days=days, lookback=lookback, evaluate=evaluate
    )
    if evaluated is None:
        return pl.DataFrame(schema=BLOCK_OUTPUT)
    features = feature_versions(evaluated)
    labels = [label_versions(evaluated, days, horizon, label_lag) for horizon in horizons]
    return pl.concat([features, *labels], how="diagonal").select(list(BLOCK_OUTPUT))


def _wanted(
    placed: pl.DataFrame, days: Days, touched: Sequence[date] | None, *, block: int, block_sessions: int
) -> dict[int, datetime]:
    last = placed.get_column("position").max()
    span = days.between(block * block_sessions, (block + 1) * block_sessions - 1)
    there = span.filter(pl.col("position") <= last)
    if touched is not None:
        there = there.filter(pl.col("session").is_in(pl.Series(touched, dtype=pl.Date).implode()))
    return dict(there.select("position", "decision_at").rows())


def dense_panel(view: pl.DataFrame, days: Days, first: int, last: int) -> pl.DataFrame:
    """Return a row for every symbol of `view` and every session, nulls where there is no bar."""
    grid = view.select("symbol").unique().sort("symbol").join(
        days.between(first, last).select("session"), how="cross"
    )  # fmt: skip
    bars = grid.join(view.select(PANEL_COLUMNS), on=["symbol", "session"], how="left", maintain_order="left")
    return bars.with_columns(pl.col("valid").fill_null(value=False)).select(PANEL_COLUMNS)


def _label_columns(panel: pl.DataFrame, horizons: tuple[int, ...]) -> pl.DataFrame:
    labels = compute_labels(panel, horizons)
    wide = labels.pivot(on="horizon", index=["symbol", "session"], values="value")
    return wide.rename({str(horizon): f"label_{horizon}" for horizon in horizons})


def feature_versions(evaluated: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of `gold.features_daily` that the evaluations amount to, repeats dropped."""
    rows = evaluated.select(
        pl.lit("features").alias("kind"),
        "symbol",
        "session",
        "event_timestamp",
        pl.col("inputs_known_at").alias("known_at"),
        pl.col("bar_valid").alias("valid"),
        *FEATURE_NAMES,
        _month(),
        "decided_at",
    )
    return first_of_each_state(rows, ("symbol", "session"), ("valid", *FEATURE_NAMES)).drop("decided_at")


def label_versions(evaluated: pl.DataFrame, days: Days, horizon: int, lag: timedelta) -> pl.DataFrame:
    """Return the rows of `gold.labels` of one horizon that END in the evaluated sessions.

    The label of the forecast made with session t is the return from the close of t + 1 to that of
    t + 1 + h. A label that was known and is no longer is a version with a null and ``valid=false``.
    """
    signals = days.frame.select(
        (pl.col("position") + 1 + horizon).alias("position"),
        pl.col("session").alias("signal"),
        pl.col("event_timestamp").alias("signal_at"),
    )
    value = pl.col(f"label_{horizon}")
    rows = evaluated.join(signals, on="position", how="inner").select(
        pl.lit("labels").alias("kind"),
        "symbol",
        pl.col("signal").alias("session"),
        pl.lit(horizon, pl.Int32).alias("horizon"),
        pl.col("signal_at").alias("event_timestamp"),
        pl.col("event_timestamp").alias("label_end"),
        pl.max_horizontal("inputs_known_at", pl.col("event_timestamp") + lag).alias("known_at"),
        value.is_not_null().alias("valid"),
        value.alias("value"),
        "decided_at",
    )
    ever = pl.col("valid").cum_max().over("symbol", "session", order_by="decided_at")
    chain = first_of_each_state(rows.filter(ever), ("symbol", "session"), ("valid", "value"))
    return chain.drop("decided_at").with_columns(_month())


def _month() -> pl.Expr:
    return pl.col("session").dt.strftime("%Y-%m").alias("month")


def first_of_each_state(rows: pl.DataFrame, key: Sequence[str], state: Sequence[str]) -> pl.DataFrame:
    """Return `rows` without those that only repeat the state of the decision before."""
    ordered = rows.sort(*key, "decided_at")
    repeated = pl.all_horizontal(*(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in (*key, *state)))
    first = pl.int_range(pl.len()) == 0
    return ordered.filter(first | ~repeated)


def build_text_block(
    rows: pl.DataFrame, *, days: Days, touched: Sequence[date] | None, last: date, block_sessions: int
) -> pl.DataFrame:
    """Return the versions of the sentiment features of one block's touched sessions.

    Parameters
    ----------
    rows : polars.DataFrame
        `TEXT_INPUTS` and `block`: scored items of the block and of the look-back before it.
    last : date
        Newest session with bars: texts of a session that has not closed yet wait for it.

    Returns
    -------
    polars.DataFrame
        Rows of `gold.features_text`; a (symbol, session) of whose look-back nothing was said has none.
    """
    block = rows.item(0, "block")
    placed = days.placed(rows.select(TEXT_INPUTS))
    span = days.between(block * block_sessions, (block + 1) * block_sessions - 1)
    span = span.filter(pl.col("session") <= last)
    if touched is not None:
        span = span.filter(pl.col("session").is_in(pl.Series(touched, dtype=pl.Date).implode()))
    wanted = dict(span.select("position", "decision_at").rows())

    def evaluate(view: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
        sessions = days.between(first - TEXT_LOOKBACK + 1, last).select("session")
        grid = view.select("symbol").unique().sort("symbol").join(sessions, how="cross")
        values = compute_text_features(
            grid, view.select(*TEXT_INPUTS[3:], "symbol", "session"), text_features()
        )
        said = values.filter(pl.any_horizontal(pl.col(TEXT_NAMES).is_not_null()))
        return days.placed(said).join(
            latest_known(view, days, first, last, lookback=TEXT_LOOKBACK), on="position", how="inner"
        )

    evaluated = evaluate_chains(
        placed,
        key=("text_id", "symbol"),
        touched=wanted,
        days=days,
        lookback=TEXT_LOOKBACK,
        evaluate=evaluate,
    )
    if evaluated is None:
        return pl.DataFrame(schema=dict(GOLD_FEATURES_TEXT.schema))
    versions = evaluated.with_columns(
        pl.max_horizontal("inputs_known_at", "event_timestamp").alias("known_at"),
        _month(),
        valid=pl.lit(value=True),
    ).select(*GOLD_FEATURES_TEXT.columns, "decided_at")
    return first_of_each_state(versions, ("symbol", "session"), TEXT_NAMES).drop("decided_at")
