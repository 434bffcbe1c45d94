"""Parameters of the Delta tables, as the settings nest them (section ``lake``)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeParams:
    """Where the tables are and how long a writer waits for its turn."""

    root: str
    lock_timeout_seconds: float
    local_rows: int

    def __post_init__(self) -> None:
        if self.lock_timeout_seconds < 0:
            msg = f"lock_timeout_seconds={self.lock_timeout_seconds} must not be negative"
            raise ValueError(msg)
