"""Recompute the version chains of every key whose bronze records changed."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from typing import Any

import polars as pl

from pipelines.base.context import Context
from pipelines.base.digest import digest_of
from pipelines.base.frames import Frame
from pipelines.base.report import Outcome, SessionRange
from pipelines.base.table import TableContract
from pipelines.io.frames import collect_rows, persisted, reshape
from pipelines.io.lake import run_concurrently
from pipelines.io.sources.feeds import price_basis_of
from pipelines.stages.curate import steps
from pipelines.stages.curate.params import CurateParams
from pipelines.tables import queries
from pipelines.tables.contracts import (
    BRONZE_BARS,
    BRONZE_TEXTS,
    SILVER_ACTIONS,
    SILVER_BARS,
    SILVER_TEXT,
)
from pipelines.tables.scope import around, bucketed, changed_sessions, dates_condition
from pipelines.tables.session_grid import SessionGrid

FINDINGS = {"symbol": pl.String, "finding": pl.String, "session": pl.Date, "missing": pl.Int64}
NOTHING = {"rows_in": 0, "rows_out": 0, "sessions_touched": 0}
MOST_EXAMPLES = 20
MARGIN_DAYS = 15
"""Calendar days around a touched session that surely hold its neighbours, whose closes judge its ticks."""


def define(context: Context, sessions: SessionRange) -> str:
    """Return a digest of how records are judged, and of what has been done to their prices."""
    del sessions
    return digest_of(context.params(CurateParams), price_basis_of(context))


def run(context: Context, sessions: SessionRange) -> Outcome:
    """Bring silver up to what bronze holds. The as-of bounds what later stages see, never curate."""
    definition = define(context, sessions)
    bars, texts = curate_bars(context, definition), curate_texts(context, definition)
    rows_out = bars["rows_out"] + texts["rows_out"]
    return Outcome(
        status="done" if rows_out else "nothing_to_do",
        rows_in=bars["rows_in"] + texts["rows_in"],
        rows_out=rows_out,
        sessions_touched=bars["sessions_touched"],
        details={"bars": bars, "texts": texts},
    )


def curate_bars(context: Context, definition: str) -> dict[str, Any]:
    """Recompute the touched chains of `silver.bars` and `silver.actions`."""
    changed = changed_sessions(context, "curate", [BRONZE_BARS], definition, column="session_date")
    if changed == [] or not context.lake.exists(BRONZE_BARS):
        return NOTHING
    touched = None if changed is None else around(context.calendar, changed, before=1, after=2)
    grid = known_sessions(context, BRONZE_BARS, touched)
    step = partial(
        steps.bar_versions,
        grid=grid,
        params=context.params(CurateParams),
        price_basis=price_basis_of(context),
    )
    scope = queries.dated_near(touched, MARGIN_DAYS)
    if touched is None:
        records: Frame = context.lake.scan_table(BRONZE_BARS)
    else:
        near = queries.rows_of(BRONZE_BARS, BRONZE_BARS.columns, scope)
        records = context.lake.collect_query_if_small(near, BRONZE_BARS)
    versions_of = partial(context.lake.map_groups, by=["bucket"], step=step, schema=SILVER_BARS.schema)
    with persisted(versions_of(bucketed(records))) as versions:
        chains = bucketed(reshape(versions, queries.ANNOUNCING_CHAINS))
        actions = context.lake.map_groups(chains, ["bucket"], steps.action_versions, SILVER_ACTIONS.schema)
        replace = partial(context.lake.replace, scope=dates_condition(touched))
        writes = partial(replace, SILVER_BARS, versions), partial(replace, SILVER_ACTIONS, actions)
        changes, _ = run_concurrently(*writes) if touched is not None else [write() for write in writes]
        rebuilt = collect_rows(reshape(versions, queries.SESSIONS_OF_ROWS))[0]
        return {
            "rows_in": count_records(context, BRONZE_BARS, scope),
            "rows_out": changes.total,
            "sessions_touched": rebuilt["sessions"] if changes.total else 0,
            "findings": report_findings(context, versions, grid),
        }


def curate_texts(context: Context, definition: str) -> dict[str, Any]:
    """Recompute the texts of the touched sessions."""
    changed = changed_sessions(context, "curate", [BRONZE_TEXTS], definition, column="session_date")
    if changed == [] or not context.lake.exists(BRONZE_TEXTS):
        return NOTHING
    lake, scope = context.lake, queries.dated_near(changed, 0)
    texts = lake.scan_table(BRONZE_TEXTS).where(scope).selectExpr("*", queries.TEXT_ID)
    records = texts if changed is None else lake.collect_if_small(texts)
    step = partial(steps.text_rows, grid=known_sessions(context, BRONZE_TEXTS, changed))
    rows = lake.map_groups(bucketed(records), ["bucket"], step, SILVER_TEXT.schema)
    changes = lake.replace(SILVER_TEXT, rows, scope=dates_condition(changed))
    return {
        "rows_in": count_records(context, BRONZE_TEXTS, scope),
        "rows_out": changes.total,
        "sessions_touched": len(changed or []),
    }


def count_records(context: Context, bronze: TableContract, scope: str) -> int:
    """Return how many bronze records a scope holds."""
    return int(context.lake.collect_query(queries.count_rows(bronze, scope), bronze).item())


def known_sessions(context: Context, bronze: TableContract, touched: list[date] | None) -> SessionGrid:
    """Return the calendar's sessions around the touched ones (around all of bronze for None)."""
    if touched:
        first, last = min(touched), max(touched)
    else:
        span = context.lake.collect_query(queries.extent(bronze, "session_date"), bronze)
        first, last = (day or date(1990, 1, 2) for day in span.row(0))
    margin = timedelta(days=20)
    return SessionGrid.spanning(context.calendar, first - margin, last + margin, touched=touched)


def report_findings(context: Context, versions: Frame, grid: SessionGrid) -> dict[str, Any]:
    """Return counts and examples of gaps and stale prices among the touched bars."""
    step = partial(
        steps.quality_findings, grid=grid, stale_sessions=context.params(CurateParams).stale_sessions
    )
    with persisted(context.lake.map_groups(bucketed(versions), ["bucket"], step, FINDINGS)) as found:
        counts = collect_rows(reshape(found, queries.MISSING_BY_FINDING))
        examples = collect_rows(reshape(found, queries.first_findings(MOST_EXAMPLES)))
    return {
        "counts": {row["finding"]: row["missing"] for row in counts},
        "examples": [f"{row['finding']} {row['symbol']} {row['session']}" for row in examples],
    }
