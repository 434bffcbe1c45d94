"""Judge the candidate beside its baselines and the champion, on the very same rows."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from models.card import render_card, render_table
from models.forecast_frames import KEY
from models.params import ModelsParams
from pipelines.base.context import Context
from pipelines.base.report import SessionRange, StageReport, standing
from pipelines.registry.challenger import (
    FRAME_FILE,
    HOLDOUT_FILE,
    OUT_OF_FOLD_FILE,
    RIVALS_HOLDOUT_FILE,
    RIVALS_OUT_OF_FOLD_FILE,
    Candidate,
    find_candidate,
)
from pipelines.registry.champion import champion_at
from pipelines.registry.comparison import forecast_champion
from pipelines.registry.lineage import restore_params
from pipelines.registry.model_page import CARD_FILE, IMPORTANCE_FILE, describe_model
from pipelines.stages.evaluate.contract import READS
from pipelines.stages.evaluate.steps import Rivals, as_metrics, as_rows, forecast_rivals, judge


def run(context: Context, window: SessionRange) -> StageReport:
    """Evaluate the version that training was last asked for; repeating it writes the same tables."""
    candidate = find_candidate(context, window.end)
    if candidate is None:
        why = f"no model is registered as of {window.end}: run train first"
        return StageReport(stage="evaluate", status="nothing_to_do", details={"why": why})
    inputs = standing(context.lake.versions(READS))
    frame = candidate.read(FRAME_FILE)
    params = restore_params(candidate.ancestry, context.params(ModelsParams))
    rivals = forecast_rivals(frame, params, candidate.ancestry.feature_names)
    tables = {
        "out_of_fold": judge(candidate.name, candidate.read(OUT_OF_FOLD_FILE), rivals.out_of_fold, params),
        "holdout": judge(
            candidate.name,
            candidate.read(HOLDOUT_FILE),
            pl.concat([rivals.holdout, *ask_champion(context, window, candidate, frame)]),
            params,
        ),
    }
    keep(context, candidate, rivals, tables, card=draw_card(candidate, frame, tables["out_of_fold"]))
    return StageReport(
        stage="evaluate",
        rows_in=frame.height,
        rows_out=sum(table.height for table in tables.values()),
        inputs=inputs,
        details={"candidate": candidate.name, **{part: as_rows(table) for part, table in tables.items()}},
    )


def ask_champion(
    context: Context, window: SessionRange, candidate: Candidate, frame: pl.DataFrame
) -> list[pl.DataFrame]:
    """Return the champion's forecasts of the hold-out; none without one, or if it is the candidate."""
    reigning = champion_at(context, window.end)
    if reigning is None or reigning.model_key == candidate.version.model_key:
        return []
    asked = forecast_champion(context, reigning, candidate, frame)
    if asked.forecasts is None:
        return []
    return [asked.forecasts.select(pl.lit(asked.name).alias("forecaster"), *KEY, "value")]


def draw_card(candidate: Candidate, frame: pl.DataFrame, table: pl.DataFrame) -> str:
    """Return the model card with the rivals in it."""
    importance = candidate.tracking.fetch(candidate.version.run_id, IMPORTANCE_FILE)
    warnings = [text for text in candidate.version.tags.get("warnings", "").split("; ") if text]
    card = describe_model(
        candidate.ancestry,
        frame,
        table,
        importance=json.loads(importance.read_text(encoding="utf-8")),
        warnings=warnings,
    )
    return render_card(card)


def keep(
    context: Context, candidate: Candidate, rivals: Rivals, tables: Mapping[str, pl.DataFrame], *, card: str
) -> None:
    """Put the tables, the rivals' forecasts and the card beside the candidate's run."""
    run_id = candidate.version.run_id
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "evaluation").mkdir()
        rivals.out_of_fold.write_parquet(folder / RIVALS_OUT_OF_FOLD_FILE)
        rivals.holdout.write_parquet(folder / RIVALS_HOLDOUT_FILE)
        for part, table in tables.items():
            table.write_csv(folder / "evaluation" / f"{part}.csv")
            (folder / "evaluation" / f"{part}.md").write_text(render_table(table) + "\n", encoding="utf-8")
        (folder / CARD_FILE).write_text(card, encoding="utf-8")
        candidate.tracking.log_folder(run_id, folder)
    for part, table in tables.items():
        metrics = as_metrics(table, prefix=part, reference=candidate.name)
        candidate.tracking.log_metrics(run_id, metrics, at=context.clock())
