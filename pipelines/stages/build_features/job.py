"""Rebuild the vectors and labels of every session that depends on a change in silver."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial

import polars as pl

from features.code_digest import definitions_digest
from features.params import CalendarParams, LabelParams
from features.views import FeatureView, feature_views, primary_view
from pipelines.base.context import Context
from pipelines.base.frames import Frame
from pipelines.base.report import Outcome, SessionRange
from pipelines.io.frames import persisted, reshape
from pipelines.io.lake import run_concurrently
from pipelines.io.sources.params import FeedsParams
from pipelines.io.text_models import scorer_version
from pipelines.io.text_params import TextParams
from pipelines.stages.build_features import steps
from pipelines.stages.build_features.params import BuildFeaturesParams
from pipelines.tables import queries
from pipelines.tables.contracts import GOLD_LABELS, SILVER_BARS, feature_table
from pipelines.tables.scope import MOST_TOUCHED, changed_sessions, dates_condition
from pipelines.tables.session_grid import SessionGrid
from pipelines.tables.stage_definitions import define_stage
from pipelines.tables.view_sources import columns_of, primary_bars, source_query, tables_of

NOTHING = {"rows_in": 0, "rows_out": 0, "sessions_touched": 0}
LABELS = "labels"
FEW_ROWS = 30_000
"""A whole source of so few rows is built in this process: workers would cost more than they save."""
Counts = dict[str, int]


def define(context: Context, sessions: SessionRange) -> str:
    """Return a digest of what is built and how: features, labels, calendar, scorer and primary feeds."""
    del sessions
    return define_stage(
        context,
        "build_features",
        definitions_digest(),
        context.params(LabelParams),
        context.params(CalendarParams),
        scorer_version(context.params(TextParams)),
        context.params(FeedsParams).bars,
        context.params(FeedsParams).texts,
    )


def run(context: Context, sessions: SessionRange, definition: str) -> Outcome:
    """Bring gold up to what silver holds. The as-of bounds what later stages see, never the build."""
    del sessions
    parts: dict[str, Counts] = {LABELS: NOTHING} | {view.name: NOTHING for view in feature_views()}
    if has_bars(context):
        bars = changed_sessions(context, "build_features", [SILVER_BARS], definition)
        for view in feature_views():
            parts |= build_view(context, view, find_touched(context, view, bars, definition))
    rows_out = sum(part["rows_out"] for part in parts.values())
    return Outcome(
        status="done" if rows_out else "unchanged",
        rows_in=sum(part["rows_in"] for part in parts.values()),
        rows_out=rows_out,
        sessions_touched=max(part["sessions_touched"] for part in parts.values()) if rows_out else 0,
        details=parts,
    )


def find_touched(
    context: Context, view: FeatureView, bars: list[date] | None, definition: str
) -> list[date] | None:
    """Return the sessions of a view that depend on what changed, None for all.

    A session that got its first bars is touched in every view: before it, nothing was built for it.

    Parameters
    ----------
    bars : list of date or None
        Sessions whose bars changed.

    Returns
    -------
    list of date or None
        Ascending; sessions that the change itself touched and those that look back to them.
    """
    tables = tables_of(view)
    if not all(context.lake.exists(table) for table in tables):
        return []
    changed = changed_sessions(context, "build_features", tables, definition)
    depending = following(context, changed, last_session(context), lookback=view.lookback_sessions)
    return None if depending is None or bars is None else sorted({*depending, *bars})


def following(
    context: Context, changed: list[date] | None, last: date, *, lookback: int
) -> list[date] | None:
    """Return the sessions up to `last` whose look-back holds a changed one, ascending; None for all.

    Parameters
    ----------
    changed : list of date or None
        Ascending; days that are no session touch nothing. None for all.
    lookback : int
        Sessions that a value reads, its own included.
    """
    if changed is None:
        return None
    if not changed:
        return []
    grid = SessionGrid.spanning(context.calendar, changed[0] - timedelta(days=7), last).frame
    place = dict(grid.select("session", "position").rows())
    touched = {place[day] + step for day in changed if day in place for step in range(lookback)}
    wanted = grid.filter(pl.col("position").is_in(sorted(touched)))["session"].to_list()
    return wanted if len(wanted) <= MOST_TOUCHED else None


def has_bars(context: Context) -> bool:
    """Tell whether silver holds any bar of the primary feed."""
    some = queries.limited(queries.rows_of(SILVER_BARS, ["symbol"], from_primary(context)), 1)
    return context.lake.exists(SILVER_BARS) and context.lake.collect_query(some, SILVER_BARS).height > 0


def last_session(context: Context) -> date:
    """Return the newest session that silver has bars of."""
    newest = queries.extent(SILVER_BARS, "session", from_primary(context))
    last: date = context.lake.collect_query(newest, SILVER_BARS)["last"].item()
    return last


def from_primary(context: Context) -> str:
    """Return the condition of the bars that are built from."""
    return primary_bars(context.params(FeedsParams).bars)


def build_view(context: Context, view: FeatureView, touched: list[date] | None) -> dict[str, Counts]:
    """Rebuild a view's touched sessions, and labels with the primary one; return the counts of each."""
    if touched == []:
        return {}
    lake = context.lake
    labels = None
    if view is primary_view():
        outcomes = context.params(LabelParams)
        labels = steps.LabelPlan(
            horizons=tuple(sorted(outcomes.horizon_sessions)), lag=timedelta(minutes=outcomes.lag_minutes)
        )
    step = partial(
        steps.build_block,
        view=view,
        grid=all_sessions(context, touched),
        last=last_session(context),
        block_sessions=context.params(BuildFeaturesParams).block_sessions,
        calendar=context.calendar,
        labels=labels,
    )
    read, rows = in_blocks(context, view, touched)
    with persisted(lake.map_groups(rows, ["block"], step, steps.block_schema(view, labels))) as built:
        targets = [(steps.FEATURES, feature_table(view), dates_condition(touched))]
        if labels:
            targets.append((steps.LABELS, GOLD_LABELS, labels_condition(context, touched)))
        writes = [
            partial(lake.replace, table, reshape(built, queries.of_kind(kind)), scope=scope)
            for kind, table, scope in targets
        ]
        # A few sessions wait for planning and not for cores; whole tables would fight for memory.
        changes = run_concurrently(*writes) if touched is not None else [write() for write in writes]
    if touched is None:
        every = queries.counted(queries.distinct_values(SILVER_BARS, "session", from_primary(context)))
        size = int(lake.collect_query(every, SILVER_BARS).item())
    else:
        size = len(touched)
    counts = {view.name: {"rows_in": read, "rows_out": changes[0].total, "sessions_touched": size}}
    if labels:
        counts[LABELS] = {"rows_in": 0, "rows_out": changes[1].total, "sessions_touched": 0}
    return counts


