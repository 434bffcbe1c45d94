"""Parameters of the small markets and files that the source tests use."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from pipelines.io.sources.base import ReadRequest
from pipelines.io.sources.params import FilesParams, SimulatedParams

FAR_FUTURE = datetime(2026, 1, 1, tzinfo=UTC)


def small_market(**changes: Any) -> SimulatedParams:
    """Return a market of twenty symbols; `changes` replace its parameters."""
    given = {
        "symbols": 20,
        "seed": 3,
        "start": date(2023, 1, 3),
        "sectors": 8,
        "alpha_rank_ic": 0.0,
        "annual_turnover": 0.3,
        "headline_rate": 0.3,
        "post_rate": 0.3,
        "calendar": "XNYS",
        "timezone": "America/New_York",
    }
    return SimulatedParams(**given | changes)


def files_at(bars: object = "", **changes: Any) -> FilesParams:
    """Return the parameters of bars at a path; `changes` replace them."""
    given = {
        "bars": str(bars),
        "texts": "",
        "columns": {},
        "text_columns": {},
        "separator": ",",
        "date_formats": ("yyyy-MM-dd", "yyyyMMdd"),
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
