"""What is measured of each session, and which sessions are compared: pure steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from models.metrics import compute_ic
from pipelines.stages.monitor.scales import SCALES

MIN_KNOWN = 30
"""Rows that a column must be known in, in each window, before its distribution is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftWindows:
    """Sessions of the reference and of the current window, in order; they do not overlap."""

    reference: tuple[date, ...]
    current: tuple[date, ...]


def measure_sessions(features: pl.DataFrame, *, min_symbols: int) -> pl.DataFrame:
    """Measure the cross-section of each session.

    Features of one session share its market, so thousands of rows are one observation; a test that takes
    them as independent calls every quiet month a drift. What follows works on one number a session.

    Parameters
    ----------
    features : polars.DataFrame
        `session` and `SCALE_FEATURES`, one row a symbol and session with a valid vector; null means unknown.
    min_symbols : int
        Sessions with fewer symbols measure nothing.

    Returns
    -------
    polars.DataFrame, shape (n_sessions, 2 + n_scales)
        `session`, `symbols` (rows) and a column a scale, null where unknown; sorted by session.
    """
    measured = features.group_by("session").agg(
        pl.len().cast(pl.Int64).alias("symbols"), *(scale.expression() for scale in SCALES)
    )
    enough = pl.col("symbols") >= min_symbols
    return measured.with_columns(
        pl.when(enough).then(pl.col(scale.name)).alias(scale.name) for scale in SCALES
    ).sort("session")


def choose_windows(sessions: Sequence[date], *, reference: int, current: int) -> DriftWindows:
    """Divide the last sessions into the two windows; the reference may come out shorter than asked for."""
    last = sorted(sessions)[-(reference + current) :]
    return DriftWindows(reference=tuple(last[:-current]), current=tuple(last[-current:]))


def last_issue(forecasts: pl.DataFrame) -> pl.DataFrame:
    """Return of each session the issue that came last: one universe, ranked once.

    Parameters
    ----------
    forecasts : polars.DataFrame
        `symbol`, `session`, `model_key`, `issue` (null in rows of before the issues: then a model's rows
        are one), `issued_at` (UTC) and any further columns.

    Returns
    -------
    polars.DataFrame
        The same columns, sorted by symbol and session; of issues of one instant the greater name counts.
    """
    named = forecasts.with_columns(pl.coalesce("issue", "model_key").alias("_issue"))
    ended = named.group_by("session", "model_key", "_issue").agg(pl.col("issued_at").max())
    last = ended.sort("issued_at", "model_key", "_issue").unique("session", keep="last", maintain_order=True)
    of_issue = ["session", "model_key", "_issue"]
    chosen = named.join(last.select(of_issue), on=of_issue, how="semi")
    return chosen.drop("_issue").sort("symbol", "session")


IN_TIME = pl.col("issued_at") <= pl.col("decision_at")
"""Of forecasts: somebody could have acted on them. The others are replays, and no realised skill."""


def realise_ic(forecasts: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Return the rank correlation of each session's forecasts with what came of them.

    Parameters
    ----------
    forecasts : polars.DataFrame
        `symbol`, `session`, `horizon`, `value`, one row a symbol and session.
    labels : polars.DataFrame
        `symbol`, `session`, `horizon`, `value`; known ones only.

    Returns
    -------
    polars.DataFrame
        `session`, `rank_ic`; sessions whose outcome is known.
    """
    keys = ["symbol", "session", "horizon"]
    outcomes = labels.select(*keys, pl.col("value").alias("label"))
    scored = forecasts.select(*keys, "value").join(outcomes, on=keys, how="inner")
    return compute_ic(scored).select("session", "rank_ic")


def is_training_due(
    history: Mapping[date, str], as_of: date, last_training: date | None, *, quiet_until: date | None
) -> bool:
    """Tell whether a drift at `as_of` asks for a new training.

    It does when it begins, and goes on asking until a training has been done since; a drift that lasts
    asks again when the training is so long ago that `quiet_until` has passed.

    Parameters
    ----------
    history : mapping of session to verdict
        Verdicts of the sessions before.
    last_training : date or None
        As-of of the last training, None before the first.
    quiet_until : date or None
        First session on which a lasting drift asks again; None where there was no training.
    """
    if last_training is None or quiet_until is None:
        return True
    onset = as_of
    for session in sorted((day for day in history if day < as_of), reverse=True):
        if history[session] != "drift":
            break
        onset = session
    return last_training < onset or as_of >= quiet_until


def choose_columns(names: Sequence[str], reference: pl.DataFrame, current: pl.DataFrame) -> list[str]:
    """Return the columns that both windows know often enough to be drawn.

    Parameters
    ----------
    reference, current : polars.DataFrame
        Hold all of `names`; null means unknown.
    """
    return [
        name
        for name in names
        if min(frame.get_column(name).drop_nulls().len() for frame in (reference, current)) >= MIN_KNOWN
    ]


def sample_rows(rows: pl.DataFrame, count: int) -> pl.DataFrame:
    """Return at most `count` rows, the same ones whenever the same rows come.

    Parameters
    ----------
    rows : polars.DataFrame
        `symbol`, `session` and any further columns, in any order.
    """
    if rows.height <= count:
        return rows
    return rows.sort(pl.struct("symbol", "session").hash(seed=1), "symbol", "session").head(count)


def rank_features(importance: dict[str, float], names: Sequence[str], count: int) -> list[str]:
    """Return the `count` most important of `names`; in the given order where importance says nothing."""
    return sorted(names, key=lambda name: -importance.get(name, 0.0))[:count]
