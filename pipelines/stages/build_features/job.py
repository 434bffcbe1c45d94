"""Rebuild the vectors and labels of every session that depends on a change in silver."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

import polars as pl

from features.params import CalendarParams, LabelParams
from features.views import feature_views, primary_view
from pipelines.base.context import Context
from pipelines.base.digest import digest_of
from pipelines.base.frames import Changes, DistributedFrame, Frame
from pipelines.base.report import Outcome, SessionRange
from pipelines.base.run_log import DEFINITIONS
from pipelines.io.frames import conform, persisted
from pipelines.io.lake import run_concurrently
from pipelines.io.sources.params import FeedsParams
from pipelines.io.text_models import scorer_version
from pipelines.io.text_params import TextParams
from pipelines.stages.build_features import steps
from pipelines.stages.build_features.built_tables import BuiltTable, FeatureTable, LabelTable
from pipelines.stages.build_features.evaluations import sort_versions
from pipelines.stages.build_features.params import BuildFeaturesParams
from pipelines.tables import queries
from pipelines.tables.contracts import SILVER_BARS
from pipelines.tables.scope import MOST_TOUCHED, changed_sessions, span_condition
from pipelines.tables.session_grid import SessionGrid
from pipelines.tables.stage_definitions import define_stage
from pipelines.tables.view_sources import (
    columns_of,
    holds_bars,
    primary_bars,
    read_together,
    source_query,
    tables_of,
)

STAGE = "build_features"
NOTHING = {"rows_in": 0, "rows_out": 0, "sessions_touched": 0}
FEW_ROWS = 30_000
"""A whole source of so few rows is built in this process even where Spark holds the tables: workers would
cost more than they save."""
MODEST_ROWS = 8_000_000
"""So many rows of a source are held in this process, where its tables are: about a gigabyte."""
PART_ROWS = 500_000
"""Symbols times sessions, look-back included, that are evaluated at a time: about a gigabyte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A table, and the sessions of it that are built: ascending, None for all."""

    table: BuiltTable
    touched: list[date] | None


def define(context: Context, sessions: SessionRange) -> str:
    """Return a digest of what is built and how: of the definitions of all tables."""
    del sessions
    return digest_of(define_tables(context))


def run(context: Context, sessions: SessionRange, definition: str) -> Outcome:
    """Bring gold up to what silver holds. The as-of bounds what later stages see, never the build."""
    del sessions, definition
    definitions = define_tables(context)
    parts = {table.name: NOTHING for table in list_tables(context)}
    if holds_bars(context.lake, context.params(FeedsParams).bars):
        last = last_session(context)
        for builds in plan_builds(context, definitions, last):
            parts |= build_source(context, builds, last)
    rows_out = sum(part["rows_out"] for part in parts.values())
    return Outcome(
        status="done" if rows_out else "unchanged",
        rows_in=sum(part["rows_in"] for part in parts.values()),
        rows_out=rows_out,
        sessions_touched=max(part["sessions_touched"] for part in parts.values()) if rows_out else 0,
        details={**parts, DEFINITIONS: definitions},
    )


def list_tables(context: Context) -> list[BuiltTable]:
    """Return everything that is built, that of the primary view first."""
    outcomes = context.params(LabelParams)
    labels = LabelTable(
        view=primary_view(),
        horizons=tuple(sorted(set(outcomes.horizon_sessions))),
        lag=timedelta(minutes=outcomes.lag_minutes),
    )
    return [*(FeatureTable(view=view) for view in feature_views()), labels]


def define_tables(context: Context) -> dict[str, str]:
    """Return the definition digest of each table: under another one it alone is built anew.

    Beside its features it covers the stage's own code, the calendar, the primary feed of bars and what else
    the query of its source names: feed and scorer of texts are part of no other's.
    """
    return {
        table.name: define_stage(
            context,
            STAGE,
            table.digest(),
            context.params(CalendarParams),
            from_primary(context),
            query_source(context, [table]),
        )
        for table in list_tables(context)
    }


def plan_builds(context: Context, definitions: Mapping[str, str], last: date) -> list[list[Build]]:
    """Return what is to be built, the tables of one source together."""
    by_source: dict[str, list[Build]] = {}
    for table in list_tables(context):
        touched = find_touched(context, table, definitions[table.name], last)
        if touched is None or touched:
            by_source.setdefault(table.view.source, []).append(Build(table=table, touched=touched))
    return list(by_source.values())


def find_touched(context: Context, table: BuiltTable, definition: str, last: date) -> list[date] | None:
    """Return the sessions of a table that depend on what changed, None for all.

    A session that got its first bars is touched in every view: before it, nothing was built for it.

    Returns
    -------
    list of date or None
        Ascending; sessions that the change itself touched and those that look back to them.
    """
    tables = tables_of(table.view)
    if not all(context.lake.exists(one) for one in tables):
        return []
    changed = partial(changed_sessions, context, STAGE, definition=definition, part=table.name)
    depending = following(context, changed(tables), last, lookback=table.lookback)
    bars = changed([SILVER_BARS])
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


def last_session(context: Context) -> date:
    """Return the newest session that silver has bars of."""
    primary, before = from_primary(context), context.run_log.last_calendar(STAGE)
    # What is there since the last session of the run before holds the newest one, unless that was another
    # feed's or is gone: only then all sessions are looked through.
    newer = [] if before is None else [f"{primary} and {span_condition(before.last, None)}"]
    for where in (*newer, primary):
        newest = context.lake.collect_query(queries.extent(SILVER_BARS, "session", where), SILVER_BARS)
        last: date | None = newest["last"].item()
        if last is not None:
            return last
    msg = "no bars of the primary feed; ask `holds_bars` first"
    raise ValueError(msg)


def from_primary(context: Context) -> str:
    """Return the condition of the bars that are built from."""
    return primary_bars(context.params(FeedsParams).bars)


def query_source(context: Context, tables: Sequence[BuiltTable]) -> str:
    """Return the query for all that some tables read of their source."""
    feeds, scorer = context.params(FeedsParams), scorer_version(context.params(TextParams))
    view = read_together(table.view for table in tables)
    return source_query(view, bars=feeds.bars, texts=feeds.texts, scorer=scorer)


def build_source(context: Context, builds: Sequence[Build], last: date) -> dict[str, dict[str, int]]:
    """Build the tables of one source, whose rows are read once; return the counts of each."""
    read, rows = read_source(context, builds)
    if isinstance(rows, pl.DataFrame):
        changes = build_here(context, builds, rows, last)
    else:
        changes = build_distributed(context, builds, rows, last)
    counts = {
        build.table.name: {
            "rows_in": 0,
            "rows_out": change.total,
            "sessions_touched": count_sessions(context) if build.touched is None else len(build.touched),
        }
        for build, change in zip(builds, changes, strict=True)
    }
    # Rows that several tables are built from are read for the first of them.
    counts[builds[0].table.name]["rows_in"] = read
    return counts


def count_sessions(context: Context) -> int:
    """Return how many sessions have bars."""
    every = queries.counted(queries.distinct_values(SILVER_BARS, "session", from_primary(context)))
    return int(context.lake.collect_query(every, SILVER_BARS).item())


def read_source(context: Context, builds: Sequence[Build]) -> tuple[int, Frame]:
    """Return how many rows of a source some tables are built from, and these rows.

    Returns
    -------
    read : int
    rows : Frame
        All versions of the touched sessions and of the longest look-back before them: in this process where
        they are modest, else in the distributed engine.
    """
    lake, calendar, view = context.lake, context.calendar, read_together(build.table.view for build in builds)
    query, most = query_source(context, [build.table for build in builds]), min(FEW_ROWS, lake.local_rows)
    spans = [
        (calendar.look_back(build.touched[0], build.table.lookback - 1), build.touched[-1])
        for build in builds
        if build.touched is not None
    ]
    if len(spans) == len(builds):
        reached = [min(first for first, _ in spans), max(last for _, last in spans)]
        query = queries.restricted(query, queries.session_span(pl.Series(reached)))
        most = lake.local_rows
    tables = tables_of(view)
    read = int(lake.collect_query(queries.counted(query), *tables).item())
    if read <= (MODEST_ROWS if lake.reads_here else most):
        return read, conform(lake.collect_query(query, *tables), columns_of(view))
    return read, lake.scan_query(query, *tables)


def exchange_of(context: Context, build: Build, last: date) -> steps.Exchange:
    """Return the exchange's sessions as a build needs them."""
    calendar = context.calendar
    grid = SessionGrid.spanning(calendar, calendar.first, calendar.last, touched=build.touched)
    return steps.Exchange(grid=grid, last=last, calendar=calendar)


