"""Parameters of packaging, as the settings nest them (section ``package``)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageParams:
    """How a Bento's answers are compared with the batch scorer's before it is released."""

    parity_symbols: int
    parity_tolerance: float

    def __post_init__(self) -> None:
        if self.parity_symbols < 1:
            msg = f"parity_symbols={self.parity_symbols} must be at least 1"
            raise ValueError(msg)
        if not 0 <= self.parity_tolerance <= 1e-3:
            msg = f"parity_tolerance={self.parity_tolerance} must lie in 0..0.001"
            raise ValueError(msg)
