"""The truth behind a vendor's files: symbols, and prices that walk in small steps."""

from __future__ import annotations

import random
from datetime import date

from tests.world.records import Bar

STEP = 0.02
"""Largest move of a session; far below what counts as a suspect tick."""


class Market:
    """Prices of a few symbols, drawn once and then the same for every reader.

    Parameters
    ----------
    seed : int
    symbols : int
        How many, at most 30.
    """

    def __init__(self, seed: int, symbols: int) -> None:
        self._draw = random.Random(seed)
        self.symbols = [f"{chr(65 + place % 26) * 3}{place // 26 or ''}" for place in range(symbols)]
        self._levels = {symbol: self._draw.uniform(30, 120) for symbol in self.symbols}
        self._bars: dict[tuple[str, date], Bar] = {}

    def bar(self, symbol: str, session: date) -> Bar:
        """Return the true bar; sessions must be asked for in order the first time."""
        found = self._bars.get((symbol, session))
        if found is None:
            opened = self._levels.setdefault(symbol, self._draw.uniform(30, 120))
            closed = opened * (1 + self._draw.uniform(-STEP, STEP))
            self._levels[symbol] = closed
            found = Bar(symbol, session, _prices(opened, closed, self._draw.randrange(1000, 9000)))
            self._bars[symbol, session] = found
        return found

    def misprint(self, bar: Bar, factor: float) -> Bar:
        """Return a bar that is a little off everywhere."""
        opened, high, low, closed = (f"{float(price) * factor:.2f}" for price in bar.prices[:4])
        return Bar(bar.symbol, bar.session, (opened, high, low, closed, bar.prices[4]))


def _prices(opened: float, closed: float, volume: int) -> tuple[str, str, str, str, str]:
    """Print a bar as a vendor does, with room above and below for rounding."""
    high, low = max(opened, closed) * 1.01, min(opened, closed) * 0.99
    return f"{opened:.2f}", f"{high:.2f}", f"{low:.2f}", f"{closed:.2f}", str(volume)
