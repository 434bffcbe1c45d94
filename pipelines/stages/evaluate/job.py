"""Judge the challenger beside its baselines and the champion, on the very same rows."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from models.card import render_card, render_table
from models.forecast_frames import KEY
from models.params import ModelsParams
from pipelines.base.context import Context
from pipelines.base.report import Outcome, SessionRange, existing, nothing_to_do
from pipelines.base.small_files import read_record
from pipelines.io.pinned_lake import pin
from pipelines.registry.baseline_forecasts import BaselineForecasts, forecast_baselines
from pipelines.registry.challenger import (
    BASELINES_HOLDOUT_FILE,
    BASELINES_OUT_OF_FOLD_FILE,
    OUT_OF_FOLD_FILE,
    Challenger,
    find_challenger,
)
from pipelines.registry.champion import champion_at
from pipelines.registry.comparison import forecast_champion, forecast_holdout
from pipelines.registry.lineage import restore_params
from pipelines.registry.model_description import CARD_FILE, IMPORTANCE_FILE, describe_model
from pipelines.stages.evaluate import STAGE
from pipelines.stages.evaluate.steps import as_metrics, as_rows, judge
from pipelines.tables.contracts import select_tables


def run(context: Context, sessions: SessionRange) -> Outcome:
    """Evaluate the version that training was last asked for, beside the champion of the moment it begins."""
    tables = select_tables(STAGE.reads)
    with context.writing():
        view = pin(context, tables)
    return replace(evaluate(view, sessions), inputs=existing(view.lake.versions(tables)))


def evaluate(context: Context, sessions: SessionRange) -> Outcome:
    """Judge and keep what came of it beside the challenger's run; repeating it writes the same tables.

    Parameters
    ----------
    context : Context
        With the lake's records pinned: nothing is written to it.
    """
    challenger = find_challenger(context, sessions.end)
    if challenger is None:
        return nothing_to_do(f"no model is registered as of {sessions.end}: run train first")
    frame = challenger.read_frame()
    params = restore_params(challenger.lineage, context.params(ModelsParams))
    baselines = forecast_baselines(frame, params, challenger.lineage.feature_names)
    others = pl.concat([baselines.holdout, *champion_rows(context, sessions, challenger, frame)])
    tables = {
        "out_of_fold": judge(
            challenger.name, challenger.read(OUT_OF_FOLD_FILE), baselines.out_of_fold, params
        ),
        "holdout": judge(challenger.name, forecast_holdout(challenger, frame), others, params),
    }
    keep(context, challenger, baselines, tables, card=draw_card(challenger, frame, tables["out_of_fold"]))
    return Outcome(
        rows_in=frame.height,
        rows_out=sum(table.height for table in tables.values()),
        details={
            "challenger": challenger.name,
            "model_key": challenger.version.model_key,
            **{part: as_rows(table) for part, table in tables.items()},
        },
    )


def champion_rows(
    context: Context, sessions: SessionRange, challenger: Challenger, frame: pl.DataFrame
) -> list[pl.DataFrame]:
    """Return the champion's forecasts of the hold-out; none without one, or if it is the challenger."""
    current = champion_at(context, sessions.end)
    if current is None or current.model_key == challenger.version.model_key:
        return []
    champion = forecast_champion(context, current, challenger, frame)
    if champion.forecasts is None:
        return []
    return [champion.forecasts.select(pl.lit(champion.name).alias("forecaster"), *KEY, "value")]


def draw_card(challenger: Challenger, frame: pl.DataFrame, table: pl.DataFrame) -> str:
    """Return the model card with the baselines in it."""
    importance = challenger.tracking.fetch(challenger.version.run_id, IMPORTANCE_FILE)
    warnings = [text for text in challenger.version.tags.get("warnings", "").split("; ") if text]
    card = describe_model(
        challenger.lineage,
        frame,
        table,
        importance=read_record(importance),
        warnings=warnings,
    )
    return render_card(card)


def keep(
    context: Context,
    challenger: Challenger,
    baselines: BaselineForecasts,
    tables: Mapping[str, pl.DataFrame],
    *,
    card: str,
) -> None:
    """Put the tables, the baselines' forecasts and the card beside the challenger's run."""
    run_id = challenger.version.run_id
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "evaluation").mkdir()
        baselines.out_of_fold.write_parquet(folder / BASELINES_OUT_OF_FOLD_FILE)
        baselines.holdout.write_parquet(folder / BASELINES_HOLDOUT_FILE)
        for part, table in tables.items():
            table.write_csv(folder / "evaluation" / f"{part}.csv")
            (folder / "evaluation" / f"{part}.md").write_text(render_table(table) + "\n", encoding="utf-8")
        (folder / CARD_FILE).write_text(card, encoding="utf-8")
        challenger.tracking.log_folder(run_id, folder)
    for part, table in tables.items():
        metrics = as_metrics(table, prefix=part, reference=challenger.name)
        challenger.tracking.log_metrics(run_id, metrics, at=context.clock())
