"""From a training frame to a fitted, judged model: what train does, and reproduction does again; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from models.base import Forecaster, build_forecaster
from models.metrics import Scores, compute_scores
from models.params import ModelsParams
from models.training import FinalFit, WalkForwardResult, fit_final, forecast_part, walk_forward


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A model with all that was measured on rows it had not seen.

    Attributes
    ----------
    walk : WalkForwardResult
        Folds and their out-of-fold forecasts.
    final : FinalFit
        The forecaster to register.
    holdout : polars.DataFrame
        Its forecasts of the hold-out, made once.
    holdout_scores : Scores
    """

    walk: WalkForwardResult
    final: FinalFit
    holdout: pl.DataFrame
    holdout_scores: Scores


def fit_model(
    frame: pl.DataFrame, params: ModelsParams, features: Sequence[str], *, workspace: Path | None = None
) -> Fitted:
    """Walk forward, fit the final model and forecast the hold-out once.

    Parameters
    ----------
    frame : polars.DataFrame
        Training frame.
    workspace : Path, optional
        Where a family may keep checkpoints of an interrupted fit.

    Raises
    ------
    InsufficientHistoryError
        If the labelled history is too short for the splits.
    """

    def build(name: str) -> Forecaster:
        place = workspace / name if workspace else None
        return build_forecaster(params.family, params, features, workspace=place)

    walk = walk_forward(frame, params.split, build)
    final = fit_final(frame, params.split, build)
    holdout = forecast_part(final.forecaster, frame, final.fold.test)
    scores = compute_scores(holdout, horizon_sessions=params.split.horizon_sessions, seed=params.seed)
    return Fitted(walk=walk, final=final, holdout=holdout, holdout_scores=scores)
