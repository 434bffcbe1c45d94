"""Bars in which everything happens that features stumble over: for checks that want rare events."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

from features.sessions import SessionCalendar
from simulation.feed import compute_true_bars
from simulation.params import SimulatedParams

START = date(2016, 1, 4)
PRICES = ("open", "high", "low", "close")
QUIET = 8
"""Sessions for which a symbol stands still."""
HALT = 6
"""Sessions for which trading in a symbol may be halted."""
TURNOVER = 0.3
"""Share of the symbols that leave within a year."""


def eventful_bars(symbols: int, sessions: int, seed: int) -> pl.DataFrame:
    """Return simulated bars with splits, dividends, gaps, ties, silences, listings and delistings.

    Parameters
    ----------
    symbols : int
        That trade at a time; as some leave, others come.
    sessions : int
        From the first session of 2016 of NYSE.
    seed : int

    Returns
    -------
    polars.DataFrame
        One row a bar, sorted by symbol and session: symbol, session, open, high, low, close (currency),
        volume, dividend (currency a share, 0 where none), split (new shares for one), price_basis, valid,
        known_at and cutoff_at (UTC). Every row is known by the cut of its session. Rows with valid = false
        hold nulls.
    """
    calendar = SessionCalendar()
    last = calendar.shift(START, sessions - 1)
    params = SimulatedParams(
        symbols=symbols,
        seed=seed,
        start=START,
        sectors=5,
        alpha_rank_ic=0.04,
        annual_turnover=TURNOVER,
        headline_rate=0,
        post_rate=0,
        calendar=calendar.name,
        timezone="America/New_York",
    )
    bars = compute_true_bars(params, START, last).sort("symbol", "session")
    cuts = calendar.frame(START, last).select("session", "cutoff_at")
    bars = bars.rename({"received_at": "known_at"}).join(
        cuts, on="session", how="left", maintain_order="left"
    )
    return _with_events(bars, np.random.default_rng(seed))


def _with_events(bars: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    bars = _split_more(bars, random)
    bars = _stand_still(bars, random)
    # First bars are silent or void more often: what is filled backwards shows there alone.
    first = (bars.get_column("symbol") != bars.get_column("symbol").shift(1)).fill_null(value=True).to_numpy()
    silent = pl.Series(random.random(bars.height) < np.where(first, 0.2, 0.004))
    void = pl.Series(random.random(bars.height) < np.where(first, 0.1, 0.002))
    bars = bars.with_columns(
        volume=pl.when(silent).then(0.0).otherwise("volume"), valid=~void, price_basis=pl.lit("raw")
    ).with_columns(pl.when(~void).then(pl.col(name)).alias(name) for name in (*PRICES, "volume"))
    # A run of missing bars now and then: what is filled over it shows there alone.
    starts = random.random(bars.height) < 0.004
    gone = starts.copy()
    for length in (1, 2, 3):
        gone[length:] |= starts[:-length] & (random.random(bars.height - length) < 0.4)
    halted = random.random(bars.height) < 0.0015
    for length in range(1, HALT):
        gone[length:] |= halted[:-length]
    columns = ["symbol", "session", *PRICES, "volume", "dividend", "split", "price_basis", "valid"]
    return bars.filter(~pl.Series(gone)).select(*columns, "known_at", "cutoff_at")


def _split_more(bars: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    """Add splits: what lies behind one is in its units."""
    new = (random.random(bars.height) < 0.002) & (bars.get_column("dividend") == 0).to_numpy()
    ratio = pl.Series(np.where(new, random.choice([2.0, 3.0, 1.5, 0.5], bars.height), 1.0))
    first = pl.col("session") == pl.col("session").min().over("symbol")
    added = bars.with_columns(added=pl.when(first).then(1.0).otherwise(ratio))
    since = pl.col("added").cum_prod().over("symbol")
    return added.with_columns(
        *((pl.col(name) / since).round(4).alias(name) for name in PRICES),
        volume=(pl.col("volume") * since).round(),
        dividend=pl.col("dividend") / since,
        split=pl.col("split") * pl.col("added"),
    ).drop("added")


def _stand_still(bars: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    """Let a few symbols stand at one price for a while, as thinly traded ones do."""
    starts = random.random(bars.height) < 0.0015
    age = np.arange(bars.height) - np.maximum.accumulate(np.where(starts, np.arange(bars.height), -QUIET))
    # A stretch ends with an action: behind it the same price is another value.
    acted = (pl.col("split") != 1.0) | (pl.col("dividend") != 0.0)
    marked = bars.with_columns(
        starts=pl.Series(starts), young=pl.Series(age < QUIET), era=acted.cum_sum().over("symbol")
    )
    anchor = pl.when("starts").then("close").forward_fill().over("symbol", "era")
    same = pl.when(pl.col("young") & pl.col("anchor").is_not_null()).then("anchor")
    still = marked.with_columns(anchor=anchor).with_columns(
        same.otherwise(name).alias(name) for name in PRICES
    )
    return still.select(bars.columns)


def eventful_texts(bars: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return scored texts about the symbols of some bars: none on most of their sessions, several on a few.

    Returns
    -------
    polars.DataFrame
        text_id, symbol, session, negative, neutral, positive (probabilities), known_at and cutoff_at (UTC).
    """
    random = np.random.default_rng(seed)
    count = pl.Series("count", random.poisson(0.7, bars.height))
    keys = bars.select("symbol", "session", "cutoff_at").with_columns(count)
    said = keys.filter(pl.col("count") > 0).select(pl.exclude("count").repeat_by("count").explode())
    classes = random.dirichlet((1.0, 2.0, 1.0), said.height)
    names = ("negative", "neutral", "positive")
    return said.select(
        pl.format("t{}", pl.int_range(pl.len())).alias("text_id"),
        "symbol",
        "session",
        *(pl.Series(name, classes[:, number]) for number, name in enumerate(names)),
        known_at=pl.col("cutoff_at") - timedelta(hours=2),
        cutoff_at="cutoff_at",
    )
