"""The truth behind prices in changing units: small steps, splits, dividends and crashes, never rounded."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import date

from tests.world.priced_records import Corporate, Key, TrueBar

GAP, STEP = 0.004, 0.014
"""Largest moves from close to open and from open to close, far from any ratio of a split."""
HEAVY = 9
"""How many ordinary volumes change hands on a day of a crash."""


class PricedMarket:
    """Bars of a few shares as the exchange saw them, each in the units of its own session.

    Parameters
    ----------
    seed : int
    starts : mapping of str to float
        Symbols, and what one share costs at first.
    sessions : sequence of date
    planned : mapping of (symbol, session) to Corporate
        Splits and dividends, these as a share of the price before; `corporate` then holds amounts, which the
        price falls by.
    shocks : mapping of (symbol, session) to float
        Factors by which the price moves before the session opens, on heavy volume.
    """

    def __init__(
        self,
        seed: int,
        starts: Mapping[str, float],
        sessions: Sequence[date],
        planned: Mapping[Key, Corporate],
        shocks: Mapping[Key, float],
    ) -> None:
        self.symbols, self.sessions = tuple(starts), tuple(sessions)
        self.corporate: dict[Key, Corporate] = {}
        self._planned, self._shocks = dict(planned), dict(shocks)
        self.bars: dict[Key, TrueBar] = {}
        for symbol, start in starts.items():
            self._walk(random.Random(f"prices {seed} {symbol}"), symbol, start)

    def before(self, session: date) -> date:
        """Return the session before one."""
        return self.sessions[self.sessions.index(session) - 1]

    def amount(self, symbol: str, session: date, share: float, split: float = 1.0) -> float:
        """Return a dividend in currency from its share of the price of the session before."""
        return round(share * self.bars[symbol, self.before(session)].close / split, 4)

    def between(self, symbol: str, after: date, until: date) -> list[tuple[date, Corporate]]:
        """Return the true actions with an ex-date in (after, until], in order."""
        found = [(day, one) for (whose, day), one in self.corporate.items() if whose == symbol]
        return sorted((pair for pair in found if after < pair[0] <= until), key=lambda pair: pair[0])

    def _walk(self, draw: random.Random, symbol: str, start: float) -> None:
        level, shares = start, draw.uniform(2e5, 4e6)
        for session in self.sessions:
            action, shock = self._act(symbol, session), self._shocks.get((symbol, session), 1.0)
            level = level / action.split - action.dividend
            shares *= action.split
            opened = level * shock * (1 + draw.uniform(-GAP, GAP))
            closed = opened * (1 + draw.uniform(-STEP, STEP))
            high = max(opened, closed) * (1 + draw.uniform(0.001, 0.006))
            low = min(opened, closed) * (1 - draw.uniform(0.001, 0.006))
            volume = shares * draw.uniform(0.85, 1.15) * (1 if shock == 1 else HEAVY)
            self.bars[symbol, session] = TrueBar(opened, high, low, closed, round(volume))
            level = closed

    def _act(self, symbol: str, session: date) -> Corporate:
        planned = self._planned.get((symbol, session))
        if planned is None:
            return Corporate()
        amount = planned.dividend and self.amount(symbol, session, planned.dividend, planned.split)
        self.corporate[symbol, session] = Corporate(planned.split, amount)
        return self.corporate[symbol, session]
