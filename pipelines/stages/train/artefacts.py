"""Everything a training run keeps, written as one folder before any of it reaches MLflow."""

from __future__ import annotations

import json
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


def write_run_folder(
    frame: pl.DataFrame, fitted: Fitted, lineage: Lineage, folder: Path, *, example_symbols: int
) -> None:
    """Write model, frame, forecasts, plots and card under `folder`.

    Parameters
    ----------
    frame : polars.DataFrame
        The training frame; it is kept whole.
    """
    for part in ("frame", "forecasts", "plots"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    frame.write_parquet(folder / FRAME_FILE, compression="zstd")
    out_of_fold, forecaster = fitted.walk.forecasts, fitted.final.forecaster
    out_of_fold.write_parquet(folder / OUT_OF_FOLD_FILE)
    fitted.holdout.write_parquet(folder / HOLDOUT_FILE)
    shares = forecaster.importance()
    (folder / IMPORTANCE_FILE).write_text(json.dumps(shares, sort_keys=True, indent=1), encoding="utf-8")
    draw_importance(shares, folder / "plots" / "importance.png")
    draw_cumulative_ic(out_of_fold, fitted.holdout, folder / "plots" / "cumulative_ic.png")
    # The model by itself: evaluate makes the card again with baselines and champion beside it.
    alone = evaluate(
        {lineage.family: out_of_fold},
        out_of_fold.select("symbol", "session", "label"),
        reference=lineage.family,
        horizon_sessions=lineage.horizon_sessions,
        seed=lineage.seed,
    )
    card = describe_model(lineage, frame, alone, importance=shares, warnings=collect_warnings(fitted))
    (folder / CARD_FILE).write_text(render_card(card), encoding="utf-8")
    example = choose_example(
        frame,
        forecaster.feature_names,
        history_sessions=forecaster.history_sessions,
        symbols=example_symbols,
    )
    write_model_folder(forecaster, example, folder / MODEL_FOLDER)
    write_lineage(lineage, folder / MODEL_FOLDER)
