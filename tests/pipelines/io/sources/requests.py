"""Parameters and requests of the files that the source tests use."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from pipelines.io.sources.base import ReadRequest
from pipelines.io.sources.params import FilesParams

FAR_FUTURE = datetime(2026, 1, 1, tzinfo=UTC)


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


def request_for(
    first: date, last: date, *, after: datetime | None = None, until: datetime = FAR_FUTURE
) -> ReadRequest:
    """Return a read request."""
    return ReadRequest(first_session=first, last_session=last, received_after=after, received_until=until)
