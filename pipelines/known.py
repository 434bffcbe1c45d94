"""What was known when: the newest version of each row at an instant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def instant_literal(moment: datetime) -> str:
    """Return an aware instant as a SQL literal of a session whose time zone is UTC."""
    naive = moment.astimezone(UTC).replace(tzinfo=None)
    return f"timestamp'{naive.isoformat(sep=' ', timespec='microseconds')}'"


def newest_versions(frame: DataFrame, by: Sequence[str]) -> DataFrame:
    """Return, for each key, the row with the latest `known_at`.

    Rows that were not known yet must have been left out before: the newest version that is not
    valid then means that the row is unknown, never that an older one holds.
    """
    keys = ", ".join(f"`{name}`" for name in by)
    placed = frame.selectExpr(
        "*", f"row_number() over (partition by {keys} order by known_at desc) as _place"
    )
    return placed.where("_place = 1").drop("_place")