def labels_condition(context: Context, touched: list[date] | None) -> str:
    """Return the condition of the labels that END in a touched session."""
    if touched is None:
        return "true"
    # The label of session t runs from the close of t + 1 to that of t + 1 + h: it ends in a touched session
    # where t lies 1 + h before it. Rows of other horizons of that session are left as they are.
    parts = []
    for horizon in context.params(LabelParams).horizon_sessions:
        calendar, back = context.calendar, 1 + horizon
        signals = [calendar.shift(day, -back) for day in touched if calendar.position(day) >= back]
        parts.append(queries.of_horizon(horizon, dates_condition(signals)))
    return " or ".join(parts)


def all_sessions(context: Context, touched: Sequence[date] | None = None) -> SessionGrid:
    """Return every session of the calendar."""
    calendar = context.calendar
    return SessionGrid.spanning(calendar, calendar.first, calendar.last, touched=touched)


def in_blocks(context: Context, view: FeatureView, touched: list[date] | None) -> tuple[int, Frame]:
    """Return how many source rows are read, and each of them once for every block that needs it.

    Parameters
    ----------
    touched : list of date or None
        Sessions to rebuild, None for all; their blocks alone are returned.

    Returns
    -------
    read : int
        Rows of the source, each counted once.
    rows : Frame
        The view's `source_columns` and ``block`` (Int64), in this process for few touched sessions.

    Notes
    -----
    A block is `block_sessions` consecutive sessions of the calendar, named in ``block``; it needs its own
    rows and those of the look-back before. Values do not depend on how sessions are cut into blocks: each is
    a function of its own look-back alone.
    """
    lake, size = context.lake, context.params(BuildFeaturesParams).block_sessions
    feeds, scorer = context.params(FeedsParams), scorer_version(context.params(TextParams))
    query = source_query(view, bars=feeds.bars, texts=feeds.texts, scorer=scorer)
    tables, grid, wanted = tables_of(view), all_sessions(context), None
    if touched is None:
        counted = lake.collect_query(queries.counted(query), *tables).item()
        few = counted <= min(FEW_ROWS, context.lake.local_rows)
        rows: Frame = (lake.collect_query if few else lake.scan_query)(query, *tables)
    else:
        # Positions count from the calendar's start, so a block has the same bounds in every run.
        position, lookback = context.calendar.position, view.lookback_sessions
        first, last = position(min(touched)) - lookback + 1, position(max(touched))
        grid = SessionGrid(frame=grid.between(first, last))
        wanted = {position(day) // size for day in touched}
        query = queries.restricted(query, queries.session_span(grid.frame["session"]))
        rows = lake.collect_query_if_small(query, *tables)
    # Rows are counted before they are marked: `mark_blocks` repeats those that several blocks need.
    read = (
        rows.height
        if isinstance(rows, pl.DataFrame)
        else lake.collect_query(queries.counted(query), *tables).item()
    )
    mark = partial(steps.mark_blocks, grid=grid, size=size, lookback=view.lookback_sessions, wanted=wanted)
    return read, lake.map_batches(rows, mark, columns_of(view) | {"block": pl.Int64})
