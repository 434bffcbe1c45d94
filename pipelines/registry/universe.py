"""Whether what was known of a session at its cut is the whole universe, or a part of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from pipelines.base.context import Context
from pipelines.io.feed_log import read_acceptances
from pipelines.io.sources.params import FeedsParams
from pipelines.tables import queries
from pipelines.tables.completeness import RECENT_SESSIONS, CompletenessParams, needed_symbols
from pipelines.tables.contracts import OPS_POLLS, SILVER_BARS
from pipelines.tables.scope import FEW_SESSIONS, dates_condition
from pipelines.tables.view_sources import primary_bars


@dataclass(frozen=True, slots=True, kw_only=True)
class AtCut:
    """What the primary feed of bars had delivered of a session by its cut.

    Attributes
    ----------
    known : int
        Symbols with a valid bar known at the cut.
    needed : int
        Symbols without which the session is not complete.
    accepted : bool
        A person has accepted the session as it is.
    """

    session: date
    known: int
    needed: int
    accepted: bool

    @property
    def is_complete(self) -> bool:
        """Whether the universe can be ranked; of a session without any bar nobody can accept a part."""
        return self.known > 0 and (self.accepted or self.known >= self.needed)

    def explain(self) -> str:
        """Return the numbers in words."""
        return f"{self.session}: {self.known} symbols known at the cut, {self.needed} needed"


def completeness_at_cut(context: Context, session: date) -> AtCut:
    """Return whether a session's bars were complete at its cut; see `completeness_at_cuts`."""
    return completeness_at_cuts(context, [session])[session]


def completeness_at_cuts(context: Context, sessions: Sequence[date]) -> dict[date, AtCut]:
    """Return for each session whether its bars were complete at its own cut.

    The rule is that of ingest, asked of the records known at the cut: usual symbols are those of four of the
    last five sessions that a poll found complete or a person accepted. Where nothing was ever polled
    (homes of before the polls) `min_symbols` holds alone.

    Parameters
    ----------
    sessions : sequence of date
        Ascending. Bars are read for a month of them at a time, which bounds the memory.
    """
    whole, accepted = _settled_sessions(context)
    settled = sorted(whole | accepted)
    found: dict[date, AtCut] = {}
    for part in _in_months(sessions):
        recent = {day: [one for one in settled if one < day][-RECENT_SESSIONS:] for day in part}
        bars = _read_bars(context, sorted({*part, *(one for days in recent.values() for one in days)}))
        for day in part:
            known = _symbols_known(context, bars, day, [*recent[day], day])
            found[day] = AtCut(
                session=day,
                known=len(known[day]),
                needed=needed_symbols([known[one] for one in recent[day]], _params(context)),
                accepted=day in accepted,
            )
    return found


def _params(context: Context) -> CompletenessParams:
    return context.params(CompletenessParams)


def _in_months(sessions: Sequence[date]) -> Iterator[Sequence[date]]:
    for start in range(0, len(sessions), FEW_SESSIONS):
        yield sessions[start : start + FEW_SESSIONS]


def _settled_sessions(context: Context) -> tuple[set[date], set[date]]:
    """Return the sessions whose last poll was complete, and those that a person accepted."""
    source = context.params(FeedsParams).bars
    of_bars = f"{queries.equals('source', source)} and kind = 'bars'"
    columns = ["session", "complete", "run_seq"]
    polls = context.lake.collect_query(queries.rows_of(OPS_POLLS, columns, of_bars), OPS_POLLS)
    last = polls.sort("run_seq").unique("session", keep="last", maintain_order=True)
    return set(last.filter("complete")["session"]), set(read_acceptances(context, source))


def _read_bars(context: Context, sessions: list[date]) -> pl.DataFrame:
    """Return which versions of the sessions' bars there are, and when each was known."""
    primary = f"{primary_bars(context.params(FeedsParams).bars)} and {dates_condition(sessions)}"
    columns = ["symbol", "session", "known_at", "valid"]
    return context.lake.collect_query(queries.rows_of(SILVER_BARS, columns, primary), SILVER_BARS)


def _symbols_known(
    context: Context, bars: pl.DataFrame, asked: date, sessions: Sequence[date]
) -> Mapping[date, set[str]]:
    """Return the symbols of each session that had a valid bar at the cut of the session asked about."""
    known = bars.filter(
        pl.col("session").is_in(sessions) & (pl.col("known_at") <= context.calendar.cutoff_at(asked))
    )
    newest = known.sort("known_at").unique(["symbol", "session"], keep="last", maintain_order=True)
    rows = newest.filter("valid").select("session", "symbol").rows()
    symbols: dict[date, set[str]] = {day: set() for day in sessions}
    for day, symbol in rows:
        symbols[day].add(symbol)
    return symbols
