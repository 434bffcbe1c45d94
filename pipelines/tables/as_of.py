"""What was known when: the newest version of each row at an instant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime


def instant_literal(moment: datetime) -> str:
    """Return an aware instant as a SQL literal of a session whose time zone is UTC."""
    naive = moment.astimezone(UTC).replace(tzinfo=None)
    return f"timestamp'{naive.isoformat(sep=' ', timespec='microseconds')}'"


def newest_query(source: str, columns: Sequence[str], by: Sequence[str]) -> str:
    """Return the query for the row with the latest `known_at` of each key.

    Parameters
    ----------
    source : str
        What follows ``from``: a table, with a condition that leaves out what was not known yet. The
        newest version that is not valid then means that the row is unknown, never that an older one holds.
    columns : sequence of str
        Columns of the result.
    by : sequence of str
        The key.
    """
    place = f"row_number() over (partition by {', '.join(by)} order by known_at desc) as place"
    wanted = ", ".join(columns)
    inner = ", ".join(dict.fromkeys([*columns, *by]))
    return f"select {wanted} from (select {inner}, {place} from {source}) as placed where place = 1"
