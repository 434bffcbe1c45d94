"""Records as a feed sends them, and what they are judged by, for the tests of ingest's steps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from features.sessions import SessionCalendar
from pipelines.stages.ingest import steps
from pipelines.stages.ingest.dating import Dating, Observation
from pipelines.stages.ingest.reading import KINDS
from pipelines.tables.record_kinds import BARS

NOW = datetime(2024, 7, 4, 2, 10, tzinfo=UTC)
"""Ten minutes after the cut of Wednesday 2024-07-03, a half-day: 22:00 in New York."""
OBSERVED = Observation(landed_at=NOW, at=NOW, assumed=False, closed_until=None)
FIRST = datetime(2024, 7, 3, 21, tzinfo=UTC)
DELIVERED = {"one": FIRST, "two": FIRST + timedelta(hours=1), "three": FIRST + timedelta(hours=2)}


def dating(**changes: Any) -> Dating:
    """How a feed is dated of which nothing has been read."""
    plain = Dating(
        observation=OBSERVED,
        stamped=True,
        lag=timedelta(minutes=30),
        covered=(),
        missing=(),
        stamps_from=None,
        history=False,
        known_symbols=None,
    )
    return replace(plain, **changes)


def judging(kind: Any = BARS, *, by_content: bool = False, **changes: Any) -> steps.Judging:
    """What records of a kind are judged by."""
    return steps.Judging(
        source="feed",
        kind=kind,
        contract=KINDS[kind.name][1],
        closes=SessionCalendar()
        .frame(date(2024, 6, 3), date(2024, 7, 31))
        .select("session", "event_timestamp"),
        text_close_lag=timedelta(minutes=15),
        delivered=DELIVERED,
        by_content=by_content,
        dating=dating(ahead=kind.ahead, **changes),
    )


def bar(**changes: Any) -> dict[str, Any]:
    """A bar of 2024-07-03, whose close is at 17:00 UTC."""
    plain = dict.fromkeys(BARS.columns) | {
        "open": "10",
        "high": "11",
        "low": "9",
        "close": "10",
        "volume": "5",
    }
    return (
        plain | {"symbol": "AAA", "session": "2024-07-03", "received_at": None, "delivery": "one"} | changes
    )


def text(**changes: Any) -> dict[str, Any]:
    """A text of 2024-07-03, after the half-day's close."""
    plain = {"symbol": "AAA", "published_at": "2024-07-03T18:00:00Z", "text": "up", "origin": None}
    return plain | {"received_at": None, "delivery": "one"} | changes


def action(**changes: Any) -> dict[str, Any]:
    """A split of 2024-07-03."""
    plain = {"symbol": "AAA", "session": "2024-07-03", "kind": "split", "value": "2"}
    return plain | {"received_at": None, "delivery": "one"} | changes


def judge(by: steps.Judging, *rows: dict[str, Any], **standing: Any) -> pl.DataFrame:
    """The judged rows, compared with one another; `standing` is what bronze holds of every one."""
    columns = (*by.kind.columns, "received_at", "delivery")
    stamped = by.dating.stamped and not by.by_content
    frame = pl.DataFrame(list(rows), schema=dict.fromkeys(columns, pl.String))
    sent = steps.hash_records(frame, by.kind.columns, stamped=stamped)
    held = {"in_bronze": bool(standing)} | standing
    stands = {name: pl.lit(held.get(name), dtype) for name, dtype in steps.STANDING.items()}
    return steps.mark_repeats(steps.judge_records(sent.with_columns(**stands), by), by)
