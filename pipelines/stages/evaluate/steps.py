"""The baselines through the very same folds, and the tables that stand them beside a challenger; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from models.base import Forecaster, build_forecaster
from models.evaluation import evaluate
from models.families import baseline_families
from models.forecast_frames import KEY
from models.params import ModelsParams
from models.training import fit_final, forecast_part, walk_forward

SHOWN = (
    "forecaster", "sessions", "rows", "ic", "rank_ic", "rank_ic_low", "rank_ic_high", "icir", "t_newey_west",
    "hit_rate", "decile_spread", "turnover", "lead", "lead_low", "lead_high", "lead_t",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineForecasts:
    """Forecasts of all baselines, one under another: `forecaster`, `symbol`, `session`, `value`."""

    out_of_fold: pl.DataFrame
    holdout: pl.DataFrame


def forecast_baselines(
    frame: pl.DataFrame, params: ModelsParams, features: Sequence[str]
) -> BaselineForecasts:
    """Fit each baseline on the challenger's own folds and forecast the same rows.

    Parameters
    ----------
    frame : polars.DataFrame
        The challenger's training frame.
    params : ModelsParams
        With the challenger's splits and seed.
    """
    out_of_fold, holdout = [], []
    for family in baseline_families():

        def build(_name: str, family: str = family) -> Forecaster:
            return build_forecaster(family, params, features)

        name = pl.lit(family).alias("forecaster")
        walked = walk_forward(frame, params.split, build).forecasts
        final = fit_final(frame, params.split, build)
        tested = forecast_part(final.forecaster, frame, final.fold.test)
        out_of_fold.append(walked.select(name, *KEY, "value"))
        holdout.append(tested.select(name, *KEY, "value"))
    return BaselineForecasts(out_of_fold=pl.concat(out_of_fold), holdout=pl.concat(holdout))


def judge(name: str, forecasts: pl.DataFrame, others: pl.DataFrame, params: ModelsParams) -> pl.DataFrame:
    """Return one table of the challenger and all others on the rows that all of them forecast.

    Parameters
    ----------
    name : str
        The challenger's name in the table.
    forecasts : polars.DataFrame
        Its forecasts, `label` included.
    others : polars.DataFrame
        `forecaster`, `symbol`, `session`, `value`.
    """
    names = others["forecaster"].unique().sort().to_list()
    by_name = {one: others.filter(pl.col("forecaster") == one).drop("forecaster") for one in names}
    return evaluate(
        {name: forecasts, **by_name},
        forecasts.select(*KEY, "label"),
        reference=name,
        horizon_sessions=params.split.horizon_sessions,
        seed=params.seed,
    )


def as_metrics(table: pl.DataFrame, *, prefix: str, reference: str) -> dict[str, float]:
    """Return the table's main numbers under names that MLflow takes."""
    metrics: dict[str, float] = {}
    for row in table.iter_rows(named=True):
        who = "challenger" if row["forecaster"] == reference else str(row["forecaster"]).replace(" ", "_")
        metrics |= {
            f"{prefix}_{who}_{name}": float(row[name]) for name in ("rank_ic", "t_newey_west", "lead")
        }
    return metrics


def as_rows(table: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the table for a report: NaN becomes None, so that it stays valid JSON."""
    return table.select(SHOWN).with_columns(pl.col(pl.Float64).fill_nan(None).round(6)).to_dicts()
