"""Train a challenger on what was known at the as-of and register it."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import polars as pl

from models.params import ModelsParams
from models.splits import InsufficientHistoryError, plan_splits
from pipelines.base.context import Context
from pipelines.base.report import SessionRange, StageReport, standing
from pipelines.io.tracking import ModelVersion
from pipelines.registry.challenger import ask_for
from pipelines.registry.champion import tracking_of
from pipelines.registry.lineage import Ancestry
from pipelines.registry.training_frame import catalog_features, read_frame
from pipelines.stages.train.artefacts import TrainedRun, write_run_folder
from pipelines.stages.train.contract import READS
from pipelines.stages.train.params import TrainingParams
from pipelines.stages.train.registration import find_or_register, log_scores, register_run, score_tags
from pipelines.stages.train.steps import collect_warnings, fit_model
from pipelines.stages.train.trace import trace_model

log = logging.getLogger(__name__)


def run(context: Context, window: SessionRange) -> StageReport:
    """Train as of the window's end; a model that exists already is asked for again, not fitted again."""
    versions = context.lake.versions(READS)
    params = context.params(ModelsParams)
    frame = read_frame(context, window.end, params.split.horizon_sessions, catalog_features())
    try:
        plan = plan_splits(frame, params.split)
    except InsufficientHistoryError as error:
        return StageReport(
            stage="train", status="nothing_to_do", rows_in=frame.height, details={"why": str(error)}
        )
    ancestry = trace_model(context, window.end, frame, plan, versions)
    known = find_or_register(tracking_of(context), ancestry.model_key)
    workspace = context.home.run / "training" / ancestry.model_key
    version = known or train(context, frame, ancestry, workspace)
    shutil.rmtree(workspace, ignore_errors=True)
    ask_for(tracking_of(context), version)
    return StageReport(
        stage="train",
        status="nothing_to_do" if known else "done",
        rows_in=frame.height,
        rows_out=0 if known else 1,
        sessions_touched=0 if known else frame["session"].n_unique(),
        inputs=standing(versions),
        details=describe(version, ancestry),
    )


def train(context: Context, frame: pl.DataFrame, ancestry: Ancestry, workspace: Path) -> ModelVersion:
    """Fit, keep everything and register: tagged run, artefacts, ``complete``, version, in this order."""
    tracking, name = tracking_of(context), f"{ancestry.family} {ancestry.as_of}"
    run_id = tracking.begin_run(
        ancestry.model_key, name=name, tags=ancestry.as_tags(), started_at=context.clock()
    )
    fitted = fit_model(
        frame, context.params(ModelsParams), ancestry.feature_names, workspace=workspace / "checkpoints"
    )
    kept = workspace / "artefacts"
    shutil.rmtree(kept, ignore_errors=True)
    run = TrainedRun(frame=frame, fitted=fitted, ancestry=ancestry)
    write_run_folder(run, kept, example_symbols=context.params(TrainingParams).example_symbols)
    tracking.log_folder(run_id, kept)
    log_scores(tracking, run_id, fitted, at=context.clock())
    tracking.tag_run(run_id, score_tags(fitted, collect_warnings(fitted)))
    tracking.complete_run(run_id, finished_at=context.clock())
    return register_run(tracking, run_id)


def describe(version: ModelVersion, ancestry: Ancestry) -> dict[str, Any]:
    """Return what was trained, or found, and how it did on rows it had not seen."""
    shown = ("rank_ic_out_of_fold", "rank_ic_holdout", "warnings")
    return {
        "model_version": version.version,
        "model_key": version.model_key,
        "family": version.family,
        "run_id": version.run_id,
        "link": f"mlflow/#/runs/{version.run_id}",
        "features": len(ancestry.feature_names),
        "fitted_until": ancestry.fitted_until.isoformat(),
        **{name: version.tags.get(name, "") for name in shown},
    }
