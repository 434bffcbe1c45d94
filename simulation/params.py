"""Parameters of the simulated market and of the faults of its feed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

RATES = (
    "nulls",
    "bad_ticks",
    "duplicates",
    "corrections",
    "missing_symbols",
    "late_arrivals",
    "ohlc_violations",
    "negative_prices",
    "off_calendar",
)
"""The kinds of feed fault, in the order in which symbols are drawn for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultParams:
    """Injected feed faults: for each kind the share of a session's symbols that it hits.

    With `fault_sessions` only those sessions are hit, and every kind with a positive rate hits at
    least one symbol there; without, every session is drawn by the rates alone.
    """

    enabled: bool = False
    fault_sessions: tuple[date, ...] = ()
    nulls: float = 0.0
    bad_ticks: float = 0.0
    duplicates: float = 0.0
    corrections: float = 0.0
    missing_symbols: float = 0.0
    late_arrivals: float = 0.0
    ohlc_violations: float = 0.0
    negative_prices: float = 0.0
    off_calendar: float = 0.0

    def __post_init__(self) -> None:
        _check_ranges(self, **dict.fromkeys(RATES, (0, 1)))
        total = sum(getattr(self, name) for name in RATES)
        if total > 1:
            msg = (
                f"fault rates add up to {total:.3f}; keep the sum at most 1: a symbol has one fault a session"
            )
            raise ValueError(msg)

    def hit(self, session: date) -> bool:
        """Tell whether faults are injected on `session`."""
        return self.enabled and (not self.fault_sessions or session in self.fault_sessions)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeBreak:
    """From `session` on every shock is multiplied by `volatility_multiplier`."""

    session: date
    volatility_multiplier: float

    def __post_init__(self) -> None:
        _check_ranges(self, volatility_multiplier=(0.1, 10))


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedParams:
    """The simulated market. `alpha_rank_ic` is the rank IC that an all-knowing forecaster reaches."""

    symbols: int
    seed: int
    start: date
    sectors: int
    alpha_rank_ic: float
    annual_turnover: float
    headline_rate: float
    post_rate: float
    calendar: str
    timezone: str
    regime_break: RegimeBreak | None = None
    faults: FaultParams = field(default_factory=FaultParams)

    def __post_init__(self) -> None:
        _check_ranges(
            self,
            symbols=(2, 20_000),
            seed=(0, 2**63 - 1),
            sectors=(1, 11),
            alpha_rank_ic=(0, 0.3),
            annual_turnover=(0, 1),
            headline_rate=(0, 20),
            post_rate=(0, 20),
        )


def _check_ranges(params: object, **ranges: tuple[float, float]) -> None:
    for name, (low, high) in ranges.items():
        value = getattr(params, name)
        if not low <= value <= high:
            msg = f"{name}={value} must lie in {low}..{high}"
            raise ValueError(msg)
