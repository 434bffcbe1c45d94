"""The training frame: labels known at the as-of, features known at each row's own cut."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import polars as pl

from features.sessions import INSTANT
from models.targets import add_target
from pipelines.base.context import Context
from pipelines.base.errors import BadDataError
from pipelines.base.frames import DistributedFrame
from pipelines.base.table import TableContract
from pipelines.io.feature_retrieval import read_features
from pipelines.io.feature_store import open_feature_store
from pipelines.io.frames import persisted
from pipelines.io.pinned_lake import pin
from pipelines.registry.training_params import TrainingParams
from pipelines.tables import queries
from pipelines.tables.contracts import GOLD_LABELS

log = logging.getLogger(__name__)

SPINE = ("symbol", "session", "cutoff_at", "label_end", "label")


def open_view(context: Context, tables: Iterable[TableContract]) -> Context:
    """Return the context to read a training frame with: some tables as they are now, whoever writes later.

    The caller holds the writer's lock. Feast's definitions are applied under it, which another command would
    do at the same moment otherwise.
    """
    open_feature_store(context).apply()
    return pin(context, tables)


def read_frame(context: Context, as_of: date, horizon_sessions: int, features: Sequence[str]) -> pl.DataFrame:
    """Return the training frame of an as-of.

    Parameters
    ----------
    as_of : date
        Labels are taken in the newest version known at its cut.
    horizon_sessions : int
        Sessions of the label's run.
    features : sequence of str
        Feature columns, of any view.

    Returns
    -------
    polars.DataFrame
        One row a (symbol, session) that has a valid label and, in the primary view, a valid vector of that
        very session, known at its cut: `symbol`, `session`, `cutoff_at`, `label_end`,
        `label` (fraction), the features (Float32, null = unknown) and `target`; sorted by session, symbol.

    Raises
    ------
    BadDataError
        If there are more rows than ``training.max_frame_rows``: the frame is collected.
    """
    with persisted(read_spine(context, as_of, horizon_sessions)) as spine:
        if _count_rows(spine, context.params(TrainingParams).max_frame_rows) == 0:
            return finish_frame(pl.DataFrame(schema=frame_schema(features)))
        joined: Any = read_features(context, spine, features, at="cutoff_at")
        narrow = joined.selectExpr(*SPINE, *(f"cast(`{name}` as float) as `{name}`" for name in features))
        return finish_frame(context.lake.collect(narrow))


def read_spine(context: Context, as_of: date, horizon_sessions: int) -> DistributedFrame:
    """Return the key, `cutoff_at`, `label_end` and `label` of every valid label known at the as-of."""
    columns, of_horizon = ["symbol", "session", "label_end", "value"], queries.of_horizon(horizon_sessions)
    known_at = context.calendar.cutoff_at(as_of)
    known = queries.valid_outcomes(GOLD_LABELS, known_at, columns, where=of_horizon)
    instants = context.calendar.frame(context.calendar.first, as_of).select("session", "cutoff_at")
    cuts = context.lake.distribute(instants, instants.schema)
    joined = context.lake.scan_query(known, GOLD_LABELS).join(cuts, on="session", how="inner")
    return joined.selectExpr("symbol", "session", "cutoff_at", "label_end", "value as label")


def finish_frame(joined: pl.DataFrame) -> pl.DataFrame:
    """Add the target and sort, so that equal inputs give equal bytes."""
    return add_target(joined.sort("session", "symbol"))


def frame_schema(features: Sequence[str]) -> dict[str, Any]:
    """Return the columns of the joined frame, target aside."""
    keys = {"symbol": pl.String, "session": pl.Date, "cutoff_at": INSTANT, "label_end": INSTANT}
    return {**keys, "label": pl.Float64, **dict.fromkeys(features, pl.Float32)}


def _count_rows(spine: DistributedFrame, most: int) -> int:
    rows = int(spine.count())
    log.info("training spine: %d labelled rows", rows)
    if rows > most:
        msg = (
            f"{rows} labelled rows exceed training.max_frame_rows={most}; it is held in memory at about "
            "4 bytes a value: raise the bound on a larger machine, or keep fewer symbols"
        )
        raise BadDataError(msg)
    return rows
