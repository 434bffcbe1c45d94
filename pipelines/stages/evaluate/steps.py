"""The tables that stand a challenger beside baselines and champion; pure."""

from __future__ import annotations

from typing import Any

import polars as pl

from models.evaluation import evaluate
from models.forecast_frames import KEY
from models.params import ModelsParams

SHOWN = (
    "forecaster", "sessions", "rows", "ic", "rank_ic", "rank_ic_low", "rank_ic_high", "icir", "t_newey_west",
    "hit_rate", "decile_spread", "turnover", "lead", "lead_low", "lead_high", "lead_t",
)  # fmt: skip


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
