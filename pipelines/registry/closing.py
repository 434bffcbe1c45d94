"""Whether anything that was known at a cut would be missing from it if a training closed it now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

from pipelines.base.context import Context
from pipelines.base.errors import TransientError
from pipelines.base.table import TableContract
from pipelines.registry.universe import completeness_at_cut
from pipelines.tables.completeness import waited_until
from pipelines.tables.contracts import (
    BRONZE_ACTIONS,
    BRONZE_BARS,
    BRONZE_TEXTS,
    OPS_ACCEPTANCES,
    OPS_COVERAGE,
    SILVER_ACTIONS,
    SILVER_BARS,
    SILVER_TEXT,
    SILVER_TEXT_SCORES,
)

CONSUMED: Mapping[str, Sequence[tuple[TableContract, str]]] = {
    "curate": (
        (BRONZE_BARS, "known_at"),
        (BRONZE_ACTIONS, "known_at"),
        (BRONZE_TEXTS, "known_at"),
        (OPS_ACCEPTANCES, "accepted_at"),
        (OPS_COVERAGE, "known_at"),
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
    asked = context.run_log.ran_since("ingest", as_of, context.calendar.cutoff_at(as_of))
    if not asked and context.run_log.numbers("ingest"):
        msg = (
            f"no ingest has asked for session {as_of} since its cut, which a training would close: "
            "run ingest for it, or train --as-of an earlier session"
        )
        raise TransientError(msg)
    if context.lake.exists(SILVER_BARS):
        _check_complete(context, as_of)


def find_behind(context: Context, as_of: date) -> dict[str, list[str]]:
    """Return the stages that have not read all that was known at a cut, and of which tables.

    A stage that was never run here is left out: a home may do without texts, or be filled by hand.
    """
    behind: dict[str, list[str]] = {}
    for stage, tables in CONSUMED.items():
        if not context.run_log.numbers(stage):
            continue
        inputs = context.run_log.last(stage).inputs
        unread = [table.name for table, column in tables if _is_unread(context, table, column, inputs, as_of)]
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


def _check_complete(context: Context, as_of: date) -> None:
    until = waited_until(context, as_of)
    found = completeness_at_cut(context, as_of)
    if context.clock() < until and not found.is_complete:
        msg = (
            f"session {found.explain()}, and it is waited for until {until.isoformat()}; a training would "
            "close its cut: train then, or --as-of an earlier session"
        )
        raise TransientError(msg)
