"""Recompute the version chains of every key whose bronze records changed."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from pipelines.context import Context
from pipelines.contracts import (
    BRONZE_BARS,
    BRONZE_TEXTS,
    SILVER_ACTIONS,
    SILVER_BARS,
    SILVER_TEXT,
    TableContract,
)
from pipelines.curate import contract, steps
from pipelines.digest import digest_of
from pipelines.io.lake import at_once
from pipelines.io.sources import build_source
from pipelines.records import CANONICAL_TEXT
from pipelines.report import StageReport, Window, standing
from pipelines.scope import around, bucketed, dates_condition, positions

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

TEXT_ID = f"sha2(concat_ws('|', session_date, {CANONICAL_TEXT}), 256) as text_id"
FINDINGS = {"symbol": pl.String, "finding": pl.String, "session": pl.Date, "missing": pl.Int64}
NOTHING = {"rows_in": 0, "rows_out": 0, "sessions_touched": 0}
MOST_EXAMPLES = 20


def run(context: Context, window: Window) -> StageReport:
    """Bring silver up to what bronze holds. The as-of bounds what later stages see, never curate."""
    del window
    lake = context.lake
    definition = digest_of(context.settings.curate, build_source(context.settings.source).price_basis)
    before, inputs = lake.versions(contract.WRITES), standing(lake.versions(contract.READS))
    bars, texts = curate_bars(context, definition), curate_texts(context, definition)
    rows_out = bars["rows_out"] + texts["rows_out"]
    return StageReport(
        stage="curate",
        status="done" if rows_out else "nothing_to_do",
        rows_in=bars["rows_in"] + texts["rows_in"],
        rows_out=rows_out,
        sessions_touched=bars["sessions_touched"],
        inputs=inputs,
        versions_before=before,
        outputs=standing(lake.versions(contract.WRITES)),
        definition=definition,
        details={"bars": bars, "texts": texts},
    )


def changed_sessions(context: Context, bronze: TableContract, definition: str) -> list[date] | None:
    """Return the sessions that new bronze records speak of, None for all of them."""
    since = context.journal.last("curate").version_of(bronze.name, definition)
    changes = context.lake.changes_since(bronze, since)
    if changes is None:
        return None
    rows = changes.select("session_date").distinct().collect()
    return sorted(row[0] for row in rows if row[0] is not None)


def curate_bars(context: Context, definition: str) -> dict[str, Any]:
    """Recompute the touched chains of `silver.bars` and `silver.actions`."""
    changed = changed_sessions(context, BRONZE_BARS, definition)
    if changed == [] or not context.lake.exists(BRONZE_BARS):
        return NOTHING
    touched = None if changed is None else around(context.calendar, changed, before=1, after=2)
    sessions = known_sessions(context, BRONZE_BARS, touched)
    step = partial(
        steps.bar_versions,
        sessions=sessions,
        params=context.settings.curate,
        price_basis=build_source(context.settings.source).price_basis,
    )
    records = bucketed(read_bronze(context, BRONZE_BARS, touched, margin=timedelta(days=15)))
    few = touched is not None
    versions = context.lake.map_groups(records, ["bucket"], step, SILVER_BARS.schema, bounded=few).persist()
    try:
        scope = dates_condition(touched)
        announced = versions.where("dividend <> 0 or split <> 1").select("symbol").distinct()
        chains = bucketed(versions.join(announced, on="symbol", how="left_semi"))
        actions = context.lake.map_groups(
            chains, ["bucket"], steps.action_versions, SILVER_ACTIONS.schema, bounded=few
        )
        replace = partial(context.lake.replace, scope=scope, bounded=few)
        writes = partial(replace, SILVER_BARS, versions), partial(replace, SILVER_ACTIONS, actions)
        changes, _ = at_once(*writes) if few else [write() for write in writes]
        return {
            "rows_in": versions.count(),
            "rows_out": changes.total,
            "sessions_touched": versions.select("session").distinct().count() if changes.total else 0,
            "findings": report_findings(context, versions, sessions),
        }
    finally:
        versions.unpersist()


def curate_texts(context: Context, definition: str) -> dict[str, Any]:
    """Recompute the texts of the touched sessions."""
    changed = changed_sessions(context, BRONZE_TEXTS, definition)
    if changed == [] or not context.lake.exists(BRONZE_TEXTS):
        return NOTHING
    sessions = known_sessions(context, BRONZE_TEXTS, changed)
    records = read_bronze(context, BRONZE_TEXTS, changed, margin=timedelta()).selectExpr("*", TEXT_ID)
    step = partial(steps.text_rows, sessions=sessions)
    few = changed is not None
    texts = context.lake.map_groups(bucketed(records), ["bucket"], step, SILVER_TEXT.schema, bounded=few)
    changes = context.lake.replace(SILVER_TEXT, texts, scope=dates_condition(changed), bounded=few)
    return {"rows_in": changes.total, "rows_out": changes.total, "sessions_touched": len(changed or [])}


def read_bronze(
    context: Context, bronze: TableContract, touched: list[date] | None, *, margin: timedelta
) -> DataFrame:
    """Return the bronze records of the touched sessions, and of the days around them."""
    records = context.lake.read(bronze)
    if touched is None:
        return records
    near = sorted(
        {day + timedelta(days=step) for day in touched for step in range(-margin.days, margin.days + 1)}
    )
    days = ", ".join(f"date'{day}'" for day in near)
    return records.where(f"session_date in ({days})")


def known_sessions(context: Context, bronze: TableContract, touched: list[date] | None) -> steps.Sessions:
    """Return the calendar's sessions around the touched ones (around all of bronze for None)."""
    if touched:
        first, last = min(touched), max(touched)
    else:
        row = context.lake.read(bronze).selectExpr("min(session_date)", "max(session_date)").collect()[0]
        first, last = row[0] or date(1990, 1, 2), row[1] or date(1990, 1, 2)
    margin = timedelta(days=20)
    return steps.Sessions(frame=positions(context.calendar, first - margin, last + margin), touched=touched)


def report_findings(context: Context, versions: DataFrame, sessions: steps.Sessions) -> dict[str, Any]:
    """Return counts and examples of gaps and stale prices among the touched bars."""
    step = partial(
        steps.quality_findings, sessions=sessions, stale_sessions=context.settings.curate.stale_sessions
    )
    few = sessions.touched is not None
    found = context.lake.map_groups(bucketed(versions), ["bucket"], step, FINDINGS, bounded=few).persist()
    counts = found.groupBy("finding").agg({"missing": "sum"}).collect()
    examples = found.orderBy("session", "symbol", "finding").limit(MOST_EXAMPLES).collect()
    found.unpersist()
    return {
        "counts": {row[0]: row[1] for row in counts},
        "examples": [f"{row['finding']} {row['symbol']} {row['session']}" for row in examples],
    }
