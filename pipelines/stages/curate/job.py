"""Recompute the version chains of every key whose bronze records changed."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from pipelines.base.context import Context
from pipelines.base.digest import digest_of
from pipelines.base.report import SessionRange, StageReport, standing
from pipelines.base.table import TableContract
from pipelines.io.frames import collect_rows, persisted, reshape
from pipelines.io.lake import run_concurrently
from pipelines.io.sources.feeds import price_basis_of
from pipelines.stages.curate import contract, steps
from pipelines.stages.curate.params import CurateParams
from pipelines.tables.contracts import (
    BRONZE_BARS,
    BRONZE_TEXTS,
    SILVER_ACTIONS,
    SILVER_BARS,
    SILVER_TEXT,
)
from pipelines.tables.record_kinds import CANONICAL_TEXT
from pipelines.tables.scope import around, bucketed, dates_condition, positions

if TYPE_CHECKING:
    from pipelines.base.frames import Frame

TEXT_ID = f"sha2(concat_ws('|', session_date, {CANONICAL_TEXT}), 256) as text_id"
FINDINGS = {"symbol": pl.String, "finding": pl.String, "session": pl.Date, "missing": pl.Int64}
NOTHING = {"rows_in": 0, "rows_out": 0, "sessions_touched": 0}
MOST_EXAMPLES = 20


def run(context: Context, window: SessionRange) -> StageReport:
    """Bring silver up to what bronze holds. The as-of bounds what later stages see, never curate."""
    del window
    lake = context.lake
    price_basis = price_basis_of(context)
    definition = digest_of(context.params(CurateParams), price_basis)
    before, inputs = lake.versions(contract.WRITES), standing(lake.versions(contract.READS))
    bars, texts = curate_bars(context, definition, price_basis), curate_texts(context, definition)
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
    since = context.run_log.last("curate").version_of(bronze.name, definition)
    changed = context.lake.changed(bronze, "session_date", since=since)
    return None if changed is None else sorted(changed - {None})


def curate_bars(context: Context, definition: str, price_basis: str) -> dict[str, Any]:
    """Recompute the touched chains of `silver.bars` and `silver.actions`."""
    changed = changed_sessions(context, BRONZE_BARS, definition)
    if changed == [] or not context.lake.exists(BRONZE_BARS):
        return NOTHING
    touched = None if changed is None else around(context.calendar, changed, before=1, after=2)
    sessions = known_sessions(context, BRONZE_BARS, touched)
    step = partial(
        steps.bar_versions,
        sessions=sessions,
        params=context.params(CurateParams),
        price_basis=price_basis,
    )
    records = bucketed(read_bars(context, touched))
    with persisted(context.lake.map_groups(records, ["bucket"], step, SILVER_BARS.schema)) as versions:
        announced = "select distinct symbol from {rows} where dividend <> 0 or split <> 1"
        chains = bucketed(reshape(versions, f"select * from {{rows}} where symbol in ({announced})"))
        actions = context.lake.map_groups(chains, ["bucket"], steps.action_versions, SILVER_ACTIONS.schema)
        replace = partial(context.lake.replace, scope=dates_condition(touched))
        writes = partial(replace, SILVER_BARS, versions), partial(replace, SILVER_ACTIONS, actions)
        changes, _ = run_concurrently(*writes) if touched is not None else [write() for write in writes]
        size = reshape(versions, "select count(*) as rows_in, count(distinct session) as days from {rows}")
        counted = collect_rows(size)[0]
        return {
            "rows_in": counted["rows_in"],
            "rows_out": changes.total,
            "sessions_touched": counted["days"] if changes.total else 0,
            "findings": report_findings(context, versions, sessions),
        }


def curate_texts(context: Context, definition: str) -> dict[str, Any]:
    """Recompute the texts of the touched sessions."""
    changed = changed_sessions(context, BRONZE_TEXTS, definition)
    if changed == [] or not context.lake.exists(BRONZE_TEXTS):
        return NOTHING
    sessions = known_sessions(context, BRONZE_TEXTS, changed)
    named = (
        context.lake.scan_table(BRONZE_TEXTS).where(arrived(changed, timedelta())).selectExpr("*", TEXT_ID)
    )
    records = named if changed is None else context.lake.collect_if_small(named)
    step = partial(steps.text_rows, sessions=sessions)
    texts = context.lake.map_groups(bucketed(records), ["bucket"], step, SILVER_TEXT.schema)
    changes = context.lake.replace(SILVER_TEXT, texts, scope=dates_condition(changed))
    return {"rows_in": changes.total, "rows_out": changes.total, "sessions_touched": len(changed or [])}


def read_bars(context: Context, touched: list[date] | None) -> Frame:
    """Return the bronze bars of the touched sessions, and of the days around them."""
    if touched is None:
        return context.lake.scan_table(BRONZE_BARS)
    condition = arrived(touched, timedelta(days=15))
    return context.lake.collect_query_if_small(
        f"select * from {BRONZE_BARS.alias} where {condition}", BRONZE_BARS
    )


def arrived(touched: list[date] | None, margin: timedelta) -> str:
    """Return the SQL condition that a record is dated within `margin` of a touched session."""
    if touched is None:
        return "true"
    steps_away = range(-margin.days, margin.days + 1)
    near = sorted({day + timedelta(days=step) for day in touched for step in steps_away})
    days = ", ".join(f"date'{day}'" for day in near)
    return f"session_date in ({days})"


def known_sessions(context: Context, bronze: TableContract, touched: list[date] | None) -> steps.Sessions:
    """Return the calendar's sessions around the touched ones (around all of bronze for None)."""
    if touched:
        first, last = min(touched), max(touched)
    else:
        span = f"select min(session_date) as first, max(session_date) as last from {bronze.alias}"
        first, last = (day or date(1990, 1, 2) for day in context.lake.collect_query(span, bronze).row(0))
    margin = timedelta(days=20)
    return steps.Sessions(frame=positions(context.calendar, first - margin, last + margin), touched=touched)


def report_findings(context: Context, versions: Frame, sessions: steps.Sessions) -> dict[str, Any]:
    """Return counts and examples of gaps and stale prices among the touched bars."""
    step = partial(
        steps.quality_findings, sessions=sessions, stale_sessions=context.params(CurateParams).stale_sessions
    )
    with persisted(context.lake.map_groups(bucketed(versions), ["bucket"], step, FINDINGS)) as found:
        total = reshape(found, "select finding, sum(missing) as missing from {rows} group by finding")
        first = f"select * from {{rows}} order by session, symbol, finding limit {MOST_EXAMPLES}"
        counts, examples = collect_rows(total), collect_rows(reshape(found, first))
    return {
        "counts": {row["finding"]: row["missing"] for row in counts},
        "examples": [f"{row['finding']} {row['symbol']} {row['session']}" for row in examples],
    }
