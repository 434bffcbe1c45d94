"""Rebuild features and labels of every session that depends on a change in silver."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from features.catalog import catalog_digest, max_lookback
from features.params import CalendarParams, LabelParams
from pipelines.base.context import Context
from pipelines.base.digest import digest_of
from pipelines.base.report import SessionRange, StageReport, standing
from pipelines.base.table import TableContract
from pipelines.io.frames import persisted, reshape
from pipelines.io.lake import run_concurrently
from pipelines.io.text_models import scorer_version
from pipelines.io.text_params import TextParams
from pipelines.stages.build_features import contract, steps
from pipelines.stages.build_features.evaluations import Days
from pipelines.stages.build_features.params import BuildFeaturesParams
from pipelines.tables.contracts import (
    GOLD_FEATURES_DAILY,
    GOLD_FEATURES_TEXT,
    GOLD_LABELS,
    SILVER_BARS,
    SILVER_TEXT,
    SILVER_TEXT_SCORES,
)
from pipelines.tables.scope import MOST_TOUCHED, dates_condition, positions

if TYPE_CHECKING:
    from pipelines.base.frames import Frame

SCORES = ("negative", "neutral", "positive")
NOTHING = {"rows_in": 0, "rows_out": 0, "sessions_touched": 0}


def run(context: Context, window: SessionRange) -> StageReport:
    """Bring gold up to what silver holds. The as-of bounds what later stages see, never the build."""
    del window
    lake = context.lake
    definition = digest_of(
        catalog_digest(),
        context.params(LabelParams),
        context.params(CalendarParams),
        scorer_version(context.params(TextParams)),
    )
    before, inputs = lake.versions(contract.WRITES), standing(lake.versions(contract.READS))
    parts = {"labels": NOTHING, "daily": NOTHING, "text": NOTHING}
    if lake.exists(SILVER_BARS):
        changed = changed_sessions(context, (SILVER_BARS,), definition)
        parts |= build_daily(context, changed)
        parts["text"] = build_text(context, changed, definition)
    rows_out = sum(part["rows_out"] for part in parts.values())
    return StageReport(
        stage="build_features",
        status="done" if rows_out else "nothing_to_do",
        rows_in=parts["daily"]["rows_in"],
        rows_out=rows_out,
        sessions_touched=max(part["sessions_touched"] for part in parts.values()) if rows_out else 0,
        inputs=inputs,
        versions_before=before,
        outputs=standing(lake.versions(contract.WRITES)),
        definition=definition,
        details=parts,
    )


def changed_sessions(context: Context, tables: Iterable[TableContract], definition: str) -> list[date] | None:
    """Return the sessions of which rows changed since the last run, None for all."""
    last = context.run_log.last("build_features")
    found: set[date] = set()
    for table in tables:
        if not context.lake.exists(table):
            continue
        changed = context.lake.changed(table, "session", since=last.version_of(table.name, definition))
        if changed is None:
            return None
        found |= changed
    return sorted(found)


def following(
    context: Context, changed: list[date] | None, last: date, *, lookback: int
) -> list[date] | None:
    """Return the sessions up to `last` whose look-back holds a changed one, None for all."""
    if changed is None:
        return None
    frame = positions(context.calendar, changed[0] - timedelta(days=7), last) if changed else None
    if frame is None:
        return []
    place = dict(frame.select("session", "position").rows())
    touched = {place[day] + step for day in changed if day in place for step in range(lookback)}
    wanted = frame.filter(pl.col("position").is_in(sorted(touched)))["session"].to_list()
    return wanted if len(wanted) <= MOST_TOUCHED else None


def last_session(context: Context) -> date:
    """Return the newest session that silver has bars of."""
    newest: date = context.lake.collect_query(
        "select max(session) as last from silver_bars", SILVER_BARS
    ).item()
    return newest


def build_daily(context: Context, changed: list[date] | None) -> dict[str, dict[str, Any]]:
    """Rebuild `gold.features_daily` and `gold.labels` of the sessions that depend on the changes."""
    touched = following(context, changed, last_session(context), lookback=max_lookback())
    if touched == []:
        return {"daily": NOTHING, "labels": NOTHING}
    labelled = context.params(LabelParams)
    step = partial(
        steps.build_block,
        days=all_days(context),
        touched=touched,
        block_sessions=context.params(BuildFeaturesParams).block_sessions,
        calendar=context.calendar,
        horizons=tuple(sorted(labelled.horizon_sessions)),
        label_lag=timedelta(minutes=labelled.lag_minutes),
    )
    bars = f"select {', '.join(steps.BAR_INPUTS)} from silver_bars"
    rows = in_blocks(context, bars, (SILVER_BARS,), touched, lookback=max_lookback())
    with persisted(context.lake.map_groups(rows, ["block"], step, steps.BLOCK_OUTPUT)) as built:
        kinds = [reshape(built, f"select * from {{rows}} where kind = '{kind}'") for kind in steps.KINDS]
        scopes = dates_condition(touched), labels_condition(context, touched)
        writes = [
            partial(context.lake.replace, contract, frame, scope=scope)
            for contract, frame, scope in zip((GOLD_FEATURES_DAILY, GOLD_LABELS), kinds, scopes, strict=True)
        ]
        features, labels = run_concurrently(*writes) if touched is not None else [write() for write in writes]
    counted = "select count(distinct session) as days from silver_bars"
    size = context.lake.collect_query(counted, SILVER_BARS).item() if touched is None else len(touched)
    daily = {"rows_in": features.total, "rows_out": features.total, "sessions_touched": size}
    return {
        "daily": daily,
        "labels": {"rows_in": labels.total, "rows_out": labels.total, "sessions_touched": 0},
    }


def labels_condition(context: Context, touched: list[date] | None) -> str:
    """Return the condition of the labels that END in a touched session."""
    if touched is None:
        return "true"
    parts = []
    for horizon in context.params(LabelParams).horizon_sessions:
        signals = [context.calendar.shift(day, -1 - horizon) for day in touched]
        parts.append(f"(horizon = {horizon} and {dates_condition(signals)})")
    return " or ".join(parts)


def build_text(context: Context, changed_bars: list[date] | None, definition: str) -> dict[str, Any]:
    """Rebuild `gold.features_text` of the sessions that depend on new texts, scores or sessions."""
    lake = context.lake
    if not lake.exists(SILVER_TEXT_SCORES):
        return NOTHING
    changed = changed_sessions(context, (SILVER_TEXT, SILVER_TEXT_SCORES), definition)
    last = last_session(context)
    heard = following(context, changed, last, lookback=steps.TEXT_LOOKBACK)
    touched = None if heard is None or changed_bars is None else sorted({*heard, *changed_bars})
    if touched == []:
        return NOTHING
    step = partial(
        steps.build_text_block,
        days=all_days(context),
        touched=touched,
        last=last,
        block_sessions=context.params(BuildFeaturesParams).block_sessions,
    )
    tables = (SILVER_TEXT, SILVER_TEXT_SCORES)
    rows = in_blocks(context, scored_texts(context), tables, touched, lookback=steps.TEXT_LOOKBACK)
    built = lake.map_groups(rows, ["block"], step, GOLD_FEATURES_TEXT.schema)
    changes = lake.replace(GOLD_FEATURES_TEXT, built, scope=dates_condition(touched))
    return {"rows_in": changes.total, "rows_out": changes.total, "sessions_touched": len(touched or [])}


def scored_texts(context: Context) -> str:
    """Return the query for texts with their probabilities by the scorer in use, unscored ones left out."""
    version = scorer_version(context.params(TextParams))
    columns = ", ".join(f"s.{name}" if name in SCORES else f"t.{name}" for name in steps.TEXT_INPUTS)
    return (
        f"select {columns} from silver_text as t join silver_text_scores as s on t.text_id = s.text_id "
        f"where s.model_version = '{version}'"
    )


def all_days(context: Context) -> Days:
    """Return every session of the calendar that has a decision instant."""
    first, last = date(1990, 1, 1), context.calendar.last_on_or_before(date.max)
    full = context.calendar.frame(first, context.calendar.shift(last, -1))
    start = context.calendar.position(full["session"][0])
    return Days(
        frame=full.with_columns(pl.int_range(start, start + pl.len(), dtype=pl.Int64).alias("position"))
    )


def in_blocks(
    context: Context,
    query: str,
    tables: Sequence[TableContract],
    touched: list[date] | None,
    *,
    lookback: int,
) -> Frame:
    """Return the rows of a query once for every block that needs them, marked in ``block``.

    A block is `block_sessions` consecutive sessions of the calendar; it needs its own rows and
    those of `lookback` - 1 sessions before.
    """
    lake, size = context.lake, context.params(BuildFeaturesParams).block_sessions
    days, wanted = all_days(context).frame.select("session", "position"), None
    if touched is None:
        rows: Frame = lake.scan_query(query, *tables)
    else:
        first = context.calendar.position(min(touched)) - lookback + 1
        days = days.filter(pl.col("position").is_between(first, context.calendar.position(max(touched))))
        wanted = {context.calendar.position(day) // size for day in touched}
        span = days["session"].to_list()
        near = f"session between date'{span[0]}' and date'{span[-1]}'"
        rows = lake.collect_query_if_small(f"select * from ({query}) as asked where {near}", *tables)
    step = partial(steps.mark_blocks, days=Days(frame=days), size=size, lookback=lookback, wanted=wanted)
    columns = {name: dtype for table in tables for name, dtype in table.schema.items()}
    return lake.map_batches(rows, step, {name: columns[name] for name in rows.columns} | {"block": pl.Int64})
