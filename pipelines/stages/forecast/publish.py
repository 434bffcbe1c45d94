"""Show the as-of session's issued forecasts in the online store."""

from __future__ import annotations

from datetime import date

import polars as pl

from feature_repo.definitions import ISSUED_VIEW
from pipelines.base.context import Context
from pipelines.io.feature_store import open_feature_store
from pipelines.registry.champion import Champion
from pipelines.stages.forecast.params import ForecastParams
from pipelines.tables import queries
from pipelines.tables.contracts import GOLD_FORECASTS
from pipelines.tables.scope import dates_condition


def read_issued(context: Context, champion: Champion, session: date) -> pl.DataFrame:
    """Return what the champion has issued for a session: bounded by its universe.

    Rows come from the table, not from the run, so a re-run after a crash publishes what was issued.
    """
    query = queries.issued_forecasts(
        GOLD_FORECASTS,
        GOLD_FORECASTS.columns,
        model_key=champion.lineage.model_key,
        where=dates_condition([session]),
    )
    return context.lake.collect_query(query, GOLD_FORECASTS)


def publish_issued(context: Context, issued: pl.DataFrame) -> int:
    """Publish issued forecasts and return how many symbols changed.

    Marked in-sample rows are kept out: nobody may take them for forecasts.
    """
    if not context.params(ForecastParams).publish:
        return 0
    return open_feature_store(context).publish(issued.filter(~pl.col("in_sample")), ISSUED_VIEW)
