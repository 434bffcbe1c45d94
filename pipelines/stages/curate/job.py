"""Recompute the version chains of every key whose bronze records changed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import polars as pl

from pipelines.base.ahead import made_ahead
from pipelines.base.context import Context
from pipelines.base.frames import Changes, Frame, Step
from pipelines.base.report import Outcome, SessionRange
from pipelines.base.table import TableContract
from pipelines.io.feed_log import read_coverage
from pipelines.io.frames import collect_rows, conform, persisted, reshape
from pipelines.io.lake import run_concurrently
from pipelines.io.sources.feeds import open_feeds, price_basis_of
from pipelines.io.sources.params import FeedsParams
from pipelines.stages.curate import steps
from pipelines.stages.curate.bar_scope import EVERYTHING, BarScope, actions_source, plan_scope, standing_seams
from pipelines.stages.curate.evidence import (
    DIVIDENDS,
    EVIDENCE,
    SPLITS,
    check_bases,
    describe_bases,
    judge_bases,
)
from pipelines.stages.curate.params import CurateParams
from pipelines.stages.curate.records import seams_of
from pipelines.stages.curate.renames import SAME, find_renames
from pipelines.tables import queries
from pipelines.tables.contracts import (
    BRONZE_ACTIONS,
    BRONZE_BARS,
    BRONZE_TEXTS,
    OPS_ACCEPTANCES,
    OPS_QUARANTINE,
    SILVER_ACTIONS,
    SILVER_BARS,
    SILVER_TEXT,
)
from pipelines.tables.open_jumps import JUMP, read_jumps
from pipelines.tables.record_kinds import ACTIONS
from pipelines.tables.scope import (
    bucketed,
    changed_sessions,
    dates_condition,
    margin_days,
    range_condition,
)
from pipelines.tables.session_grid import SessionGrid
from pipelines.tables.stage_definitions import define_stage
from pipelines.tables.text_identity import identify_texts

FINDINGS = {"symbol": pl.String, "finding": pl.String, "session": pl.Date, "missing": pl.Int64}
NOTHING = {"rows_in": 0, "rows_out": 0, "sessions_touched": 0}
MOST_EXAMPLES = 20
MOST_TOLD = 5
"""Jumps that one notice names."""
MODEST_ROWS = 8_000_000
"""So many records are compared in this process, where its tables are."""
PART_ROWS = 700_000
"""Records that are held at a time: about a gigabyte."""


def define(context: Context, sessions: SessionRange) -> str:
    """Return a digest of how records are judged, by which code, and of what was done to their prices."""
    del sessions
    params, actions = context.params(CurateParams), actions_source(context)
    return define_stage(context, "curate", params, price_bases(context), actions)


def run(context: Context, sessions: SessionRange, definition: str) -> Outcome:
    """Bring silver up to what bronze holds. The as-of bounds what later stages see, never curate."""
    bars = curate_bars(context, definition, history=sessions.history)
    texts = curate_texts(context, definition)
    rows_out = bars["rows_out"] + texts["rows_out"]
    return Outcome(
        status="done" if rows_out else "unchanged",
        rows_in=bars["rows_in"] + texts["rows_in"],
        rows_out=rows_out,
        sessions_touched=bars["sessions_touched"],
        details={"bars": bars, "texts": texts, "alerts": bars.pop("alerts", [])},
    )


def curate_bars(context: Context, definition: str, *, history: bool) -> dict[str, Any]:
    """Bring `silver.bars` and `silver.actions` up to what is known of bars, actions and jumps.

    Raises
    ------
    SettingsError
        If splits contradict the declared price basis of a load, or of everything; then nothing is written.
    """
    scope, waiting = plan_scope(context, definition), waiting_jumps(context)
    if scope is None or not context.lake.exists(BRONZE_BARS):
        return NOTHING
    rules = bar_rules(context, scope)
    step = partial(steps.curate_block, rules=rules)
    read = count_records(context, scope)
    if scope.sessions is None and context.lake.local_rows < read <= MODEST_ROWS and context.lake.reads_here:
        told = curate_in_parts(context, step, rules, read)
        return told | {"alerts": [*told["alerts"], *tell_of_jumps(context, waiting)]}
    query = queries.records_of(BRONZE_BARS, BRONZE_ACTIONS, steps.RECORD_COLUMNS, scope.of_records())
    few = read <= context.lake.local_rows
    records: Frame = (context.lake.collect_query if few else context.lake.scan_query)(
        query, BRONZE_BARS, BRONZE_ACTIONS
    )
    blocks = context.lake.map_groups(bucketed(records), ["bucket"], step, steps.BLOCK)
    with persisted(blocks) as block:
        evidence = collect_evidence(block)
        verdicts = judge(evidence, rules, strict=history or scope.sessions is None)
        renamed = look_for_renames(context, scope, block)
        replace = partial(context.lake.replace, scope=scope.of_rows())
        writes = [
            partial(replace, table, reshape(block, queries.of_part(part, table.columns)))
            for part, table in ((steps.BARS_PART, SILVER_BARS), (steps.ACTIONS_PART, SILVER_ACTIONS))
        ]
        changes = run_concurrently(*writes) if scope.sessions is not None else [write() for write in writes]
        versions = reshape(block, queries.of_part(steps.BARS_PART, SILVER_BARS.columns))
        touched = collect_rows(reshape(versions, queries.SESSIONS_OF_ROWS))[0]["sessions"]
        found = find_gaps(context, versions, rules)
    told = describe(context, scope, read, changes, touched)
    refused = quarantine_contradicted(context)
    alerts = [*renamed, *refused, *tell_of_jumps(context, waiting)]
    return told | {"findings": found, "basis": verdicts, "alerts": alerts}


def curate_in_parts(context: Context, step: Step, rules: steps.BarRules, read: int) -> dict[str, Any]:
    """Compare everything with what silver holds, a part of the symbols at a time, in this process."""
    actions, found, evidence, sessions = [], [], [], set[date]()
    gaps = partial(
        steps.quality_findings,
        grid=rules.grid,
        stale_sessions=rules.params.stale_sessions,
    )
    verdicts: dict[str, Any] = {}

    def parts() -> Iterator[tuple[pl.DataFrame, str]]:
        for records, where in made_ahead(read_in_buckets(context, read)):
            block = conform(step(records), steps.BLOCK)
            actions.append(block.filter(part=steps.ACTIONS_PART).select(SILVER_ACTIONS.columns))
            evidence.append(collect_evidence(block))
            bars = block.filter(part=steps.BARS_PART).select(SILVER_BARS.columns)
            found.append(gaps(bars))
            sessions.update(bars["session"].unique())
            yield bars, where
        # What is raised here leaves nothing of the parts behind.
        verdicts.update(judge(pl.concat(evidence), rules, strict=True))

    changes = [context.lake.replace_parts(SILVER_BARS, parts())]
    changes.append(context.lake.replace(SILVER_ACTIONS, pl.concat(actions), scope="true"))
    told = describe(context, EVERYTHING, read, changes, len(sessions))
    refused = quarantine_contradicted(context)
    return told | {"findings": count_gaps(pl.concat(found)), "basis": verdicts, "alerts": refused}


def collect_evidence(block: Frame) -> pl.DataFrame:
    """Return what the prices around the actions show: a row an action, so few."""
    columns = ("source", "part", "symbol", "session", "value", "close", *EVIDENCE)
    rows = collect_rows(reshape(block, queries.of_parts((SPLITS, DIVIDENDS), columns)))
    return pl.DataFrame(rows, schema={name: steps.BLOCK[name] for name in columns})


def judge(evidence: pl.DataFrame, rules: steps.BarRules, *, strict: bool) -> dict[str, Any]:
    """Return what is told of the feeds' price bases.

    Raises
    ------
    SettingsError
        If `strict`, where splits contradict one.
    """
    verdicts = judge_bases(evidence, rules.price_basis)
    if strict:
        check_bases(verdicts)
    return describe_bases(verdicts)


def look_for_renames(context: Context, scope: BarScope, block: Frame) -> list[str]:
    """Return what a person is to be told of symbols that have come with bars of another one's past."""
    if not scope.symbols:
        return []
    of_names = queries.among("symbol", scope.symbols)
    known = context.lake.collect_query(queries.distinct_values(SILVER_BARS, "symbol", of_names), SILVER_BARS)
    fresh = scope.symbols - set(known["symbol"])
    if not fresh:
        return []
    columns = ("source", "symbol", *SAME)
    bars = collect_rows(reshape(block, queries.of_part(steps.BARS_PART, columns)))
    rows = pl.DataFrame(bars, schema={name: SILVER_BARS.schema[name] for name in columns})
    own = rows.filter(pl.col("symbol").is_in(sorted(fresh)))
    if own.is_empty():
        return []
    span = queries.session_span(own["session"].unique().sort())
    standing = context.lake.collect_query(queries.rows_of(SILVER_BARS, columns, span), SILVER_BARS)
    return find_renames(own, standing)


