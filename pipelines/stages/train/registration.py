"""From a fitted model to a registered version, in an order that a crash cannot tear."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime

from models.metrics import Scores
from pipelines.io.tracking import ModelVersion, Tracking
from pipelines.registry.fitting import Fitted
from pipelines.registry.lineage import Lineage

VERSION_TAGS = (
    "model_key", "family", "as_of", "cutoff_at", "horizon_sessions", "history_sessions", "fitted_until",
    "frame_digest", "settings_hash", "code_revision", "git_commit", "feature_set",
    "rank_ic_out_of_fold", "rank_ic_holdout", "warnings",
)  # fmt: skip


def find_or_register(
    tracking: Tracking, lineage: Lineage, digests: Collection[str] | None
) -> ModelVersion | None:
    """Return the version of a model; a run that was complete but not registered yet is registered now.

    Parameters
    ----------
    digests : collection of str or None
        Those of its files that the lake has on record; None where it has no record: then nothing that
        MLflow has counts.

    Returns
    -------
    ModelVersion or None
        None where the model has to be fitted; what an interrupted fit left has then been removed.
    """
    if digests is not None:
        version = tracking.find_version(lineage.model_key, digests)
        if version is not None:
            return version
        complete = tracking.find_complete_run(lineage.model_key)
        if complete is not None:
            register_run(tracking, complete, lineage)
            version = tracking.find_version(lineage.model_key, digests)
            if version is not None:
                return version
    tracking.discard_incomplete_runs(lineage.model_key)
    return None


def register_run(tracking: Tracking, run_id: str, lineage: Lineage) -> ModelVersion:
    """Register a complete run; of its version's tags MLflow's run gives the scores, the lineage all else."""
    tags = tracking.run_tags(run_id) | lineage.as_tags()
    kept = {name: tags[name] for name in VERSION_TAGS if name in tags}
    return tracking.register(run_id, kept, description=f"{kept['family']} trained as of {kept['as_of']}")


def log_scores(tracking: Tracking, run_id: str, fitted: Fitted, *, at: datetime) -> None:
    """Log each fold's numbers by step, and those of all out-of-fold and hold-out rows."""
    for step, fold in enumerate(fitted.walk.folds, start=1):
        tracking.log_metrics(run_id, _named("fold", fold.scores), at=at, step=step)
    together = _named("out_of_fold", fitted.walk.scores) | _named("holdout", fitted.holdout_scores)
    tracking.log_metrics(run_id, together, at=at)


def score_tags(fitted: Fitted, warnings: list[str]) -> Mapping[str, str]:
    """Return the numbers that a list of versions should show."""
    return {
        "rank_ic_out_of_fold": f"{fitted.walk.scores.rank_ic:.6f}",
        "rank_ic_holdout": f"{fitted.holdout_scores.rank_ic:.6f}",
        "warnings": "; ".join(warnings),
    }


def _named(prefix: str, scores: Scores) -> dict[str, float]:
    return {f"{prefix}_{name}": float(value) for name, value in asdict(scores).items()}
