"""Read the training frame: labels known at the as-of, features known at each row's own decision."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from features.catalog import daily_features, text_features
from features.sessions import INSTANT
from pipelines.base.context import Context
from pipelines.base.errors import BadDataError
from pipelines.io.feature_store import open_feature_store
from pipelines.io.frames import persisted
from pipelines.stages.train.params import TrainingParams
from pipelines.stages.train.steps import finish_frame
from pipelines.tables.as_of import instant_literal, newest_query
from pipelines.tables.contracts import GOLD_LABELS

if TYPE_CHECKING:
    from pipelines.base.frames import DistributedFrame

log = logging.getLogger(__name__)

SPINE = ("symbol", "session", "decision_at", "label_end", "label")
FIRST_DAY = date(1990, 1, 1)


def catalog_features() -> tuple[str, ...]:
    """Return the names of all features, daily ones first, in the catalog's order."""
    return tuple(feature.name for feature in (*daily_features(), *text_features()))


def read_frame(context: Context, as_of: date, horizon: int, features: Sequence[str]) -> pl.DataFrame:
    """Return the training frame of an as-of.

    Parameters
    ----------
    as_of : date
        Labels are taken in the newest version known at its decision instant.
    horizon : int
        Sessions of the label's run.
    features : sequence of str
        Feature columns, daily and text.

    Returns
    -------
    polars.DataFrame
        One row a (symbol, session) that has a valid label and a valid daily feature vector of that very
        session, known at its decision instant: `symbol`, `session`, `decision_at`, `label_end`,
        `label` (fraction), the features (Float32, null = unknown) and `target`; sorted by session, symbol.

    Raises
    ------
    BadDataError
        If there are more rows than ``training.max_frame_rows``: the frame is collected.
    """
    with persisted(read_spine(context, as_of, horizon)) as spine:
        if _count_rows(spine, context.params(TrainingParams).max_frame_rows) == 0:
            return finish_frame(pl.DataFrame(schema=frame_schema(features)))
        joined = open_feature_store(context).point_in_time_frame(spine, features)
        narrow = joined.selectExpr(*SPINE, *(f"cast(`{name}` as float) as `{name}`" for name in features))
        return finish_frame(context.lake.collect(narrow))


def read_spine(context: Context, as_of: date, horizon: int) -> DistributedFrame:
    """Return the key, `decision_at`, `label_end` and `label` of every valid label known at the as-of."""
    decided = instant_literal(context.calendar.decision_at(as_of))
    known = f"gold_labels where horizon = {horizon} and known_at <= {decided}"
    newest = newest_query(known, ["symbol", "session", "label_end", "value", "valid"], ["symbol", "session"])
    valid = f"select * from ({newest}) as newest where valid and value is not null"
    labels = context.lake.scan_query(valid, GOLD_LABELS)
    instants = context.calendar.frame(FIRST_DAY, as_of).select("session", "decision_at")
    decisions = context.lake.distribute(instants, instants.schema)
    joined = labels.join(decisions, on="session", how="inner")
    return joined.selectExpr("symbol", "session", "decision_at", "label_end", "value as label")


def frame_schema(features: Sequence[str]) -> dict[str, Any]:
    """Return the columns of the joined frame, target aside."""
    keys = {"symbol": pl.String, "session": pl.Date, "decision_at": INSTANT, "label_end": INSTANT}
    return {**keys, "label": pl.Float64, **dict.fromkeys(features, pl.Float32)}


def _count_rows(spine: DistributedFrame, most: int) -> int:
    rows = int(spine.count())
    log.info("training spine: %d labelled rows", rows)
    if rows > most:
        msg = (
            f"{rows} labelled rows exceed training.max_frame_rows={most}; it is held in memory at about "
            "300 bytes a row: raise the bound on a larger machine, or keep fewer symbols"
        )
        raise BadDataError(msg)
    return rows
