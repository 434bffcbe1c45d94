"""Which sessions a stage has to look at again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from pipelines.base.context import Context
from pipelines.base.table import TableContract


def changed_sessions(
    context: Context,
    stage: str,
    tables: Iterable[TableContract],
    definition: str,
    *,
    column: str = "session",
) -> list[date] | None:
    """Return the sessions of which rows changed since the last run of a stage.

    Parameters
    ----------
    stage : str
        Its last recorded run says which versions it has consumed.
    tables : iterable of TableContract
        Those that do not exist yet have not changed.
    definition : str
        Digest of what the stage computes now; under another one all sessions count as changed.
    column : str
        Column that names a row's session.

    Returns
    -------
    list of date or None
        Ascending; None for all of them, also where the change feed has been vacuumed.
    """
    last, found = context.run_log.last(stage), set[date]()
    for table in tables:
        if not context.lake.exists(table):
            continue
        changed = context.lake.changed(table, column, since=last.version_of(table.name, definition))
        if changed is None:
            return None
        found |= changed - {None}
    return sorted(found)
