"""The simulated market as a vendor delivers it: what arrived between two instants, and the truth of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from features.sessions import SessionCalendar
from simulation.faults import MAX_DELAY, inject_faults, repeat_some
from simulation.market_path import MarketDay, market_path
from simulation.params import FaultParams, SimulatedParams
from simulation.random_streams import Stream, draw_for_session
from simulation.symbols import ticker_of
from simulation.texts import MAX_DELAY as TEXT_DELAY
from simulation.texts import SCHEMA as TEXT_SCHEMA
from simulation.texts import compose_texts

_NUMBERS = ("open", "high", "low", "close", "volume", "dividend", "split")
BAR_SCHEMA: dict[str, Any] = {
    "symbol": pl.String,
    "session": pl.Date,
    **dict.fromkeys(_NUMBERS, pl.Float64),
    "received_at": pl.Datetime("us"),
}


class SimulatedFeed:
    """A simulated market, delivered like a vendor's feed.

    Bars arrive 15 to 40 minutes after the close, texts one to five minutes after publication.

    Parameters
    ----------
    params : SimulatedParams
    """

    def __init__(self, params: SimulatedParams) -> None:
        self._params = params

    def deliver_bars(self, after: datetime, until: datetime) -> pl.DataFrame:
        """Return the bars with ``after < received_at <= until``, faults included.

        Parameters
        ----------
        after, until : datetime
            Instants in UTC. Windows that meet give together what one window over both gives.

        Returns
        -------
        polars.DataFrame, shape (n_rows_sent, 10)
            `BAR_SCHEMA` with instants in UTC: prices raw and in currency, `dividend` in currency a share,
            `split` new shares for one; null where the feed left a value out.
        """
        frames = [
            inject_faults(_arrived(day, self._params), day.session, self._params.faults, self._params.seed)
            for day in self._days(after - MAX_DELAY, until)
        ]
        return _received(frames, BAR_SCHEMA, after, until)

    def deliver_texts(self, after: datetime, until: datetime) -> pl.DataFrame:
        """Return the texts with ``after < received_at <= until``, repeats included.

        Parameters
        ----------
        after, until : datetime
            Instants in UTC.

        Returns
        -------
        polars.DataFrame, shape (n_rows_sent, 5)
            `simulation.texts.SCHEMA` with instants in UTC; no nulls.
        """
        opens = _calendar(self._params.calendar)
        # A session that closes at midnight bears the date of the day before.
        closure = opens.longest_reach + timedelta(days=1)
        days = self._days(after - closure, until + closure)
        frames = [
            repeat_some(
                compose_texts(self._params, opens, day, before),
                day.session,
                self._params.faults,
                self._params.seed,
            )
            for before, day in pairwise(days)
            if opens.close_at(day.session) > after - TEXT_DELAY and opens.close_at(before.session) < until
        ]
        return _received(frames, TEXT_SCHEMA, after, until)

    def _days(self, first: datetime, last: datetime) -> list[MarketDay]:
        """Return the market's sessions from the date of `first` to that of `last`."""
        low, high = first.date(), last.date()
        days = market_path(_without_faults(self._params)).until(high)
        return [day for day in days if low <= day.session <= high]


def compute_oracle(params: SimulatedParams, first: date, last: date) -> pl.DataFrame:
    """Return what an all-knowing forecaster would say: the true expected returns.

    Parameters
    ----------
    params : SimulatedParams
    first, last : date
        Sessions wanted, both included.

    Returns
    -------
    polars.DataFrame, shape (n_listed_rows, 3)
        `symbol`, `session`, `score`: the expected log return from the close of t+1 to the close of
        t+6 given all that is seen at the close of t, up to a common drift. Zero in the null market.
    """
    return pl.concat(
        pl.DataFrame(
            {
                "symbol": _tickers(day),
                "session": pl.Series([day.session] * int(day.listed.sum()), dtype=pl.Date),
                "score": day.score[day.listed],
            }
        )
        for day in _clean_days(params, first, last)
    )


def compute_true_bars(params: SimulatedParams, first: date, last: date) -> pl.DataFrame:
    """Return the market's bars without any fault of the feed: as delivered on time."""
    bars = pl.concat(_arrived(day, params) for day in _clean_days(params, first, last))
    return bars.with_columns(pl.col("received_at").dt.replace_time_zone("UTC"))


def _clean_days(params: SimulatedParams, first: date, last: date) -> Iterator[MarketDay]:
    days = market_path(_without_faults(params)).until(last)
    return (day for day in days if first <= day.session <= last)


def _without_faults(params: SimulatedParams) -> SimulatedParams:
    """Return the parameters that the market itself depends on, so that feeds share one path."""
    return replace(params, faults=FaultParams())


@lru_cache(maxsize=4)
def _calendar(name: str) -> SessionCalendar:
    return SessionCalendar(name)


def _tickers(day: MarketDay) -> list[str]:
    return [ticker_of(int(identity)) for identity in day.identity[day.listed]]


def _arrived(day: MarketDay, params: SimulatedParams) -> pl.DataFrame:
    """Return the session's bars with their arrival (UTC, without a zone), in order of symbol."""
    draw = draw_for_session(params.seed, Stream.DELIVERY, day.session)
    seconds = draw.integers(15 * 60, 40 * 60, len(day.listed)).astype("timedelta64[s]")
    close_at = _calendar(params.calendar).close_at(day.session).replace(tzinfo=None)
    tickers = np.array(_tickers(day))
    order = np.argsort(tickers)
    rows = np.flatnonzero(day.listed)[order]
    return pl.DataFrame(
        {
            "symbol": tickers[order].tolist(),
            "session": np.full(len(rows), np.datetime64(day.session, "D")),
            **{name: getattr(day, name)[rows] for name in _NUMBERS},
            "received_at": np.datetime64(close_at, "us") + seconds[rows],
        }
    )


def _received(
    frames: list[pl.DataFrame], schema: Mapping[str, Any], after: datetime, until: datetime
) -> pl.DataFrame:
    """Return the rows that arrived in the window, instants in UTC."""
    rows = (
        pl.concat(frame for frame in frames if frame.height)
        if any(map(len, frames))
        else pl.DataFrame(schema=schema)
    )
    zoned = rows.with_columns(pl.col(pl.Datetime("us")).dt.replace_time_zone("UTC"))
    return zoned.filter((pl.col("received_at") > after) & (pl.col("received_at") <= until))
