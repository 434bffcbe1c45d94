"""Which sessions a source holds, asked of the source itself."""

from __future__ import annotations

from datetime import UTC, date, datetime

from pipelines.base.context import Context
from pipelines.io.frames import collect_rows, reshape
from pipelines.io.sources import ReadRequest
from pipelines.io.sources.feeds import open_source

LONG_AGO = date(1990, 1, 2)


def sessions_in_source(context: Context) -> list[date]:
    """Return the sessions of the exchange for which the source has bars, oldest first."""
    request = ReadRequest(
        first_session=LONG_AGO,
        last_session=context.calendar.last_decided(context.clock()),
        received_after=datetime(LONG_AGO.year, 1, 1, tzinfo=UTC),
        received_until=context.clock(),
    )
    source = open_source(context, "bars")
    sent = source.read("bars", request) if source else None
    if sent is None:
        return []
    rows = collect_rows(reshape(sent, "select distinct session from {rows}"))
    days = sorted({day for row in rows if (day := _date(row["session"]))})
    return [day for day in days if context.calendar.is_session(day)]


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None
