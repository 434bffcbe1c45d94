"""Show the as-of session's issued forecasts in the online store."""

from __future__ import annotations

from datetime import date

from feature_repo.definitions import ISSUED_VIEW
from pipelines.champion import Champion
from pipelines.context import Context
from pipelines.contracts import GOLD_FORECASTS
from pipelines.io.feature_store import open_feature_store
from pipelines.scope import dates_condition


def publish_issued(context: Context, champion: Champion, session: date) -> int:
    """Publish what the champion has issued for a session and return how many symbols changed.

    Rows come from the table, not from the run, so a re-run after a crash publishes what was issued. Marked
    in-sample rows are kept out: nobody may take them for forecasts. Bounded by one session's universe.
    """
    if not context.settings.forecast.publish:
        return 0
    rows = context.lake.read(GOLD_FORECASTS).where(dates_condition([session]))
    issued = rows.where(f"model_key = '{champion.ancestry.model_key}' and not in_sample")
    return open_feature_store(context).publish(context.lake.to_polars(issued), ISSUED_VIEW)
