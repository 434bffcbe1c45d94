"""Deliveries of one symbol's bars, as the walk through its seams takes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from pipelines.stages.curate.seams import read_through

START = datetime(2024, 1, 2, 22, tzinfo=UTC)
SCHEMA: dict[str, Any] = {
    "said_at": pl.Datetime("us", "UTC"),
    "delivery": pl.String,
    "received_at": pl.Datetime("us", "UTC"),
    "record_hash": pl.String,
    "position": pl.Int64,
    "known_at": pl.Datetime("us", "UTC"),
    **dict.fromkeys(("open", "high", "low", "close", "volume", "dividend"), pl.Float64),
    "decimals": pl.Int64,
    "closed_until": pl.Datetime("us", "UTC"),
    "overlap": pl.Int64,
}


def cut(day: int) -> datetime:
    """The evening of a day, counted from the first."""
    return START + timedelta(days=day)


def deliver(
    day: int, closes: Mapping[int, float], *, decimals: int = 2, equal: int | None = 0, **columns: Any
) -> list[dict[str, Any]]:
    """Return what an evening's delivery brings: closes by place, all four prices alike.

    `columns` are of every record, or by place.
    """
    return [
        {
            "said_at": cut(day),
            "delivery": f"{day:02}.csv",
            "received_at": None,
            "record_hash": f"{day:02}/{position:02}",
            "position": position,
            "known_at": cut(day),
            **dict.fromkeys(("open", "high", "low", "close"), close),
            "volume": 1000.0,
            "dividend": 0.0,
            "decimals": decimals,
            "closed_until": None,
            "overlap": equal,
            **{name: told[position] if isinstance(told, Mapping) else told for name, told in columns.items()},
        }
        for position, close in closes.items()
    ]


def records_of(*deliveries: list[dict[str, Any]]) -> pl.DataFrame:
    """Return the records of all deliveries."""
    return pl.DataFrame([one for delivery in deliveries for one in delivery], schema=SCHEMA)


def read(*deliveries: list[dict[str, Any]], **how: Any) -> tuple[pl.DataFrame, list[Any]]:
    """Walk through deliveries; return their records by day of delivery and place, and the seams."""
    rows, seams = read_through(records_of(*deliveries), **how)
    return rows.sort("said_at", "record_hash"), seams


def told(seams: list[Any]) -> list[tuple[int, float, float, datetime]]:
    """Return place, price ratio, share ratio and instant of each seam."""
    return [(seam.position, round(seam.price, 9), round(seam.share, 9), seam.known_at) for seam in seams]


def closes_of(rows: pl.DataFrame, day: int) -> dict[int, float]:
    """Return the closes of a day's delivery as they were read, by place."""
    own = rows.filter(pl.col("said_at") == cut(day))
    return {place: round(close, 6) for place, close in own.select("position", "close").rows()}