def build_here(context: Context, builds: Sequence[Build], rows: pl.DataFrame, last: date) -> list[Changes]:
    """Build tables in this process, a part of the sessions at a time, each in one commit of its own."""
    placed = exchange_of(context, builds[0], last).grid.placed(rows)
    keys = {build.table.view.version_key for build in builds}
    ordered = {key: sort_versions(placed, key) for key in keys}

    def write(build: Build) -> Changes:
        parts = make_parts(context, build, ordered[build.table.view.version_key], last)
        return context.lake.replace_parts(build.table.contract, parts, whole=build.touched is None)

    return write_each(builds, write)


def write_each(builds: Sequence[Build], write: Callable[[Build], Changes]) -> list[Changes]:
    """Write tables, side by side where each is built for some sessions alone."""
    writes = [partial(write, build) for build in builds]
    # A few sessions wait for commits and not for cores; whole tables would fight for memory.
    few = all(build.touched is not None for build in builds)
    return run_concurrently(*writes) if few else [write() for write in writes]


def make_parts(
    context: Context, build: Build, rows: pl.DataFrame, last: date
) -> Iterator[tuple[pl.DataFrame, str]]:
    """Yield a table's rows, those of a part of the sessions at a time, and the condition of that part."""
    table, calendar, exchange = build.table, context.calendar, exchange_of(context, build, last)
    newest, size = calendar.position(last), part_sessions(context, table, rows)
    if build.touched is None:
        first = rows.select(pl.col("position").min().fill_null(newest)).item()
        spans = steps.cut_sessions(range(min(first, newest), newest + 1), size)
    else:
        spans = steps.cut_sessions([calendar.position(session) for session in build.touched], size)
    days = exchange.grid.frame["session"]
    # Together the parts of a whole table own what lies before, between and after its sessions too.
    begins = [None, *(days[start] for start, _ in spans[1:]), None]
    for place, (start, end) in enumerate(spans):
        if build.touched is None:
            scope = table.span_condition(calendar, begins[place], begins[place + 1])
        else:
            own = [session for session in build.touched if days[start] <= session <= days[end]]
            scope = table.touched_condition(calendar, own)
        yield steps.build_sessions(rows, exchange.due(start, end), table, exchange), scope


