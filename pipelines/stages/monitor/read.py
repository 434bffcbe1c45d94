"""Reads what the stage compares: a bounded number of sessions of the whole universe."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date

import polars as pl

from features.catalog import daily_features, text_features
from models.forecast_frames import KEY
from pipelines.base.context import Context
from pipelines.base.small_files import read_record
from pipelines.base.table import TableContract
from pipelines.registry.champion import champion_at, tracking_of
from pipelines.stages.monitor.params import MonitorParams
from pipelines.stages.monitor.scales import SCALE_FEATURES
from pipelines.stages.monitor.steps import rank_features
from pipelines.tables.as_of import instant_literal, newest_query
from pipelines.tables.contracts import (
    GOLD_FEATURES_DAILY,
    GOLD_FEATURES_TEXT,
    GOLD_FORECASTS,
    GOLD_LABELS,
)
from pipelines.tables.scope import months_between

IMPORTANCE_FILE = "importance.json"


def choose_features(context: Context, as_of: date) -> list[str]:
    """Return the features that the report shows: the champion's most important ones.

    Without a champion, or where its family knows no importance, the first ones of the catalog.
    """
    names = [feature.name for feature in (*daily_features(), *text_features())]
    return rank_features(read_importance(context, as_of), names, context.params(MonitorParams).top_features)


def read_importance(context: Context, as_of: date) -> dict[str, float]:
    """Return what training kept of the champion's importance, empty without any."""
    champion = champion_at(context, as_of)
    if champion is None:
        return {}
    tracking = tracking_of(context)
    path = tracking.fetch(tracking.version(champion.model_version).run_id, IMPORTANCE_FILE)
    importance: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return importance


def read_features(context: Context, as_of: date, names: Sequence[str]) -> pl.DataFrame:
    """Return `symbol`, `session`, `valid` and features of both windows, as known at the as-of.

    One row a symbol and session that has a daily vector; a row that is not valid holds nulls.
    """
    daily = {feature.name for feature in daily_features()}
    wanted = sorted({*SCALE_FEATURES, *names} & daily)
    rows = _read(context, GOLD_FEATURES_DAILY, as_of, wanted)
    texts = sorted(set(names) - daily)
    if not texts:
        return rows
    return rows.join(_read(context, GOLD_FEATURES_TEXT, as_of, texts).drop("valid"), on=list(KEY), how="left")


def _read(context: Context, contract: TableContract, as_of: date, names: Sequence[str]) -> pl.DataFrame:
    decided = instant_literal(context.calendar.decision_at(as_of))
    in_reach = f"{months_between(first_session(context, as_of), as_of)} and known_at <= {decided}"
    source = f"{contract.alias} where {in_reach}"
    return context.lake.collect_query(newest_query(source, [*KEY, "valid", *names], KEY), contract)


def first_session(context: Context, as_of: date) -> date:
    """Return the first session of the longest reference window."""
    params = context.params(MonitorParams)
    return context.calendar.shift(as_of, 1 - params.reference_sessions - params.current_sessions)


def read_forecasts(context: Context, as_of: date) -> pl.DataFrame:
    """Return the forecasts issued for both windows, marked in-sample ones left out."""
    in_reach = f"{months_between(first_session(context, as_of), as_of)} and not in_sample"
    columns = ", ".join([*KEY, "horizon", "model_key", "issued_at", "value"])
    return context.lake.collect_query(
        f"select {columns} from gold_forecasts where {in_reach}", GOLD_FORECASTS
    )


def read_labels(context: Context, as_of: date) -> pl.DataFrame:
    """Return the valid outcomes of both windows that are known at the as-of."""
    decided = instant_literal(context.calendar.decision_at(as_of))
    in_reach = f"{months_between(first_session(context, as_of), as_of)} and known_at <= {decided}"
    key = [*KEY, "horizon"]
    newest = newest_query(f"gold_labels where {in_reach}", [*key, "value", "valid"], key)
    valid = f"select {', '.join([*key, 'value'])} from ({newest}) as newest where valid"
    return context.lake.collect_query(valid, GOLD_LABELS)


def read_history(context: Context) -> dict[date, dict[str, object]]:
    """Return the verdict records that stand beside the reports, by session."""
    records = (read_record(path) for path in context.home.reports.glob("*.json"))
    return {date.fromisoformat(str(record["as_of"])): record for record in records if "as_of" in record}
