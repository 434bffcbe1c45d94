"""Parameters of the forecast service, as the settings nest them (section ``serving``)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingParams:
    """What the service accepts and when it refuses a number. See `conf/base/serving.yaml` for each key.

    `max_staleness_sessions` counts sessions between a symbol's features and the newest published
    session; `max_lag_sessions` those between that session and the last one already decided by the
    clock, and is null where history or a simulated market is served.
    """

    max_symbols: int
    max_batch_rows: int
    max_body_bytes: int
    max_staleness_sessions: int
    max_lag_sessions: int | None
    min_universe_share: float
    poll_seconds: float
    cache: bool
    token_file: str

    def __post_init__(self) -> None:
        for name in ("max_symbols", "max_batch_rows", "max_body_bytes"):
            if getattr(self, name) < 1:
                msg = f"{name}={getattr(self, name)} must be at least 1"
                raise ValueError(msg)
        for name in ("max_staleness_sessions", "max_lag_sessions"):
            value = getattr(self, name)
            if value is not None and value < 0:
                msg = f"{name}={value} must not be negative"
                raise ValueError(msg)
        if not 0 <= self.min_universe_share <= 1:
            msg = f"min_universe_share={self.min_universe_share} must lie in 0..1"
            raise ValueError(msg)
        if not 0 < self.poll_seconds <= 60:
            msg = f"poll_seconds={self.poll_seconds} must lie in 0..60"
            raise ValueError(msg)
