"""Everything a training run keeps, written as one folder before any of it reaches MLflow."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from models.card import render_card
from models.evaluation import evaluate
from pipelines.io.model_folder import write_model_folder
from pipelines.io.tracking import MODEL_FOLDER
from pipelines.registry.challenger import FRAME_FILE, HOLDOUT_FILE, OUT_OF_FOLD_FILE
from pipelines.registry.fitting import Fitted
from pipelines.registry.lineage import Lineage, write_lineage
from pipelines.registry.model_description import CARD_FILE, IMPORTANCE_FILE, describe_model
from pipelines.stages.train.plots import draw_cumulative_ic, draw_importance
from pipelines.stages.train.steps import choose_example, collect_warnings


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedRun:
    """What is written: the frame, the fitted model, its lineage."""

    frame: pl.DataFrame
    fitted: Fitted
    lineage: Lineage


def write_run_folder(run: TrainedRun, folder: Path, *, example_symbols: int) -> None:
    """Write model, frame, forecasts, plots and card under `folder`."""
    for part in ("frame", "forecasts", "plots"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    fitted = run.fitted
    run.frame.write_parquet(folder / FRAME_FILE, compression="zstd")
    fitted.walk.forecasts.write_parquet(folder / OUT_OF_FOLD_FILE)
    fitted.holdout.write_parquet(folder / HOLDOUT_FILE)
    shares = fitted.final.forecaster.importance()
    (folder / IMPORTANCE_FILE).write_text(json.dumps(shares, sort_keys=True, indent=1), encoding="utf-8")
    draw_importance(shares, folder / "plots" / "importance.png")
    draw_cumulative_ic(fitted.walk.forecasts, fitted.holdout, folder / "plots" / "cumulative_ic.png")
    warnings = collect_warnings(fitted)
    card = describe_model(run.lineage, run.frame, _judge_alone(run), importance=shares, warnings=warnings)
    (folder / CARD_FILE).write_text(render_card(card), encoding="utf-8")
    _write_model(run, folder / MODEL_FOLDER, example_symbols)


def _write_model(run: TrainedRun, folder: Path, example_symbols: int) -> None:
    forecaster = run.fitted.final.forecaster
    example = choose_example(
        run.frame,
        forecaster.feature_names,
        history_sessions=forecaster.history_sessions,
        symbols=example_symbols,
    )
    write_model_folder(forecaster, example, folder)
    write_lineage(run.lineage, folder)


def _judge_alone(run: TrainedRun) -> pl.DataFrame:
    """Table of the model by itself; evaluate puts baselines and champion beside it."""
    forecasts, name = run.fitted.walk.forecasts, run.lineage.family
    return evaluate(
        {name: forecasts},
        forecasts.select("symbol", "session", "label"),
        reference=name,
        horizon_sessions=run.lineage.horizon_sessions,
        seed=run.lineage.seed,
    )
