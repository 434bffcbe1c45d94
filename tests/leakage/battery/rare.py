"""Leaks on a few sessions only, in values that read other symbols; honest values of single precision inside.

Written by one who set out to pass the firewall. What reads other symbols is no witness where every symbol
has a cut of its own, so it is tried at far fewer cuts.
"""

from __future__ import annotations

import polars as pl

from tests.leakage.battery.leaks import KEY, RETURN, from_pandas

MOVE = pl.col("move")
DATE = pl.col("session").dt


def _peeking(bars: pl.DataFrame, when: pl.Expr) -> pl.DataFrame:
    """Return the return's rank in its session; where told, that of the coming one."""
    moves = bars.with_columns(move=RETURN).with_columns(market=MOVE.mean().over("session"))
    coming = pl.when(when).then(MOVE.shift(-1).over("symbol")).otherwise("move")
    peeked = moves.with_columns(peeked=coming)
    return peeked.select(
        *KEY, feature=pl.col("peeked").rank().over("session"), previous=MOVE.rank().over("session")
    )


def rank_on_the_13th(bars: pl.DataFrame) -> pl.DataFrame:
    return _peeking(bars, DATE.day() == 13)


def rank_at_the_quarter(bars: pl.DataFrame) -> pl.DataFrame:
    quarter = DATE.quarter()
    return _peeking(bars, (quarter != quarter.shift(-1).over("symbol")).fill_null(value=False))


def rank_at_expiry(bars: pl.DataFrame) -> pl.DataFrame:
    return _peeking(bars, (DATE.weekday() == 5) & DATE.day().is_between(15, 21))


def rank_after_a_crash(bars: pl.DataFrame) -> pl.DataFrame:
    return _peeking(bars, pl.col("market") <= pl.col("market").rolling_min(40, min_samples=1).over("symbol"))


def open_of_wednesdays(bars: pl.DataFrame) -> pl.DataFrame:
    gap = pl.col("open") * pl.col("split") / pl.col("close").shift(1).over("symbol")
    seen = pl.when(DATE.weekday() == 3).then(pl.col("close") / pl.col("open")).otherwise(gap)
    return bars.with_columns(seen=seen).select(*KEY, feature=pl.col("seen").rank().over("session"))


def _adjusted_in_single(bars: pl.DataFrame) -> pl.DataFrame:
    """Return adjusted closes as a vendor gives them: divided by all later splits, in single precision."""
    later = pl.col("split").reverse().cum_prod().reverse().over("symbol") / pl.col("split")
    return bars.with_columns(adjusted=(pl.col("close") / later).cast(pl.Float32))


def single_inside(bars: pl.DataFrame) -> pl.DataFrame:
    adjusted = pl.col("adjusted")
    moves = (adjusted / adjusted.shift(1).over("symbol") - 1.0).cast(pl.Float64)
    return _adjusted_in_single(bars).select(*KEY, feature=moves)


def single_inside_of_pandas(bars: pl.DataFrame) -> pl.DataFrame:
    frame = _adjusted_in_single(bars).select(*KEY, "adjusted").to_pandas()
    moves = frame.groupby("symbol").adjusted.pct_change(fill_method=None).astype("float64")
    frame["feature"] = moves.groupby(frame.symbol).transform(lambda one: one.rolling(10).std())
    return from_pandas(frame[[*KEY, "feature"]])


LEAKS = (rank_on_the_13th, rank_at_the_quarter, rank_at_expiry, rank_after_a_crash, open_of_wednesdays)
HONEST = (single_inside, single_inside_of_pandas)
KNOWN = {"open_of_wednesdays": {"feature": "open"}}
