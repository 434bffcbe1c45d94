"""A vendor of three symbols who restates, corrects, forgets, errs and announces: his files, day by day."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from random import Random

import polars as pl

SYMBOLS = ("AAA", "BBB", "CCC")
Cell = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A split, and how the vendor deals with it; days are counted from the first.

    Attributes
    ----------
    day : int
        Ex-session.
    ratio : float
    restated : range
        Days on which the vendor's past is in the new units.
    announced, withdrawn : int or None
        Days on which its feed of actions says so.
    """

    day: int
    ratio: float
    restated: range
    announced: int | None
    withdrawn: int | None


@dataclass(slots=True)
class Vendor:
    """What the vendor believes, which changes from day to day.

    Attributes
    ----------
    random : random.Random
    sessions : list of date
    raw : bool
        Whether its prices are as traded.
    window : int
        Sessions that a file holds.
    """

    random: Random
    sessions: list[date]
    raw: bool
    window: int
    closes: dict[Cell, float] = field(init=False)
    splits: dict[str, Split] = field(init=False)
    errors: dict[Cell, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.closes, self.splits = {}, {}
        for symbol, level in zip(SYMBOLS, (4.0, 37.0, 212.0), strict=True):
            close = level
            for day in range(len(self.sessions)):
                close *= math.exp(self.random.gauss(0, 0.015))
                self.closes[symbol, day] = close
        for symbol in SYMBOLS[:2]:
            self.splits[symbol] = self._split(self.random.randrange(3, len(self.sessions) - 2))

    def _split(self, day: int) -> Split:
        choose, shown = self.random.choice, day + self.random.choice([0, 0, 1, 2])
        return Split(
            day=day,
            ratio=choose([2.0, 3.0, 1.5, 0.1]),
            restated=range(shown, choose([99, 99, shown + 2])),
            announced=choose([None, day - 1, day, day + 1]),
            withdrawn=choose([None, None, day + 2]),
        )

    def _units(self, symbol: str, day: int, today: int) -> float:
        """Return the factor of a session's prices in the units of which the vendor writes today."""
        split = self.splits.get(symbol)
        if split is None:
            return 1.0
        after = day >= split.day
        restates = not self.raw and today in split.restated
        return 1 / split.ratio if after or restates else 1.0

    def _row(self, symbol: str, day: int, today: int) -> dict[str, str]:
        units = self._units(symbol, day, today)
        close = self.closes[symbol, day] * units * self.errors.get((symbol, day), 1.0)
        prices = {"open": close, "high": 1.01 * close, "low": 0.99 * close, "close": close}
        volume = (1000 + 137 * day) / units
        return {
            "symbol": symbol,
            "session": str(self.sessions[day]),
            **{name: f"{price:.2f}" for name, price in prices.items()},
            "volume": f"{volume:.0f}",
        }

    def bars(self, today: int) -> Iterator[pl.DataFrame]:
        """Yield the files of bars of a day: one or two, with what the vendor gets wrong."""
        self._err(today)
        for copy in range(self.random.choice([1, 1, 2])):
            cells = [
                (symbol, day)
                for symbol in SYMBOLS
                for day in range(max(0, today - self.window + 1), today + 1)
                if self.random.random() > (0.08 if day == today and not copy else 0.02)
            ]
            if today > self.window and self.random.random() < 0.2:
                cells.append((self.random.choice(SYMBOLS), self.random.randrange(today - self.window)))
            yield pl.DataFrame([self._row(symbol, day, today) for symbol, day in cells])
        if self.random.random() < 0.7:
            for symbol in SYMBOLS:
                self.errors.pop((symbol, today), None)

    def _err(self, today: int) -> None:
        """Correct a bar of the window, or write a tick."""
        symbol, past = self.random.choice(SYMBOLS), self.random.randrange(self.window)
        if self.random.random() < 0.25:
            self.errors[symbol, max(0, today - past)] = self.random.choice([1.002, 1.02, 0.98])
        if self.random.random() < 0.2:
            self.errors[symbol, today] = self.random.choice([1.4, 0.7, 2.0, 0.5])

    def actions(self, today: int) -> pl.DataFrame:
        """Return what the feed of actions says on a day."""
        lines = [
            {"symbol": symbol, "ex_date": str(self.sessions[split.day]), "kind": "split", "value": f"{value}"}
            for symbol, split in self.splits.items()
            for day, value in ((split.announced, split.ratio), (split.withdrawn, 1.0))
            if day == today and split.announced is not None
        ]
        return pl.DataFrame(lines)
