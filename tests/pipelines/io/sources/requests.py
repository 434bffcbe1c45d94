"""Parameters and requests of the files that the source tests use."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.io.frames import Frame
from pipelines.io.lake import Lake
from pipelines.io.sources.base import Delivery, ReadRequest, Source
from pipelines.io.sources.files import FilesSource
from pipelines.io.sources.params import FilesParams

ALWAYS = ReadRequest(after=datetime(2000, 1, 3, tzinfo=UTC), until=datetime(2026, 1, 1, tzinfo=UTC))


def files_at(bars: object = "", **changes: Any) -> FilesParams:
    """Return the parameters of bars at a path; `changes` replace them."""
    given = {
        "kind": "files",
        "bars": str(bars),
        "price_basis": "split",
        "calendar": "XNYS",
        "timezone": "America/New_York",
    }
    return FilesParams(**given | changes)


def files_source(lake: Lake, bars: object = "", **changes: Any) -> FilesSource:
    """Return a source of the files at a path."""
    return FilesSource("files", files_at(bars, **changes), lake)


def deliveries_of(source: Source, kind: str, request: ReadRequest = ALWAYS) -> list[Delivery]:
    """Return what there is to be read, all of which must be readable."""
    listed = source.list_deliveries(kind, request)
    assert [source.check(kind, delivery) for delivery in listed] == [None] * len(listed)
    return listed


def records_of(source: Source, lake: Lake, kind: str = "bars", request: ReadRequest = ALWAYS) -> pl.DataFrame:
    """Return all records of a source, in an order of their own."""
    sent = source.read(kind, deliveries_of(source, kind, request), request)
    here = collected(sent, lake)
    return here.sort(here.columns, nulls_last=True)


def collected(sent: Frame, lake: Lake) -> pl.DataFrame:
    """Return a frame in this process."""
    return sent if isinstance(sent, pl.DataFrame) else lake.collect(sent)


def through_spark(lake: Lake) -> Lake:
    """Return the same lake, which sends everything to Spark."""
    return Lake(lake.root, lambda: lake.spark, local_rows=0)


def without_spark(folder: Path) -> Lake:
    """Return a lake that must not need its session."""
    return Lake(str(folder / "lake"), _no_session, local_rows=1000)


def _no_session() -> Any:
    msg = "asked for a Spark session"
    raise AssertionError(msg)
