"""Consecutive sessions of the exchange with their instants and places, joined to rows by the stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Self

import polars as pl

from features.sessions import SessionCalendar


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionGrid:
    """Sessions around a run.

    Attributes
    ----------
    frame : polars.DataFrame
        `session`, `event_timestamp` (close, UTC), `cutoff_at` (UTC) and `position` (index in the
        exchange's calendar), consecutive and ascending.
    touched : sequence of date or None
        Sessions whose rows are wanted; None for all.
    """

    frame: pl.DataFrame
    touched: Sequence[date] | None = None

    @classmethod
    def spanning(
        cls, calendar: SessionCalendar, first: date, last: date, *, touched: Sequence[date] | None = None
    ) -> Self:
        """Return the sessions of a calendar from `first` to `last`, both included."""
        frame = calendar.frame(first, last).drop("decision_at")
        start = calendar.position(frame["session"][0]) if frame.height else 0
        position = pl.int_range(start, start + pl.len(), dtype=pl.Int64).alias("position")
        return cls(frame=frame.with_columns(position), touched=touched)

    def placed(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return `rows` with the columns of their session; rows of days that are no session are left out."""
        return rows.join(self.frame, on="session", how="inner")

    def between(self, first: int, last: int) -> pl.DataFrame:
        """Return the sessions of positions `first` to `last`."""
        return self.frame.filter(pl.col("position").is_between(first, last))

    def wanted(self) -> pl.Expr:
        """Return the condition that a row's session is touched."""
        if self.touched is None:
            return pl.lit(value=True)
        return pl.col("session").is_in(pl.Series(self.touched, dtype=pl.Date).implode())
