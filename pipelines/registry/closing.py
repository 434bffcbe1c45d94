"""Whether the cut that a training is about to close has all that will ever be known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

import polars as pl

from pipelines.base.context import Context
from pipelines.base.errors import TransientError
from pipelines.base.table import TableContract
from pipelines.io.feed_log import read_acceptances
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
from pipelines.tables.record_kinds import BARS
from pipelines.tables.view_sources import primary_bars

CONSUMED: Mapping[str, Sequence[tuple[TableContract, str]]] = {
    "curate": (
        (BRONZE_BARS, "known_at"),
        (BRONZE_ACTIONS, "known_at"),
        (BRONZE_TEXTS, "known_at"),
        (OPS_ACCEPTANCES, "accepted_at"),
    ),
    "score_text": ((SILVER_TEXT, "known_at"),),
    "build_features": (
        (SILVER_BARS, "known_at"),
        (SILVER_ACTIONS, "known_at"),
        (SILVER_TEXT, "known_at"),
        # A score is known with its text, which is not before its session.
        (SILVER_TEXT_SCORES, "session"),
    ),
}
"""What the stages before a training read, and the column that says since when a row of it counts."""


def check_closing(context: Context, as_of: date) -> None:
    """Refuse to close a cut that would miss what was known at it; the caller holds the writer's lock.

    What lands, or is built, after the closing is no part of the view that the training reads. It would be of
    the same view read later, and the model could not be made again from it.

    Raises
    ------
    TransientError
        If something has landed that was known at the cut and that a later stage has not read yet, if no
        ingest has asked for the session since its cut, or if it is not complete and still waited for: its
        issue would be lost.
    """
    behind = find_behind(context, as_of)
    if behind:
        named = " and ".join(
            f"{stage} has not read all of {', '.join(names)}" for stage, names in behind.items()
        )
        msg = f"{named}: run {', '.join(behind)} first, or the cut of {as_of} would be closed without it"
        raise TransientError(msg)
    if not was_asked_for(context, as_of):
        msg = (
            f"no ingest has asked for session {as_of} since its cut, which a training would close: "
            "run ingest for it, or train --as-of an earlier session"
        )
        raise TransientError(msg)
    if context.lake.exists(SILVER_BARS):
        _check_complete(context, as_of)


def find_behind(context: Context, as_of: date) -> dict[str, list[str]]:
    """Return the stages that have not read all that was known at a cut, and of which tables.

    A stage that was never run here is left out: nothing stands on it.
    """
    behind: dict[str, list[str]] = {}
    for stage, tables in CONSUMED.items():
        last = context.run_log.last(stage)
        if not last.inputs:
            continue
        unread = [
            table.name for table, column in tables if _is_unread(context, table, column, last.inputs, as_of)
        ]
        if unread:
            behind[stage] = unread
    return behind


def _is_unread(
    context: Context, table: TableContract, column: str, inputs: Mapping[str, int], as_of: date
) -> bool:
    """Tell whether rows that count at a cut have changed since a version.

    Compaction gives a table a version without any. One that was not there when the stage ran is new as a
    whole.
    """
    if not context.lake.exists(table):
        return False
    changed = context.lake.changed(table, column, since=inputs.get(table.name, -1))
    cut = context.calendar.cutoff_at(as_of)
    return changed is None or any(
        value is None or (value.astimezone(UTC) <= cut if isinstance(value, datetime) else value <= as_of)
        for value in changed
    )


def was_asked_for(context: Context, as_of: date) -> bool:
    """Tell whether a finished ingest of the primary feed has found all of a session, or come after its cut.

    So has one of a later session, and a history load, which leaves bars. Where nobody ever kept what was
    asked for, as in homes of before the polls, nothing can be told.
    """
    source = context.params(FeedsParams).bars
    polls = context.lake.collect_table(OPS_POLLS).filter(source=source, kind=BARS.name)
    polls = polls.filter(pl.col("run_seq").is_in(sorted(context.run_log.numbers("ingest"))))
    later = polls.filter(pl.col("session") >= as_of)
    if any(
        row["complete"] or row["polled_at"] >= context.calendar.cutoff_at(row["session"])
        for row in later.iter_rows(named=True)
    ):
        return True
    if as_of in read_acceptances(context, source):
        return True
    if later.height or polls.is_empty():
        return polls.is_empty()
    newest = queries.extent(SILVER_BARS, "session", primary_bars(source))
    last: date | None = context.lake.collect_query(newest, SILVER_BARS)["last"].item()
    return last is not None and last >= as_of


def _check_complete(context: Context, as_of: date) -> None:
    until = context.calendar.cutoff_at(as_of) + context.params(CompletenessParams).grace
    found = completeness_at_cut(context, as_of)
    if context.clock() < until and not found.is_complete:
        msg = (
            f"session {found.explain()}, and it is waited for until {until.isoformat()}; a training would "
            "close its cut: train then, or --as-of an earlier session"
        )
        raise TransientError(msg)
