"""Walk-forward and the final fit: which rows a forecaster sees, and when."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from models.base import Forecaster
from models.forecast_frames import KEY, OUTCOMES
from models.metrics import Scores, compute_scores
from models.params import SplitParams
from models.splits import Fold, Part, WalkForwardPlan, plan_splits

log = logging.getLogger(__name__)

FINAL = "final"
Build = Callable[[str], Forecaster]
"""Builds an unfitted forecaster for the fit called ``fold-1`` … ``fold-n`` or ``final``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldResult:
    """What one fold gave.

    Attributes
    ----------
    name : str
        ``fold-1`` and so on, in time order.
    fold : Fold
    scores : Scores
        On the fold's test rows.
    importance : dict of feature to share
    caveats : tuple of str
        The forecaster's own.
    """

    name: str
    fold: Fold
    scores: Scores
    importance: dict[str, float]
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkForwardResult:
    """All folds, and their test forecasts under one another.

    Attributes
    ----------
    plan : WalkForwardPlan
    folds : tuple of FoldResult
    forecasts : polars.DataFrame
        Out-of-fold rows: `symbol`, `session`, `value`, quantiles if any, `label`, `target`, `fold`;
        sorted by session and symbol.
    scores : Scores
        On all out-of-fold rows together.
    """

    plan: WalkForwardPlan
    folds: tuple[FoldResult, ...]
    forecasts: pl.DataFrame
    scores: Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalFit:
    """The forecaster that is registered, judged by a hold-out it has not seen.

    Attributes
    ----------
    forecaster : Forecaster
    fold : Fold
        Its boundaries; ``fold.test`` is the hold-out.
    fitted_until : datetime
        Last `label_end` among the rows it was fitted on, validation included.
    rows : int
        Fit and validation rows with a target.
    """

    forecaster: Forecaster
    fold: Fold
    fitted_until: datetime
    rows: int


def walk_forward(frame: pl.DataFrame, split_params: SplitParams, build: Build) -> WalkForwardResult:
    """Fit and test fold by fold, each on its past alone.

    Parameters
    ----------
    frame : polars.DataFrame
        Training frame: `symbol`, `session`, `cutoff_at`, `label_end`, `label`, `target`, features.
    split_params : SplitParams
    build : callable
        Called once a fold with its name; a fresh forecaster each time.

    Raises
    ------
    InsufficientHistoryError
        If the labelled history is too short.
    """
    plan = plan_splits(frame, split_params)
    folds, forecasts = [], []
    for number, fold in enumerate(plan.folds, start=1):
        name = f"fold-{number}"
        forecaster, _ = _fit(frame, fold, name, build)
        tested = forecast_part(forecaster, frame, fold.test)
        scores = compute_scores(tested, horizon_sessions=split_params.horizon_sessions)
        log.info("%s tested %s..%s: rank IC %.4f", name, fold.test.first, fold.test.last, scores.rank_ic)
        folds.append(
            FoldResult(
                name=name,
                fold=fold,
                scores=scores,
                importance=forecaster.importance(),
                caveats=forecaster.caveats,
            )
        )
        forecasts.append(tested.with_columns(pl.lit(name).alias("fold")))
    together = pl.concat(forecasts).sort("session", "symbol")
    scores = compute_scores(together, horizon_sessions=split_params.horizon_sessions)
    return WalkForwardResult(plan=plan, folds=tuple(folds), forecasts=together, scores=scores)


def fit_final(frame: pl.DataFrame, split_params: SplitParams, build: Build) -> FinalFit:
    """Fit on everything before the purged and embargoed hold-out; the hold-out is not touched.

    Parameters
    ----------
    frame, split_params, build
        As for `walk_forward`; the forecaster is built under the name ``final``.
    """
    fold = plan_splits(frame, split_params).final
    forecaster, seen = _fit(frame, fold, FINAL, build)
    until: datetime = seen["label_end"][seen["label_end"].arg_max() or 0]
    return FinalFit(forecaster=forecaster, fold=fold, fitted_until=until, rows=seen.height)


def forecast_part(forecaster: Forecaster, frame: pl.DataFrame, part: Part) -> pl.DataFrame:
    """Forecast the labelled rows of one part, with earlier rows as history.

    The forecaster is handed keys and features only; labels are joined to its answer afterwards.

    Returns
    -------
    polars.DataFrame
        `symbol`, `session`, `value`, quantiles if any, `label`, `target`; sorted by session, symbol.
    """
    upto = frame.filter(pl.col("session") <= part.last).select(*KEY, *forecaster.feature_names)
    sessions = upto.filter(pl.col("session") < part.first)["session"].unique().sort()
    needed = sessions.tail(forecaster.history_sessions - 1)
    first = needed[0] if len(needed) else part.first
    forecasts = forecaster.predict(upto.filter(pl.col("session") >= first), first_session=part.first)
    outcomes = part.rows(frame).filter(pl.col("target").is_not_null()).select(*KEY, "label", "target")
    return forecasts.join(outcomes, on=list(KEY), how="inner").sort("session", "symbol")


def _fit(frame: pl.DataFrame, fold: Fold, name: str, build: Build) -> tuple[Forecaster, pl.DataFrame]:
    """Fit a fresh forecaster and return it with the labelled rows it has seen."""
    seen = pl.concat([fold.fit.rows(frame), fold.validation.rows(frame)])
    seen = seen.filter(pl.col("target").is_not_null())
    log.info("%s fits on %d rows up to %s", name, seen.height, fold.validation.last)
    # A sequence model needs the features of purged sessions as history; their outcomes it must not have.
    window = frame.filter(pl.col("session").is_between(fold.fit.first, fold.validation.last))
    marked = window.join(seen.select(*KEY, pl.lit(True).alias("seen")), on=list(KEY), how="left")
    hidden = [pl.when(pl.col("seen")).then(pl.col(name)).alias(name) for name in OUTCOMES]
    known = marked.with_columns(hidden).drop("seen")
    before = pl.col("session") < fold.validation.first
    return build(name).fit(known.filter(before), known.filter(~before)), seen