def part_sessions(context: Context, table: BuiltTable, rows: pl.DataFrame) -> int:
    """Return how many sessions are evaluated at a time: as many as memory allows, look-back included.

    Each part repeats the look-back before it; no value depends on where it begins.
    """
    symbols = max(rows["symbol"].n_unique(), 1)
    return max(PART_ROWS // symbols - table.lookback, context.params(BuildFeaturesParams).block_sessions)


def build_distributed(
    context: Context, builds: Sequence[Build], rows: DistributedFrame, last: date
) -> list[Changes]:
    """Build tables in the distributed engine's workers, a block of sessions a task, each in one commit."""
    lake, size = context.lake, context.params(BuildFeaturesParams).block_sessions
    columns = columns_of(read_together(build.table.view for build in builds)) | {"block": pl.Int64}

    def write(build: Build) -> Changes:
        table, exchange, blocks, scope = build.table, exchange_of(context, build, last), None, "true"
        if build.touched is not None:
            blocks = {context.calendar.position(session) // size for session in build.touched}
            scope = table.touched_condition(context.calendar, build.touched)
        mark = partial(
            steps.mark_blocks, grid=exchange.grid, size=size, lookback=table.lookback, wanted=blocks
        )
        step = partial(steps.build_block, table=table, exchange=exchange, block_sessions=size)
        marked = lake.map_batches(kept, mark, columns)
        built = lake.map_groups(marked, ["block"], step, table.contract.schema)
        return lake.replace(table.contract, built, scope=scope)

    with persisted(rows) as kept:
        return write_each(builds, write)
