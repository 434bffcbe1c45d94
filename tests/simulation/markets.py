"""Parameters of the small markets that tests use."""

from __future__ import annotations

from datetime import date
from typing import Any

from simulation.params import SimulatedParams


def small_market(**changes: Any) -> SimulatedParams:
    """Return a market of twenty symbols; `changes` replace its parameters."""
    given = {
        "symbols": 20,
        "seed": 3,
        "start": date(2023, 1, 3),
        "sectors": 8,
        "alpha_rank_ic": 0.0,
        "annual_turnover": 0.3,
        "headline_rate": 0.3,
        "post_rate": 0.3,
        "calendar": "XNYS",
        "timezone": "America/New_York",
    }
    return SimulatedParams(**given | changes)
