"""Read what each forecast session looks at, as it was known at that session's decision instant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from features.catalog import text_features
from pipelines.contracts import GOLD_FEATURES_DAILY, GOLD_FEATURES_TEXT, TableContract
from pipelines.io.lake import Lake
from pipelines.known import newest_versions
from pipelines.scope import months_between

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

KEY = ("forecast_session", "symbol", "session")
INSTANTS = ("event_timestamp", "decision_at")


def read_universe(lake: Lake, plan: pl.DataFrame, features: Sequence[str]) -> DataFrame:
    """Return the feature rows that each forecast session looks at.

    Parameters
    ----------
    plan : polars.DataFrame
        From `plan_history`.
    features : sequence of str
        Columns the model reads, of both feature tables.

    Returns
    -------
    DataFrame
        `forecast_session`, its instants, `symbol`, `session` and the features. A symbol without a
        valid daily row of a session is absent there; text features are null where nothing valid
        was known.
    """
    texts = {feature.name for feature in text_features()}
    daily = [name for name in features if name not in texts]
    spoken = [name for name in features if name in texts]
    rows = _known_rows(lake, GOLD_FEATURES_DAILY, plan, daily)
    if spoken:
        text = _known_rows(lake, GOLD_FEATURES_TEXT, plan, spoken).drop(*INSTANTS)
        rows = rows.join(text, on=list(KEY), how="left")
    return rows.select(*KEY, *INSTANTS, *features)


def _known_rows(lake: Lake, contract: TableContract, plan: pl.DataFrame, columns: Sequence[str]) -> DataFrame:
    looked_at = lake.from_polars(plan, plan.schema).hint("broadcast")
    first, last = plan.select(pl.col("session").min(), pl.col("session").max().alias("last")).row(0)
    versions = (
        lake.read(contract)
        .where(months_between(first, last))
        .select("symbol", "session", "known_at", "valid", *columns)
    )
    known = versions.join(looked_at, on="session", how="inner").where("known_at <= decision_at")
    return newest_versions(known, KEY).where("valid").select(*KEY, *INSTANTS, *columns)
