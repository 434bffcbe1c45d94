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
from pipelines.io.sources.feeds import open_feeds, price_basis_of
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
from pipelines.tables.scope import around, bucketed, changed_sessions, dates_condition, range_condition
from pipelines.tables.session_grid import SessionGrid
from pipelines.tables.text_identity import identify_texts

FINDINGS = {"symbol": pl.String, "finding": pl.String, "session": pl.Date, "missing": pl.Int64}
NOTHING = {"rows_in": 0, "rows_out": 0, "sessions_touched": 0}
MOST_EXAMPLES = 20
MARGIN_DAYS = 15
"""Calendar days around a touched session that surely hold its neighbours, whose closes judge its ticks."""


def define(context: Context, sessions: SessionRange) -> str:
    """Return a digest of how records are judged, and of what has been done to their prices."""
    del sessions
    return digest_of(context.params(CurateParams), price_bases(context))


def run(context: Context, sessions: SessionRange, definition: str) -> Outcome:
    """Bring silver up to what bronze holds. The as-of bounds what later stages see, never curate."""
    del sessions
    bars, texts = curate_bars(context, definition), curate_texts(context, definition)
    rows_out = bars["rows_out"] + texts["rows_out"]
    return Outcome(
        status="done" if rows_out else "unchanged",
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
    if touched == []:
        return NOTHING  # days that are no session: nothing of theirs reaches silver
    grid = known_sessions(context, BRONZE_BARS, touched)
    step = partial(
        steps.bar_versions,
        grid=grid,
        params=context.params(CurateParams),
        price_basis=price_bases(context),
    )
    scope = queries.dated_near(touched, MARGIN_DAYS)
    read = count_records(context, BRONZE_BARS, scope)
    near = queries.rows_of(BRONZE_BARS, BRONZE_BARS.columns, scope)
    few = read <= context.lake.local_rows
    records: Frame = (context.lake.collect_query if few else context.lake.scan_query)(near, BRONZE_BARS)
    versions_of = partial(context.lake.map_groups, by=["bucket"], step=step, schema=SILVER_BARS.schema)
    with persisted(versions_of(bucketed(records))) as versions:
        chains = bucketed(reshape(versions, queries.ANNOUNCING_CHAINS))
        actions = context.lake.map_groups(chains, ["bucket"], steps.action_versions, SILVER_ACTIONS.schema)
        replace = partial(context.lake.replace, scope=dates_condition(touched))
        writes = partial(replace, SILVER_BARS, versions), partial(replace, SILVER_ACTIONS, actions)
        changes, _ = run_concurrently(*writes) if touched is not None else [write() for write in writes]
        rebuilt = collect_rows(reshape(versions, queries.SESSIONS_OF_ROWS))[0]
        return {
            "rows_in": read,
            "rows_out": changes.total,
            "sessions_touched": rebuilt["sessions"] if changes.total else 0,
            "findings": report_findings(context, versions, grid, touched),
        }


def curate_texts(context: Context, definition: str) -> dict[str, Any]:
    """Recompute the texts of the touched sessions."""
    changed = changed_sessions(context, "curate", [BRONZE_TEXTS], definition, column="session_date")
    if changed == [] or not context.lake.exists(BRONZE_TEXTS):
        return NOTHING
    lake, scope = context.lake, queries.dated_near(changed, 0)
    read = count_records(context, BRONZE_TEXTS, scope)
    near = queries.rows_of(BRONZE_TEXTS, BRONZE_TEXTS.columns, scope)
    records: Frame
    if read <= context.lake.local_rows:
        records = identify_texts(lake.collect_query(near, BRONZE_TEXTS))
    else:
        records = lake.scan_query(near, BRONZE_TEXTS).selectExpr("*", queries.TEXT_ID)
    step = partial(steps.text_rows, grid=known_sessions(context, BRONZE_TEXTS, changed))
    rows = lake.map_groups(bucketed(records), ["bucket"], step, SILVER_TEXT.schema)
    changes = lake.replace(SILVER_TEXT, rows, scope=dates_condition(changed))
    return {
        "rows_in": read,
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


def price_bases(context: Context) -> dict[str, str]:
    """Return what has been done to the prices of each feed of bars; the primary one must say it."""
    bars = [feed for feed in open_feeds(context) if feed.kind == "bars"]
    said = {
        feed.source.name: price_basis_of(context) if feed.primary else feed.provision.price_basis
        for feed in bars
    }
    return {name: basis for name, basis in said.items() if basis is not None}


def report_findings(
    context: Context, versions: Frame, grid: SessionGrid, touched: list[date] | None
) -> dict[str, Any]:
    """Return counts and examples of gaps and stale prices among the touched bars.

    A few sessions are judged together with those before them, which a daily run has not touched.
    """
    stale = context.params(CurateParams).stale_sessions
    step = partial(steps.quality_findings, grid=grid, stale_sessions=stale)
    bars: Frame = versions
    if touched:
        near = range_condition(context.calendar.shift(touched[0], -stale - 1), touched[-1])
        query = queries.rows_of(SILVER_BARS, SILVER_BARS.columns, near)
        bars = context.lake.collect_query_if_small(query, SILVER_BARS)
    with persisted(context.lake.map_groups(bucketed(bars), ["bucket"], step, FINDINGS)) as found:
        counts = collect_rows(reshape(found, queries.MISSING_BY_FINDING))
        examples = collect_rows(reshape(found, queries.first_findings(MOST_EXAMPLES)))
    return {
        "counts": {row["finding"]: row["missing"] for row in counts},
        "examples": [f"{row['finding']} {row['symbol']} {row['session']}" for row in examples],
    }
