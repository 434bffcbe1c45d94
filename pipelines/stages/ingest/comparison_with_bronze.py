"""What bronze holds of the records that a run has read: by it they are judged new or not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl

from pipelines.base.frames import Frame
from pipelines.io.frames import reshape
from pipelines.stages.ingest import steps
from pipelines.stages.ingest.reading import Reading
from pipelines.tables import landing_queries, queries


def attach_standing(reading: Reading, records: Frame) -> Frame:
    """Return the records with what bronze holds of each (`steps.STANDING`), nulls where it holds nothing.

    A key is what the kind names, as it was sent. A feed whose records carry their stamp is asked for
    the hash itself, and for the key only where a history load must know whether bronze lacks it.
    """
    lake, source, key = reading.context.lake, reading.feed.source.name, reading.kind.key
    if not lake.exists(reading.bronze):
        return _without_standing(records)
    scope = landing_queries.of_source(source)
    if isinstance(records, pl.DataFrame):
        scope = f"{scope} and ({_near(records, reading)})"
    if reading.by_content:
        return _join(reading, records, landing_queries.standing_records(reading.bronze, scope, key), key)
    hashes = landing_queries.landed_hashes(reading.bronze, scope)
    known = _join(reading, records, hashes, ("record_hash",))
    if not key or not (reading.sessions.history and reading.observation.closed_until):
        return known
    keys = landing_queries.landed_keys(reading.bronze, scope, key)
    keyed = reshape(known, landing_queries.without(known.columns, ("last_known_at", "in_bronze")))
    return _join(reading, keyed, keys, key)


def _join(reading: Reading, records: Frame, query: str, on: tuple[str, ...]) -> Frame:
    """Return the records with the columns of a query that holds each key once."""
    lake = reading.context.lake
    standing = (
        lake.collect_query_if_small(query, reading.bronze) if isinstance(records, pl.DataFrame) else None
    )
    if isinstance(records, pl.DataFrame) and isinstance(standing, pl.DataFrame):
        joined = records.join(standing, on=list(on), how="left", maintain_order="left")
        return joined.with_columns(pl.col("in_bronze").fill_null(value=False))
    spread = lake.distribute(records, records.schema) if isinstance(records, pl.DataFrame) else records
    joined_there = spread.join(lake.scan_query(query, reading.bronze), on=list(on), how="left")
    kept = [name for name in joined_there.columns if name != "in_bronze"]
    return joined_there.selectExpr(*kept, "coalesce(in_bronze, false) as in_bronze")


def _without_standing(records: Frame) -> Frame:
    if isinstance(records, pl.DataFrame):
        absent = {name: pl.lit(None, dtype) for name, dtype in steps.STANDING.items()}
        return records.with_columns(**absent | {"in_bronze": pl.lit(value=False)})
    return records.selectExpr("*", *landing_queries.NO_STANDING)


def _near(records: pl.DataFrame, reading: Reading) -> str:
    """Return the condition of the bronze rows that records of this process can repeat."""
    days: Any = reading.kind.parse(records)
    day = next(name for name in ("day", "ex_date", "published") if name in days.columns)
    dates = days[day].drop_nulls().cast(pl.Date)
    if dates.is_empty():
        return "session_date is null"
    # A text's session lies no further from its publication than the longest closure.
    near = reading.context.calendar.longest_reach + timedelta(days=1)
    return queries.dated_between(dates.min() - near, dates.max() + near)
