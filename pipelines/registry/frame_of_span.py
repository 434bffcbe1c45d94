"""A span of the training frame: the rows that a training of the same as-of keeps, of some sessions alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from pipelines.base.context import Context
from pipelines.base.errors import BadDataError
from pipelines.base.frames import Frame
from pipelines.io.feature_retrieval import read_features
from pipelines.io.frames import persisted
from pipelines.registry.training_frame import SPINE, finish_frame, frame_schema, read_spine
from pipelines.registry.training_params import TrainingParams
from pipelines.tables import queries
from pipelines.tables.contracts import GOLD_LABELS
from pipelines.tables.scope import range_condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which part of which training frame is asked for.

    Attributes
    ----------
    start, end : date
        First and last session of the rows, both included.
    as_of : date
        Labels are taken in the newest version known at its cut.
    horizon_sessions : int
        Sessions of the label's run.
    """

    start: date
    end: date
    as_of: date
    horizon_sessions: int


def read_frame_of_span(context: Context, span: Span, features: Sequence[str]) -> pl.DataFrame:
    """Return the rows of a span as `pipelines.registry.training_frame.read_frame` returns them among all.

    Few rows are read in this process, many by the distributed engine. The target is a rank within a session,
    so that a span of whole sessions has the very values of the whole frame.

    Parameters
    ----------
    features : sequence of str
        Feature columns, of any view.

    Returns
    -------
    polars.DataFrame
        `symbol`, `session`, `cutoff_at`, `label_end`, `label` (fraction), the features (Float32,
        null = unknown) and `target`; sorted by session and symbol, perhaps without rows.

    Raises
    ------
    BadDataError
        If there are more rows than ``training.max_frame_rows``: none is left out without a word.
    """
    with persisted(_spine_of(context, span)) as spine:
        rows = spine.height if isinstance(spine, pl.DataFrame) else int(spine.count())
        _check_size(context, rows)
        if rows == 0:
            return finish_frame(pl.DataFrame(schema=frame_schema(features)))
        joined = read_features(context, spine, features, at="cutoff_at")
        return finish_frame(_narrow(context, joined, features))


def _spine_of(context: Context, span: Span) -> Frame:
    """Return `read_spine` of a span's sessions: in this process where they have few labels."""
    # Sessions are part of a label's key, so that no chain of its versions is cut.
    scope = queries.of_horizon(span.horizon_sessions, range_condition(span.start, span.end))
    columns, cut = ["symbol", "session", "label_end", "value"], context.calendar.cutoff_at(span.as_of)
    known = queries.valid_outcomes(GOLD_LABELS, cut, columns, where=scope)
    labels = context.lake.collect_query_if_small(known, GOLD_LABELS)
    if not isinstance(labels, pl.DataFrame):
        within = queries.session_span(pl.Series([span.start, span.end]))
        return read_spine(context, span.as_of, span.horizon_sessions).where(within)
    cuts = context.calendar.frame(span.start, min(span.end, span.as_of)).select("session", "cutoff_at")
    return labels.join(cuts, on="session", how="inner").rename({"value": "label"}).select(SPINE)


def _narrow(context: Context, joined: Frame, features: Sequence[str]) -> pl.DataFrame:
    """Return the joined rows with features as they are trained on: four bytes a value."""
    if isinstance(joined, pl.DataFrame):
        narrow = joined.select(*SPINE, pl.col(features).cast(pl.Float32))
    else:
        casts = (f"cast(`{name}` as float) as `{name}`" for name in features)
        narrow = context.lake.collect(joined.selectExpr(*SPINE, *casts))
    return narrow.cast(pl.Schema(frame_schema(features)))


def _check_size(context: Context, rows: int) -> None:
    most = context.params(TrainingParams).max_frame_rows
    if rows > most:
        msg = (
            f"{rows} labelled rows exceed training.max_frame_rows={most}; they would be held in memory: name "
            "a shorter span, or raise the bound on a larger machine"
        )
        raise BadDataError(msg)
