"""Parameters of installing a champion, as the settings nest them (section ``install``)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallParams:
    """What must hold before a champion answers. See `conf/base/install.yaml` for each key."""

    parity_symbols: int
    parity_tolerance: float
    acknowledge_seconds: float

    def __post_init__(self) -> None:
        if self.parity_symbols < 1:
            msg = f"parity_symbols={self.parity_symbols} must be at least 1"
            raise ValueError(msg)
        if not 0 <= self.parity_tolerance <= 1e-3:
            msg = f"parity_tolerance={self.parity_tolerance} must lie in 0..0.001"
            raise ValueError(msg)
        if not 0 < self.acknowledge_seconds <= 3600:
            msg = f"acknowledge_seconds={self.acknowledge_seconds} must lie in 0..3600"
            raise ValueError(msg)
