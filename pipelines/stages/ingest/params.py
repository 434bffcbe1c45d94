"""Parameters of ingest, as the settings nest them (section ``ingest``)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestParams:
    """When a record without an arrival time counts as known, how much may be refused, what is read again.

    A text belongs to the first session whose close comes at least `text_close_lag_minutes` after it. The
    lags assume that a vendor publishes a bar, and an action that was not announced before, within
    `bar_lag_minutes` of the close and a text within `text_lag_minutes` of its own time stamp; too small a lag
    would be look-ahead.
    """

    bar_lag_minutes: int
    text_lag_minutes: int
    text_close_lag_minutes: int
    max_refused_share: float
    min_refused_records: int
    overlap_hours: int

    def __post_init__(self) -> None:
        for name in ("bar_lag_minutes", "text_lag_minutes"):
            if getattr(self, name) < 1:
                msg = f"{name}={getattr(self, name)} must be at least 1: nothing is known as it happens"
                raise ValueError(msg)
        if not 0 <= self.max_refused_share <= 1:
            msg = f"max_refused_share={self.max_refused_share} must lie in 0..1"
            raise ValueError(msg)
        if self.min_refused_records < 1:
            msg = f"min_refused_records={self.min_refused_records} must be at least 1"
            raise ValueError(msg)
        if self.overlap_hours < 0:
            msg = f"overlap_hours={self.overlap_hours} must not be negative"
            raise ValueError(msg)

    def lag(self, kind: str) -> timedelta:
        """Return the time from a record's event to when it counts as known, where nothing says it."""
        return timedelta(minutes=self.text_lag_minutes if kind == "texts" else self.bar_lag_minutes)
