"""A made market with splits, dividends and crashes, and three vendors that print it on different price bases.

The exchange's prices are in cents. A vendor's whole file is written anew each evening; a restating vendor's
holds the whole past in the units of that evening, rounded to cents again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.io.sources.params import PriceBasis

Floats = NDArray[np.float64]

CENT = 0.01
YEAR = 252
QUARTER = 63
DAILY_MOVE = 0.016
SPLITS_A_YEAR = 0.18
"""A share; the raw set of 2003 to 2012 has 55 in 30 symbols and ten years."""
RATIOS = (2.0, 2.0, 2.0, 3.0, 1.5, 4.0, 7.0, 0.1)
PAYING = 0.7
"""Share of the symbols that pay, once a quarter."""
YIELDS = (0.002, 0.012)
"""Of the price, a payment."""
CRASHES_A_YEAR = 0.04
"""A share: a move of a third to two thirds on heavy volume that stays."""
CRASH, HEAVY = (0.35, 0.68), 9.0
LEAST_PRICE = 8.0
"""Below it a forward split is left out: cents would be worth too much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What was traded, each bar in the units of its own session.

    Attributes
    ----------
    sessions : sequence of date
    symbols : sequence of str
    prices : ndarray, shape (4, n_sessions, n_symbols)
        Open, high, low, close in currency, whole cents.
    volume : ndarray, shape (n_sessions, n_symbols)
    split : ndarray, shape (n_sessions, n_symbols)
        New shares for one old at the session's open; 1 without one.
    dividend : ndarray, shape (n_sessions, n_symbols)
        Currency for each share held after the split; 0 without one.
    crashes : int
    """

    sessions: Sequence[date]
    symbols: Sequence[str]
    prices: Floats
    volume: Floats
    split: Floats
    dividend: Floats
    crashes: int

    @property
    def close(self) -> Floats:
        """Closes, shape (n_sessions, n_symbols)."""
        closes: Floats = self.prices[3]
        return closes

    def restating(self, basis: PriceBasis) -> Floats:
        """Return what a vendor multiplies all earlier prices with at each session, (n_sessions, n_symbols).

        A dividend takes its share of the close before.
        """
        factor = np.ones_like(self.split)
        if basis == "raw":
            return factor
        factor /= self.split
        if basis == "total_return":
            before = self.close[:-1]
            factor[1:] *= (before - self.dividend[1:] * self.split[1:]) / before
        return factor

    def returns(self, basis: PriceBasis) -> Floats:
        """Return true one-session returns, shape (n_sessions, n_symbols), the first row NaN.

        Dividends are reinvested at the close of their session, under ``total_return`` at that of the session
        before, less the dividend: to each vendor his convention.
        """
        truth = np.full_like(self.close, np.nan)
        before, after, split = self.close[:-1], self.close[1:], self.split[1:]
        if basis == "total_return":
            truth[1:] = after * split / (before - self.dividend[1:] * split) - 1
        else:
            truth[1:] = (after + self.dividend[1:]) * split / before - 1
        return truth


def make_market(symbols: int, sessions: Sequence[date], *, pace: float, seed: int) -> Market:
    """Return a market of random walks, the same for the same seed; things happen `pace` times as often."""
    draw = np.random.default_rng(seed)
    shape = (len(sessions), symbols)
    split, dividend = np.ones(shape), np.zeros(shape)
    prices, volume = np.zeros((4, *shape)), np.zeros(shape)
    level, shares = draw.uniform(40, 200, symbols), draw.uniform(2e5, 4e6, symbols)
    payout = np.where(draw.random(symbols) < PAYING, draw.uniform(*YIELDS, symbols), 0.0)
    every = max(int(QUARTER / pace), 1)
    pay_day = draw.integers(0, every, symbols)
    crashes = 0
    for place in range(len(sessions)):
        if place:
            splits = draw.random(symbols) < pace * SPLITS_A_YEAR / YEAR
            ratio = np.where(splits, draw.choice(RATIOS, symbols), 1.0)
            split[place] = np.where(level / ratio > LEAST_PRICE, ratio, 1.0)
            paid = np.where(place % every == pay_day, payout, 0.0)
            dividend[place] = np.round(paid * level / split[place], 4)
        level = level / split[place] - dividend[place]
        shares = shares * split[place]
        crash = draw.random(symbols) < pace * CRASHES_A_YEAR / YEAR
        crashes += int(crash.sum())
        level = level * np.where(crash, draw.uniform(*CRASH, symbols), 1.0)
        prices[:, place] = _bar(level, draw)
        level = prices[3, place]
        volume[place] = np.round(shares * draw.uniform(0.8, 1.25, symbols) * np.where(crash, HEAVY, 1.0))
    names = [f"S{number:03d}" for number in range(symbols)]
    return Market(
        sessions=sessions, symbols=names, prices=prices, volume=volume, split=split, dividend=dividend,
        crashes=crashes,
    )  # fmt: skip


def _bar(level: Floats, draw: np.random.Generator) -> Floats:
    """Return open, high, low and close of a session that starts about a level, in cents."""
    opened = level * np.exp(draw.normal(0, DAILY_MOVE / 3, level.size))
    closed = opened * np.exp(draw.normal(0, DAILY_MOVE, level.size))
    high = np.maximum(opened, closed) * (1 + draw.uniform(0, 0.006, level.size))
    low = np.minimum(opened, closed) * (1 - draw.uniform(0, 0.006, level.size))
    rounded: Floats = np.round(np.stack([opened, high, low, closed]), 2)
    return rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One vendor of the market's bars.

    Attributes
    ----------
    market : Market
    basis : {"raw", "split", "total_return"}
        Raw rows tell of splits and dividends, split-adjusted ones of dividends, in the units of the file.
    """

    market: Market
    basis: PriceBasis

    def units(self, evening: int) -> Floats:
        """Return what the prices of each session are multiplied with in an evening's file."""
        until = np.cumprod(self.market.restating(self.basis), axis=0)[: evening + 1]
        scale: Floats = until[-1] / until
        return scale

    def first_units(self, loaded: int) -> Floats:
        """Return the units in which each session was delivered first, after a load up to place `loaded`."""
        units = np.ones_like(self.market.split)
        units[: loaded + 1] = self.units(loaded)
        return units

    def bars(self, evening: int) -> pl.DataFrame:
        """Return the whole file of an evening: all sessions so far of all symbols."""
        market, until = self.market, slice(0, evening + 1)
        units, shares = self.units(evening), Vendor(market=market, basis=self._of_shares).units(evening)
        columns: dict[str, Any] = {
            "symbol": list(market.symbols) * (evening + 1),
            "session": [session for session in market.sessions[until] for _ in market.symbols],
        }
        names = ("open", "high", "low", "close")
        columns |= dict(zip(names, (market.prices[:, until] * units).reshape(4, -1), strict=True))
        columns["volume"] = np.round(market.volume[until] / shares).astype(np.int64).ravel()
        if self.basis == "raw":
            columns["split"] = market.split[until].ravel()
        if self.basis != "total_return":
            columns["dividend"] = np.round(market.dividend[until] * units, 4).ravel()
        prices = pl.col(*names).round(2)
        return pl.DataFrame(columns).with_columns(prices)

    @property
    def _of_shares(self) -> PriceBasis:
        return "raw" if self.basis == "raw" else "split"

    def write(self, target: Path, evening: int, at: datetime) -> None:
        """Write an evening's file over the last one."""
        bars = self.bars(evening)
        shown = bars.with_columns(pl.col("open", "high", "low", "close").map_batches(_in_cents))
        shown.write_csv(target)
        os.utime(target, (at.timestamp(), at.timestamp()))


def _in_cents(prices: pl.Series) -> pl.Series:
    """Return prices as they are printed, with two places."""
    cents = (prices * 100).round(0).cast(pl.Int64)
    return (cents // 100).cast(pl.String) + "." + (cents % 100).cast(pl.String).str.zfill(2)
