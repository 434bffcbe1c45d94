"""Train a challenger on what was known at the as-of and register it."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from features.params import FeaturesParams
from models.params import ModelsParams
from models.splits import InsufficientHistoryError, plan_splits
from pipelines.base.context import Context
from pipelines.base.cut import wait_for_cut
from pipelines.base.report import Outcome, SessionRange, existing, nothing_to_do
from pipelines.io.feed_log import close_cut
from pipelines.io.tracking import MODEL_FOLDER, ModelVersion
from pipelines.registry.champion import adopt_former, tracking_of
from pipelines.registry.closing import check_closing
from pipelines.registry.fitting import fit_model
from pipelines.registry.lineage import Lineage
from pipelines.registry.model_identity import build_lineage
from pipelines.registry.trained_models import find_trained, record_trained
from pipelines.registry.training_frame import open_view, read_frame
from pipelines.registry.training_params import TrainingParams
from pipelines.stages.train import STAGE
from pipelines.stages.train.artefacts import write_run_folder
from pipelines.stages.train.registration import find_or_register, log_scores, register_run, score_tags
from pipelines.stages.train.steps import collect_warnings
from pipelines.tables.contracts import select_tables

log = logging.getLogger(__name__)


def run(context: Context, sessions: SessionRange) -> Outcome:
    """Train as of the range's end, on tables that are pinned and at a cut that is closed.

    Both happen under one hold of the writer's lock: what others land during the fit is neither read nor, by
    its own `known_at`, ever a part of what was.
    """
    wait_for_cut(context, sessions.end)
    tables = select_tables(STAGE.reads)
    with context.writing():
        check_closing(context, sessions.end)
        close_cut(context, STAGE.name, sessions.end)
        view = open_view(context, tables)
    versions = view.lake.versions(tables)
    return replace(train_on(context, view, sessions, versions), inputs=existing(versions))


def train_on(
    context: Context, view: Context, sessions: SessionRange, versions: Mapping[str, int | None]
) -> Outcome:
    """Train on a pinned view; a model that exists already is asked for again, not fitted again."""
    params = context.params(ModelsParams)
    features = context.params(FeaturesParams).sets[params.feature_set]
    columns = params.baselines.read_beside(features)
    frame = read_frame(view, sessions.end, params.split.horizon_sessions, columns)
    try:
        plan = plan_splits(frame, params.split)
    except InsufficientHistoryError as error:
        return nothing_to_do(str(error), rows_in=frame.height)
    lineage = build_lineage(view, sessions.end, frame, features, plan, versions=versions)
    # A version that the lake has no record of is nobody's word: it is fitted again.
    adopt_former(context)
    recorded = find_trained(context.lake, lineage.model_key)
    known = find_or_register(tracking_of(context), lineage, recorded.digests if recorded else None)
    workspace = context.home.run / "training" / lineage.model_key
    version = known or train(context, frame, lineage, workspace)
    shutil.rmtree(workspace, ignore_errors=True)
    return Outcome(
        status="unchanged" if known else "done",
        rows_in=frame.height,
        rows_out=0 if known else 1,
        sessions_touched=0 if known else frame["session"].n_unique(),
        details=describe(version, lineage),
    )


def train(context: Context, frame: pl.DataFrame, lineage: Lineage, workspace: Path) -> ModelVersion:
    """Fit, keep and register: tagged run, record in the lake, artefacts, ``complete``, version, in order."""
    tracking, name = tracking_of(context), f"{lineage.family} {lineage.as_of}"
    run_id = tracking.begin_run(
        lineage.model_key, name=name, tags=lineage.as_tags(), started_at=context.clock()
    )
    fitted = fit_model(
        frame, context.params(ModelsParams), lineage.feature_names, workspace=workspace / "checkpoints"
    )
    kept = workspace / "artefacts"
    shutil.rmtree(kept, ignore_errors=True)
    training = context.params(TrainingParams)
    write_run_folder(frame, fitted, lineage, kept, example_symbols=training.example_symbols)
    with context.writing(seconds=training.record_timeout_seconds):
        record_trained(context.lake, lineage, kept / MODEL_FOLDER)
    tracking.log_folder(run_id, kept)
    log_scores(tracking, run_id, fitted, at=context.clock())
    tracking.tag_run(run_id, score_tags(fitted, collect_warnings(fitted)))
    tracking.complete_run(run_id, finished_at=context.clock())
    return register_run(tracking, run_id, lineage)


def describe(version: ModelVersion, lineage: Lineage) -> dict[str, Any]:
    """Return what was trained, or found, and how it did on rows it had not seen."""
    shown = ("rank_ic_out_of_fold", "rank_ic_holdout", "warnings")
    return {
        "model_version": version.version,
        "model_key": lineage.model_key,
        "family": lineage.family,
        "run_id": version.run_id,
        "link": f"mlflow/#/runs/{version.run_id}",
        "features": len(lineage.feature_names),
        "fitted_until": lineage.fitted_until.isoformat(),
        **{name: version.tags.get(name, "") for name in shown},
    }