def quarantine_contradicted(context: Context) -> list[str]:
    """Put the splits that raw prices contradict into quarantine, and return what a person is to be told."""
    if not context.lake.exists(SILVER_ACTIONS):
        return []
    columns = ("source", "symbol", "session", "value", "known_at", "valid", "record_hash")
    query = queries.rows_of(SILVER_ACTIONS, columns, queries.equals("kind", "split"))
    rows = steps.contradicted_splits(context.lake.collect_query(query, SILVER_ACTIONS))
    if rows.is_empty():
        return []
    written = context.lake.insert_absent(OPS_QUARANTINE, rows, scope=queries.equals("batch_id", "curate"))
    # Told of when a line is new: a run that finds all of them there is silent.
    told = [
        f"{row['source']}: the raw prices of {row['symbol']} know nothing of its split on {row['session']}; "
        "it is not applied"
        for row in rows.iter_rows(named=True)
    ]
    return told if written else []


def read_in_buckets(context: Context, read: int) -> Iterator[tuple[pl.DataFrame, str]]:
    """Yield all records, those of a part of the symbols at a time, and the condition of that part."""
    # The digits of a hash share the symbols out evenly, so a part is so many sixteenths of the records.
    size = max(1, 16 * PART_ROWS // read)
    for first in range(0, 16, size):
        where = queries.in_bucket("symbol", "0123456789abcdef"[first : first + size])
        query = queries.records_of(BRONZE_BARS, BRONZE_ACTIONS, steps.RECORD_COLUMNS, where)
        yield context.lake.collect_query(query, BRONZE_BARS, BRONZE_ACTIONS), where


def bar_rules(context: Context, scope: BarScope) -> steps.BarRules:
    """Return what the bars of a scope are curated by."""
    grid = SessionGrid.spanning(context.calendar, date.min, date.max)
    primary, actions = context.params(FeedsParams).bars, actions_source(context)
    accepted: dict[tuple[str, str, int], list[datetime]] = {}
    rows = context.lake.collect_table(OPS_ACCEPTANCES).filter(kind=JUMP)
    for row in grid.placed(rows).iter_rows(named=True):
        accepted.setdefault((row["source"], row["symbol"], row["position"]), []).append(row["accepted_at"])
    return steps.BarRules(
        grid=grid,
        wanted=scope.wanted,
        params=context.params(CurateParams),
        price_basis=price_bases(context),
        actions_of={} if actions is None else {primary: actions},
        given=seams_of(standing_seams(context, scope), grid),
        asked=() if actions is None else read_coverage(context, actions, ACTIONS.name),
        accepted_jumps=accepted,
    )


def describe(
    context: Context, scope: BarScope, read: int, changes: Sequence[Changes], sessions: int
) -> dict[str, Any]:
    """Return what came of the bars: rows, and the jumps that nobody has explained yet."""
    rows_out = sum(change.total for change in changes)
    return {
        "rows_in": read,
        "rows_out": rows_out,
        "sessions_touched": sessions if rows_out else 0,
        "symbols_whole": len(scope.symbols),
        "actions": changes[1].total,
        "jumps": describe_jumps(context),
    }


def describe_jumps(context: Context) -> dict[str, Any]:
    """Return how many jumps stand unexplained, how many were taken for moves, and some of the first."""
    jumps = read_jumps(context)
    waiting = jumps.filter("valid")
    named = [f"{row['symbol']} {row['session']} ×{row['value']:.3g}" for row in waiting.to_dicts()]
    return {
        "unexplained": waiting.height,
        "explained": jumps.height - waiting.height,
        "examples": named[-MOST_EXAMPLES:],
    }


def waiting_jumps(context: Context) -> set[tuple[str, str, date]]:
    """Return source, symbol and session of the jumps that nobody has explained."""
    return set(read_jumps(context).filter("valid").select("source", "symbol", "session").rows())


def tell_of_jumps(context: Context, before: Collection[tuple[str, str, date]]) -> list[str]:
    """Return what a person is to be told of the jumps that were not waiting before."""
    fresh = sorted(waiting_jumps(context).difference(before), key=lambda jump: (jump[2], jump[1]))
    if not fresh:
        return []
    named = ", ".join(f"{symbol} {session} of {source}" for source, symbol, session in fresh[-MOST_TOLD:])
    more = f" and {len(fresh) - MOST_TOLD} before" if len(fresh) > MOST_TOLD else ""
    return [
        f"{named}{more} moved as at a split that nobody has told of: no return goes across until an action "
        "or a restatement explains it, later sessions show none, or `bellwether accept-jump` takes it for a "
        "move"
    ]


def curate_texts(context: Context, definition: str) -> dict[str, Any]:
    """Recompute the texts of the touched sessions."""
    changed = changed_sessions(context, "curate", [BRONZE_TEXTS], definition, column="session_date")
    if changed == [] or not context.lake.exists(BRONZE_TEXTS):
        return NOTHING
    lake, scope = context.lake, queries.dated_near(changed, 0)
    read = int(lake.collect_query(queries.count_rows(BRONZE_TEXTS, scope), BRONZE_TEXTS).item())
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


def count_records(context: Context, scope: BarScope) -> int:
    """Return how many records of bars a scope holds."""
    counted = queries.count_rows(BRONZE_BARS, scope.of_records())
    return int(context.lake.collect_query(counted, BRONZE_BARS).item())


def known_sessions(context: Context, bronze: TableContract, touched: list[date] | None) -> SessionGrid:
    """Return the calendar's sessions around the touched ones (around all of bronze for None)."""
    if touched:
        first, last = min(touched), max(touched)
    else:
        span = context.lake.collect_query(queries.extent(bronze, "session_date"), bronze)
        first, last = (day or context.calendar.first for day in span.row(0))
    margin = timedelta(days=margin_days(context.calendar))
    return SessionGrid.spanning(context.calendar, first - margin, last + margin, touched=touched)


def price_bases(context: Context) -> dict[str, str]:
    """Return what has been done to the prices of each feed of bars; the primary one must say it."""
    bars = [feed for feed in open_feeds(context) if feed.kind == "bars"]
    said = {
        feed.source.name: price_basis_of(context) if feed.primary else feed.provision.price_basis
        for feed in bars
    }
    return {name: basis for name, basis in said.items() if basis is not None}


def find_gaps(context: Context, versions: Frame, rules: steps.BarRules) -> dict[str, Any]:
    """Return counts and examples of gaps and stale prices among the touched bars.

    A few sessions are judged together with those before them, which a daily run has not touched.
    """
    stale, touched = rules.params.stale_sessions, rules.wanted.sessions
    grid = replace(rules.grid, touched=touched)
    step = partial(steps.quality_findings, grid=grid, stale_sessions=stale)
    bars: Frame = versions
    if touched:
        near = range_condition(context.calendar.look_back(touched[0], stale + 1), touched[-1])
        query = queries.rows_of(SILVER_BARS, SILVER_BARS.columns, near)
        bars = context.lake.collect_query_if_small(query, SILVER_BARS)
    with persisted(context.lake.map_groups(bucketed(bars), ["bucket"], step, FINDINGS)) as found:
        return count_gaps(found)


def count_gaps(found: Frame) -> dict[str, Any]:
    """Return how many there are of each finding, and some of them."""
    counts = collect_rows(reshape(found, queries.MISSING_BY_FINDING))
    examples = collect_rows(reshape(found, queries.first_findings(MOST_EXAMPLES)))
    return {
        "counts": {row["finding"]: row["missing"] for row in counts},
        "examples": [f"{row['finding']} {row['symbol']} {row['session']}" for row in examples],
    }
