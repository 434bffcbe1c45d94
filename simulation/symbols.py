"""The symbols of the simulated market: who they are, when they list and delist, what they pay."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from simulation.params import SimulatedParams
from simulation.random_streams import Stream, draw_for, draw_for_session

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

NOBODY = -1
LATE_SHARE = 0.1
LATE_SESSIONS = 500
SESSIONS_A_YEAR = 252
QUARTER = 63
SPLIT_CHANCE = 0.0003
SPLIT_ABOVE = 40.0
SURE_SPLIT_ABOVE = 400.0
REVERSE_SPLIT_BELOW = 3.0
REVERSE_RATIO = 0.1
PAYING_SHARE = 0.6

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TICKERS = len(_LETTERS) ** 4
_SYLLABLES = (
    "al",
    "ber",
    "cor",
    "den",
    "el",
    "fer",
    "gal",
    "hol",
    "ir",
    "jas",
    "kel",
    "lor",
    "mar",
    "nor",
    "or",
    "pel",
)
_ENDINGS = (
    "Industries",
    "Holdings",
    "Systems",
    "Energy",
    "Foods",
    "Health",
    "Logistics",
    "Materials",
    "Bank",
    "Labs",
)


@dataclass(frozen=True, slots=True)
class Traits:
    """What stays with one symbol for life. Volatility is per day, `quarterly_yield` a fraction."""

    beta: float
    volatility: float
    price: float
    log_volume: float
    quarterly_yield: float
    ex_phase: int
    listed_from: int


@lru_cache(maxsize=65_536)
def traits_of(seed: int, identity: int) -> Traits:
    """Return the traits of the symbol with number `identity`."""
    draw = draw_for(seed, Stream.TRAITS, identity)
    late = draw.random() < LATE_SHARE
    return Traits(
        beta=float(np.clip(draw.normal(1.0, 0.25), 0.3, 1.8)),
        volatility=0.014 * float(np.exp(draw.normal(0.0, 0.3))),
        price=float(np.exp(draw.normal(4.0, 0.6))) + 5.0,
        log_volume=float(draw.normal(14.0, 1.0)),
        quarterly_yield=float(draw.uniform(0.002, 0.01)) if draw.random() < PAYING_SHARE else 0.0,
        ex_phase=int(draw.integers(QUARTER)),
        listed_from=int(draw.integers(1, LATE_SESSIONS)) if late else 0,
    )


@lru_cache(maxsize=65_536)
def ticker_of(identity: int) -> str:
    """Return the ticker: four letters, different for every number below 26**4."""
    code = (identity * 118_081 + 77_777) % _TICKERS
    letters = []
    for _ in range(4):
        code, letter = divmod(code, len(_LETTERS))
        letters.append(_LETTERS[letter])
    return "".join(letters)


@lru_cache(maxsize=65_536)
def company_of(identity: int) -> str:
    """Return an invented company name."""
    first, rest = divmod(identity * 7 + 3, len(_SYLLABLES))
    second = (first * 5 + identity) % len(_SYLLABLES)
    ending = _ENDINGS[(identity * 3) % len(_ENDINGS)]
    return f"{_SYLLABLES[rest].title()}{_SYLLABLES[second]} {ending}"


class Listings:
    """Which symbol occupies each slot, session after session.

    A slot whose symbol is delisted stays empty for 10 to 60 sessions and then gets a new symbol.
    Delisting is drawn blindly: it says nothing about past or future returns.
    """

    def __init__(self, params: SimulatedParams) -> None:
        self._params = params
        self._chance = params.annual_turnover / SESSIONS_A_YEAR
        self.identity: Integers = np.full(params.symbols, NOBODY, dtype=np.int64)
        self._due: Integers = np.array(
            [traits_of(params.seed, slot).listed_from for slot in range(params.symbols)], dtype=np.int64
        )
        self._first: Integers = np.arange(params.symbols, dtype=np.int64)
        self._next = params.symbols

    def advance(self, session: date, position: int) -> tuple[Flags, Flags]:
        """Move to `session` and return (listed slots, slots listed anew today)."""
        draw = draw_for_session(self._params.seed, Stream.LIFECYCLE, session)
        chance, gap = draw.random(len(self.identity)), draw.integers(10, 60, len(self.identity))
        leaving = (self.identity != NOBODY) & (chance < self._chance)
        self.identity = np.where(leaving, NOBODY, self.identity)
        self._due = np.where(leaving, position + gap, self._due)
        arriving = (self.identity == NOBODY) & ~leaving & (self._due <= position)
        for slot in np.flatnonzero(arriving):
            # The number of the slot's first symbol, then the next unused one.
            number = self._first[slot]
            if number == NOBODY:
                number, self._next = self._next, self._next + 1
            self.identity[slot], self._first[slot] = number, NOBODY
        return self.identity != NOBODY, arriving


def draw_actions(
    params: SimulatedParams, session: date, price: Floats, pays: Flags, yields: Floats
) -> tuple[Floats, Floats]:
    """Return (split ratio, cash dividend per new share) of each slot for its ex-session.

    A ratio of 2 means two new shares for one. Nobody splits and pays on the same session.

    Parameters
    ----------
    price : array of shape (n_slots,)
        Close of the session before.
    pays : array of bool, shape (n_slots,)
        Whose quarterly ex-session this is.
    yields : array of shape (n_slots,)
        Dividend as a fraction of the price.
    """
    draw = draw_for_session(params.seed, Stream.ACTIONS, session)
    chance = draw.random(len(price))
    ratio = draw.choice(np.array([2.0, 2.0, 3.0, 4.0, 1.5]), len(price))
    splits = ((price > SPLIT_ABOVE) & (chance < SPLIT_CHANCE)) | (price > SURE_SPLIT_ABOVE)
    split = np.where(splits, ratio, np.where(price < REVERSE_SPLIT_BELOW, REVERSE_RATIO, 1.0))
    return split, np.where(pays & (split == 1.0), np.round(price * yields, 2), 0.0)
