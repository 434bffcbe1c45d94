"""Injected feed faults: what a session's rows look like after a bad day at the vendor's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import polars as pl

from simulation.params import RATES, FaultParams
from simulation.random_streams import Stream, draw_for_session

PRICES = ("open", "high", "low", "close")
MAX_DELAY = timedelta(days=7)
"""No row arrives later than this after its session's close."""

Fault = Callable[[pl.DataFrame, np.random.Generator], pl.DataFrame]


def inject_faults(rows: pl.DataFrame, session: date, params: FaultParams, seed: int) -> pl.DataFrame:
    """Return the rows of one session as a faulty feed sends them.

    Parameters
    ----------
    rows : polars.DataFrame
        One row a symbol, prices and volume as Float64, `received_at` in UTC.

    Returns
    -------
    polars.DataFrame
        The same columns, sorted by symbol and arrival; a symbol has at most one kind of fault.
    """
    if not params.hit(session) or rows.is_empty():
        return rows
    draw = draw_for_session(seed, Stream.FAULTS, session)
    order = draw.permutation(rows.height)
    parts, start = [], 0
    at_least = 1 if params.fault_sessions else 0
    for kind in RATES:
        rate = getattr(params, kind)
        drawn = int(draw.binomial(rows.height, rate))
        count = max(drawn, at_least) if rate > 0 else 0
        hit = rows[np.sort(order[start : start + count])]
        parts.append(_FAULTS[kind](hit, draw))
        start += count
    parts.append(rows[np.sort(order[start:])])
    return pl.concat(parts).sort("symbol", "received_at", "session")


def repeat_some(texts: pl.DataFrame, session: date, params: FaultParams, seed: int) -> pl.DataFrame:
    """Return the texts of one session, some of them sent twice."""
    if not params.hit(session) or texts.is_empty() or not params.duplicates:
        return texts
    draw = draw_for_session(seed, Stream.TEXT_FAULTS, session)
    twice = texts.filter(pl.Series(draw.random(texts.height) < params.duplicates))
    return pl.concat([texts, twice])


def _nulls(rows: pl.DataFrame, draw: np.random.Generator) -> pl.DataFrame:
    which = pl.Series(draw.integers(0, 5, rows.height))
    fields = (*PRICES, "volume")
    return rows.with_columns(
        pl.when(which != number).then(pl.col(name)).alias(name) for number, name in enumerate(fields)
    )


def _bad_ticks(rows: pl.DataFrame, draw: np.random.Generator) -> pl.DataFrame:
    up = draw.random(rows.height) < 0.5
    size = draw.uniform(1.4, 2.0, rows.height)
    return _scaled(rows, np.where(up, size, 1 / size))


def _corrections(rows: pl.DataFrame, draw: np.random.Generator) -> pl.DataFrame:
    wrong = _scaled(rows, 1 + draw.choice([-1, 1], rows.height) * draw.uniform(0.01, 0.05, rows.height))
    days = pl.Series(draw.integers(1, 6, rows.height)) * timedelta(days=1)
    right = rows.with_columns(received_at=pl.col("received_at") + days)
    return pl.concat([wrong, right])


def _late_arrivals(rows: pl.DataFrame, draw: np.random.Generator) -> pl.DataFrame:
    delay = pl.Series(draw.integers(16 * 60, 72 * 60, rows.height)) * timedelta(minutes=1)
    return rows.with_columns(received_at=pl.col("received_at") + delay)


def _off_calendar(rows: pl.DataFrame, _: np.random.Generator) -> pl.DataFrame:
    ahead = (6 - pl.col("session").dt.weekday()).cast(pl.Int64) * timedelta(days=1)
    return pl.concat([rows, rows.with_columns(session=pl.col("session") + ahead)])


_FAULTS: dict[str, Fault] = {
    "nulls": _nulls,
    "bad_ticks": _bad_ticks,
    "duplicates": lambda rows, _: pl.concat([rows, rows]),
    "corrections": _corrections,
    "missing_symbols": lambda rows, _: rows.clear(),
    "late_arrivals": _late_arrivals,
    "ohlc_violations": lambda rows, _: rows.with_columns(
        high=pl.col("low") - 0.01, low=pl.col("high") + 0.01
    ),
    "negative_prices": lambda rows, _: rows.with_columns(close=-pl.col("close")),
    "off_calendar": _off_calendar,
}


def _scaled(rows: pl.DataFrame, factor: np.ndarray) -> pl.DataFrame:
    """Return the rows with all four prices multiplied, still consistent and in cents."""
    by = pl.Series(factor)
    return rows.with_columns((pl.col(name) * by).round(2) for name in PRICES)
