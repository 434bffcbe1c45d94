"""Parameters of the training stage, as the settings nest them (section ``training``)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingParams:
    """Bounds of a training run. See `conf/base/training.yaml` for each key."""

    max_frame_rows: int
    example_symbols: int
    record_timeout_seconds: float

    def __post_init__(self) -> None:
        for name in ("max_frame_rows", "example_symbols"):
            if getattr(self, name) < 1:
                msg = f"{name}={getattr(self, name)} must be at least 1"
                raise ValueError(msg)
        if self.record_timeout_seconds < 0:
            msg = f"record_timeout_seconds={self.record_timeout_seconds} must not be negative"
            raise ValueError(msg)
