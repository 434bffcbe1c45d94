"""Read what each forecast session looks at, as it was known at that session's decision instant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from features.catalog import text_features
from pipelines.base.lake import Lake
from pipelines.base.table import TableContract
from pipelines.tables.as_of import instant_literal, newest_query
from pipelines.tables.contracts import GOLD_FEATURES_DAILY, GOLD_FEATURES_TEXT
from pipelines.tables.scope import MOST_TOUCHED, months_between

if TYPE_CHECKING:
    from pipelines.base.frames import Frame

KEY = ("forecast_session", "symbol", "session")
INSTANTS = ("event_timestamp", "decision_at")
PLAN = ("forecast_session", *INSTANTS, "session")


def read_universe(lake: Lake, plan: pl.DataFrame, features: Sequence[str]) -> Frame:
    """Return the feature rows that each forecast session looks at.

    Parameters
    ----------
    plan : polars.DataFrame
        From `plan_history`.
    features : sequence of str
        Columns the model reads, of both feature tables.

    Returns
    -------
    Frame
        `forecast_session`, its instants, `symbol`, `session` and the features. A symbol without a
        valid daily row of a session is absent there; text features are null where nothing valid
        was known.
    """
    texts = {feature.name for feature in text_features()}
    spoken = [name for name in features if name in texts]
    few = plan.height <= MOST_TOUCHED
    looked_at = as_values(plan) if few else "looked_at"
    if not few:
        spread: Any = lake.distribute(plan, plan.schema)
        spread.createOrReplaceTempView(looked_at)
    daily = [name for name in features if name not in texts]
    query, tables = _known_rows(GOLD_FEATURES_DAILY, plan, looked_at, daily), [GOLD_FEATURES_DAILY]
    if spoken:
        said, on = _known_rows(GOLD_FEATURES_TEXT, plan, looked_at, spoken), " and ".join(map(_same, KEY))
        columns = [f"t.{name}" if name in texts else f"r.{name}" for name in (*KEY, *INSTANTS, *features)]
        query = f"select {', '.join(columns)} from ({query}) as r left join ({said}) as t on {on}"
        tables.append(GOLD_FEATURES_TEXT)
    return lake.collect_query_if_small(query, *tables) if few else lake.scan_query(query, *tables)


def as_values(plan: pl.DataFrame) -> str:
    """Return a short plan as the text of a table of literals."""
    rows = ", ".join(
        f"(date'{forecast}', {instant_literal(event)}, {instant_literal(decided)}, date'{session}')"
        for forecast, event, decided, session in plan.select(PLAN).rows()
    )
    return f"(values {rows})"


def _same(name: str) -> str:
    return f"r.{name} = t.{name}"


def _known_rows(contract: TableContract, plan: pl.DataFrame, looked_at: str, columns: Sequence[str]) -> str:
    """Return the query for the valid rows of the plan's sessions as they were known at their decisions."""
    first, last = plan.select(pl.col("session").min(), pl.col("session").max().alias("last")).row(0)
    stored = ", ".join(("symbol", "session as stood_at", "known_at", "valid", *columns))
    versions = f"select {stored} from {contract.alias} where {months_between(first, last)}"
    known = (
        f"(select v.*, p.* from ({versions}) as v join {looked_at} as p({', '.join(PLAN)}) "
        "on v.stood_at = p.session where v.known_at <= p.decision_at) as known"
    )
    wanted = [*KEY, *INSTANTS, *columns]
    newest = newest_query(known, [*wanted, "valid"], KEY)
    return f"select {', '.join(wanted)} from ({newest}) as newest where valid"
