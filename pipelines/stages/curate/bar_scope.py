"""Which bars a run of curate looks at: the sessions that are new, and the symbols whose past was touched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import polars as pl

from pipelines.base.context import Context
from pipelines.base.table import TableContract
from pipelines.io.sources.feeds import primary_feed
from pipelines.stages.curate.jumps import BACK
from pipelines.stages.curate.params import CurateParams
from pipelines.stages.curate.steps import Wanted
from pipelines.stages.curate.ticks import sessions_read
from pipelines.tables import queries
from pipelines.tables.contracts import (
    BRONZE_ACTIONS,
    BRONZE_BARS,
    OPS_ACCEPTANCES,
    OPS_COVERAGE,
    SILVER_ACTIONS,
    SILVER_BARS,
)
from pipelines.tables.open_jumps import read_jumps
from pipelines.tables.scope import MOST_TOUCHED, dates_condition

MOST_SYMBOLS = 1_000
"""With more symbols whose past was touched a full comparison is cheaper than a long condition."""
Changed = set[tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BarScope:
    """What is recomputed.

    Attributes
    ----------
    sessions : tuple of date or None
        Sessions of which the bars of all symbols are wanted: those that are new, and the one before, which
        they may retract. None for everything.
    symbols : frozenset of str
        Symbols that are recomputed whole: of their past something was said anew.
    first, last : date
        Extent of the records that are read of symbols that are not.
    """

    sessions: tuple[date, ...] | None
    symbols: frozenset[str] = frozenset()
    first: date = date.min
    last: date = date.max

    @property
    def wanted(self) -> Wanted:
        """The same as the steps are told it."""
        return Wanted(sessions=self.sessions, symbols=self.symbols)

    def of_records(self) -> str:
        """Return the condition of the bronze records that are read."""
        if self.sessions is None:
            return "true"
        near = queries.dated_between(self.first, self.last) if self.sessions else "false"
        return f"({near}) or {queries.among('symbol', self.symbols)}"

    def of_rows(self) -> str:
        """Return the condition of the silver rows that the run owns."""
        if self.sessions is None:
            return "true"
        return f"({dates_condition(self.sessions)}) or {queries.among('symbol', self.symbols)}"


EVERYTHING = BarScope(sessions=None)


def plan_scope(context: Context, definition: str) -> BarScope | None:
    """Return what a run has to look at, None for nothing.

    A session that is later than all that silver holds of its feed touches itself and what it may retract.
    Whatever else is said touches its symbol whole: it may show other units, or stand beside what does.
    """
    named = ("source", "symbol")
    bars = _changed(context, BRONZE_BARS, (*named, "session_date", "delivery"), definition)
    actions = _changed(context, BRONZE_ACTIONS, (*named, "session_date"), definition)
    accepted = _changed(context, OPS_ACCEPTANCES, (*named, "session"), definition)
    if bars is None or actions is None or accepted is None or not context.lake.exists(SILVER_BARS):
        return EVERYTHING
    last = dict(context.lake.collect_query(queries.last_sessions(SILVER_BARS), SILVER_BARS).rows())
    symbols = {str(symbol) for _, symbol, _ in actions} | {str(symbol) for _, symbol, _ in accepted if symbol}
    new, touched = _touched(context, bars, last)
    symbols |= touched
    asked = _changed(context, OPS_COVERAGE, ("kind",), definition)
    if new or symbols or asked is None or any(kind == "actions" for (kind,) in asked):
        symbols |= _waiting(context)
    if not new and not symbols:
        return None
    scope = _scope_of(context, new, symbols)
    whole = scope.symbols | _scarce(context, scope, {(source, str(symbol)) for source, symbol, *_ in bars})
    if len(new) > MOST_TOUCHED or len(whole) > MOST_SYMBOLS or not all(map(queries.is_plain, whole)):
        return EVERYTHING
    return replace(scope, symbols=whole)


def _touched(context: Context, bars: Changed, last: Mapping[str, date]) -> tuple[set[date], set[str]]:
    """Return the sessions that are new, and the symbols of which something else is said.

    A new bar that several deliveries bring may show other units between them.
    """
    new, symbols = set[date](), set[str]()
    brought = set[tuple[Any, ...]]()
    for source, symbol, session, _ in bars:
        if session is None or not context.calendar.is_session(session):
            continue
        bar = source, symbol, session
        if (source in last and session <= last[source]) or bar in brought:
            symbols.add(str(symbol))
        else:
            new.add(session)
        brought.add(bar)
    return new, symbols


def _scarce(context: Context, scope: BarScope, brought: set[tuple[str, str]]) -> set[str]:
    """Return the symbols with too few bars in the sessions that are read to tell what a new one shows.

    New symbols are among them, and those whose trading was halted: their last bar lies further back, and what
    was announced for a session between shows only now.
    """
    if not scope.sessions:
        return set()
    where = f"session >= {queries.date_literal(scope.first)}"
    counted = context.lake.collect_query(queries.bars_by_symbol(SILVER_BARS, where), SILVER_BARS)
    near = {(source, symbol): (bars, last) for source, symbol, bars, last in counted.rows()}
    since = context.calendar.look_back(scope.sessions[0], 1)
    few = {symbol for (_, symbol), (bars, last) in near.items() if bars <= BACK and last >= scope.sessions[0]}
    none = 0, since
    for source, symbol in brought:
        bars, last = near.get((source, symbol), none)
        if bars <= BACK or last < since:
            few.add(symbol)
    return few


def _changed(
    context: Context, contract: TableContract, columns: Sequence[str], definition: str
) -> Changed | None:
    """Return what changed in a table since the last run, None where all of it may have."""
    if not context.lake.exists(contract):
        return set()
    last = context.run_log.last("curate")
    since = last.version_of(contract.name, definition)
    if since is None and last.definition == definition:
        since = -1  # the table is younger than that run
    return context.lake.changed_rows(contract, columns, since=since)


def _waiting(context: Context) -> set[str]:
    """Return the symbols with a jump that stands unexplained: another day may explain it."""
    return set(read_jumps(context).filter("valid")["symbol"])


def _scope_of(context: Context, new: Iterable[date], symbols: Iterable[str]) -> BarScope:
    days = sorted(new)
    if not days:
        return BarScope(sessions=(), symbols=frozenset(symbols))
    calendar = context.calendar
    before, after = sessions_read(context.params(CurateParams))
    sessions = sorted({*days, *(calendar.look_back(day, after) for day in days)})
    return BarScope(
        sessions=tuple(sessions),
        symbols=frozenset(symbols),
        first=calendar.look_back(sessions[0], before),
        last=sessions[-1],
    )


def actions_source(context: Context) -> str | None:
    """Return the name of the source of actions; None where they come on the bars' rows alone."""
    feed = primary_feed(context, "actions")
    return None if feed is None else feed.source.name


def standing_seams(context: Context, scope: BarScope) -> pl.DataFrame:
    """Return the versions of the seams through which a scope's records are read, whole symbols aside."""
    if not scope.sessions or not context.lake.exists(SILVER_ACTIONS):
        return pl.DataFrame(schema=dict(SILVER_ACTIONS.schema))
    since = f"session >= {queries.date_literal(scope.first)} and delivery is not null"
    where = f"{queries.equals('kind', 'rebase')} and {since}"
    query = queries.rows_of(SILVER_ACTIONS, SILVER_ACTIONS.columns, where)
    rows = context.lake.collect_query(query, SILVER_ACTIONS)
    return rows.filter(~pl.col("symbol").is_in(sorted(scope.symbols)))
