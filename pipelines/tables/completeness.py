"""When a session's bars are all there: how many symbols are asked for, and how long they are waited for."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import combinations

from pipelines.base.context import Context

PARTIAL = "partial"
"""Kind of the acceptance by which a person takes a session as it is."""
RECENT_SESSIONS = 5
"""Complete, or accepted as they are, sessions that tell which symbols are usual."""
USUAL_IN = 4
"""A symbol accepted in so many of them is usual: one bad day does not excuse it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletenessParams:
    """What a session needs to count as complete. See `conf/base/completeness.yaml` for each key."""

    min_symbols: int
    min_universe_share: float
    grace_minutes: int

    def __post_init__(self) -> None:
        if self.min_symbols < 1:
            msg = f"min_symbols={self.min_symbols} must be at least 1: no bar at all is not complete"
            raise ValueError(msg)
        if not 0 <= self.min_universe_share <= 1:
            msg = f"min_universe_share={self.min_universe_share} must lie in 0..1"
            raise ValueError(msg)
        if self.grace_minutes < 0:
            msg = f"grace_minutes={self.grace_minutes} must not be negative"
            raise ValueError(msg)

    @property
    def grace(self) -> timedelta:
        """How long after its cut a session is waited for."""
        return timedelta(minutes=self.grace_minutes)


def waited_until(context: Context, session: date) -> datetime:
    """Return the end of a session's grace: from then on what is not there is missing."""
    return context.calendar.cutoff_at(session) + context.params(CompletenessParams).grace


def usual_symbols(recent: Sequence[Collection[str]]) -> set[str]:
    """Return the symbols that one expects: those of four of the last five sessions.

    Parameters
    ----------
    recent : sequence of collections of str
        Accepted symbols of the complete, or accepted-as-partial, sessions before the one asked about,
        ascending; the last five count.

    Returns
    -------
    set of str
        Empty before five such sessions.
    """
    if len(recent) < RECENT_SESSIONS:
        return set()
    last = [set(symbols) for symbols in recent[-RECENT_SESSIONS:]]
    return set().union(*(set.intersection(*some) for some in combinations(last, USUAL_IN)))


def needed_symbols(recent: Sequence[Collection[str]], params: CompletenessParams) -> int:
    """Return how many symbols a session needs to be complete.

    Parameters
    ----------
    recent : sequence of collections of str
        See `usual_symbols`; before five sessions `min_symbols` holds alone.
    """
    return needed_of(len(usual_symbols(recent)), params)


def needed_of(usual: int, params: CompletenessParams) -> int:
    """Return how many symbols a session needs to be complete where so many are usual."""
    # Rounded before the ceiling: 0.07 × 100 is 7.000000000000001, which would ask for eight.
    return max(params.min_symbols, math.ceil(round(params.min_universe_share * usual, 9)))
