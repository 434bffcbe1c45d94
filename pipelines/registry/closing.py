"""Whether the cut that a training is about to close has all that will ever be known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from pipelines.base.context import Context
from pipelines.base.errors import TransientError
from pipelines.base.table import TableContract
from pipelines.io.sources.params import FeedsParams
from pipelines.registry.universe import completeness_at_cut
from pipelines.tables import queries
from pipelines.tables.completeness import CompletenessParams
from pipelines.tables.contracts import (
    BRONZE_ACTIONS,
    BRONZE_BARS,
    BRONZE_TEXTS,
    OPS_ACCEPTANCES,
    OPS_POLLS,
    SILVER_ACTIONS,
    SILVER_BARS,
    SILVER_TEXT,
    SILVER_TEXT_SCORES,
)
from pipelines.tables.view_sources import primary_bars

CONSUMED: Mapping[str, Sequence[tuple[TableContract, str]]] = {
    "curate": (
        (BRONZE_BARS, "session_date"),
        (BRONZE_ACTIONS, "session_date"),
        (BRONZE_TEXTS, "session_date"),
        # Of a jump; what a person took of a whole session names no symbol and changes no bar.
        (OPS_ACCEPTANCES, "symbol"),
    ),
    "score_text": ((SILVER_TEXT, "session"),),
    "build_features": (
        (SILVER_BARS, "session"),
        (SILVER_ACTIONS, "session"),
        (SILVER_TEXT, "session"),
        (SILVER_TEXT_SCORES, "session"),
    ),
}
"""What the stages before a training read, and of each table a column that has a value where it matters."""


def check_closing(context: Context, as_of: date) -> None:
    """Refuse to close a cut that would miss what was known at it; the caller holds the writer's lock.

    What lands, or is built, after the closing is no part of the view that the training reads. It would be of
    the same view read later, and the model could not be made again from it.

    Raises
    ------
    TransientError
        If records have landed that no later stage has read yet, if nothing was ever asked for of the session,
        or if it is not complete and still waited for: its issue would be lost.
    """
    behind = find_behind(context)
    if behind:
        named = " and ".join(
            f"{stage} has not read all of {', '.join(names)}" for stage, names in behind.items()
        )
        msg = f"{named}: run {', '.join(behind)} first, or the cut of {as_of} would be closed without it"
        raise TransientError(msg)
    last = last_asked(context)
    if last is not None and last < as_of:
        msg = (
            f"nothing was ever asked for of a session after {last}, and a training closes the cut of its "
            f"as-of: run ingest for {as_of}, or train --as-of {last}"
        )
        raise TransientError(msg)
    if context.lake.exists(SILVER_BARS):
        _check_complete(context, as_of)


def find_behind(context: Context) -> dict[str, list[str]]:
    """Return the stages that have not read all that stands, and of which tables.

    A stage that was never run here is left out: nothing stands on it.
    """
    behind: dict[str, list[str]] = {}
    for stage, tables in CONSUMED.items():
        last = context.run_log.last(stage)
        if not last.inputs:
            continue
        unread = [table.name for table, column in tables if _is_unread(context, table, column, last.inputs)]
        if unread:
            behind[stage] = unread
    return behind


def _is_unread(context: Context, table: TableContract, column: str, inputs: dict[str, int]) -> bool:
    """Tell whether rows have changed since a version; compaction gives a table a version without any."""
    if not context.lake.exists(table):
        return False
    changed = context.lake.changed(table, column, since=inputs.get(table.name))
    return changed is None or any(changed)


def last_asked(context: Context) -> date | None:
    """Return the latest session that the primary feed was asked for or has bars of.

    None where nobody kept what was asked for, as in homes of before the polls.
    """
    source = context.params(FeedsParams).bars
    asked = _newest(context, OPS_POLLS, f"{queries.equals('source', source)} and kind = 'bars'")
    newest = _newest(context, SILVER_BARS, primary_bars(source))
    return asked if asked is None or newest is None else max(asked, newest)


def _newest(context: Context, table: TableContract, where: str) -> date | None:
    last: date | None = context.lake.collect_query(queries.extent(table, "session", where), table)[
        "last"
    ].item()
    return last


def _check_complete(context: Context, as_of: date) -> None:
    until = context.calendar.cutoff_at(as_of) + context.params(CompletenessParams).grace
    found = completeness_at_cut(context, as_of)
    if context.clock() < until and not found.is_complete:
        msg = (
            f"session {found.explain()}, and it is waited for until {until.isoformat()}; a training would "
            "close its cut: train then, or --as-of an earlier session"
        )
        raise TransientError(msg)
