"""From the joined frame to a fitted, judged model; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from models.base import Forecaster, build_forecaster
from models.identity import make_model_key
from models.metrics import Scores, compute_scores
from models.params import ModelsParams
from models.splits import Fold
from models.targets import add_target
from models.training import FINAL, FinalFit, WalkForwardResult, fit_final, forecast_part, walk_forward

OUTCOMES = ("symbol", "session", "decision_at", "label_end", "label", "target")


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


def finish_frame(joined: pl.DataFrame) -> pl.DataFrame:
    """Add the target and sort, so that equal inputs give equal bytes."""
    return add_target(joined.sort("session", "symbol"))


def feature_columns(frame: pl.DataFrame) -> tuple[str, ...]:
    """Return the columns of a training frame that are features."""
    return tuple(name for name in frame.columns if name not in OUTCOMES)


def model_settings(params: ModelsParams) -> dict[str, Any]:
    """Return the settings that shape the fit of the chosen family; promotion and the others' aside."""
    own = params.of(params.family)
    return {
        "family": params.family,
        "seed": params.seed,
        "split": asdict(params.split),
    } | ({params.family: asdict(own)} if own else {})


def compute_model_key(
    params: ModelsParams, *, frame_digest: str, splits: Mapping[str, Any], definitions: Mapping[str, str]
) -> str:
    """Return the identity of a model before it is fitted.

    Parameters
    ----------
    frame_digest : str
        From `models.identity.digest_frame`.
    splits : mapping
        ``WalkForwardPlan.as_record()``.
    definitions : mapping of str to str
        Digests of the feature set and of the code, and the universe rule.
    """
    content = {
        "frame": frame_digest,
        "settings": model_settings(params),
        "splits": splits,
        "definitions": dict(definitions),
    }
    return make_model_key(content)


def last_label_end(frame: pl.DataFrame, fold: Fold) -> datetime:
    """Return the latest `label_end` among the labelled rows that a fold fits on, validation included."""
    parts = pl.concat([fold.fit.rows(frame), fold.validation.rows(frame)])
    ends = parts.filter(pl.col("target").is_not_null())["label_end"]
    latest: datetime = ends.to_list()[ends.arg_max() or 0]
    return latest


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


def collect_warnings(fitted: Fitted) -> list[str]:
    """Return what a reader must know before he believes the numbers."""
    parts = {"out of fold": fitted.walk.scores, "hold-out": fitted.holdout_scores}
    suspicions = [f"{name}: {text}" for name, scores in parts.items() for text in scores.suspicions()]
    fits = {fold.name: fold.caveats for fold in fitted.walk.folds} | {FINAL: fitted.final.forecaster.caveats}
    return [*suspicions, *(f"{name}: {text}" for name, texts in fits.items() for text in texts)]


def choose_example(
    frame: pl.DataFrame, features: Sequence[str], *, history_sessions: int, symbols: int
) -> pl.DataFrame:
    """Return a few symbols' last rows, as many sessions as one forecast needs: the model's input example."""
    sessions = frame["session"].unique().sort().tail(history_sessions)
    chosen = frame.filter(pl.col("session") == sessions[-1])["symbol"].sort().head(symbols)
    rows = frame.filter(
        pl.col("session").is_in(sessions.implode()) & pl.col("symbol").is_in(chosen.implode())
    )
    return rows.select("symbol", "session", *features).sort("session", "symbol")
