"""The embedded default source: a deterministic market that needs no download."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import polars as pl

from features.sessions import INSTANT
from pipelines.io.sources.base import (
    BAR_COLUMNS,
    INSTANT_FORMAT,
    TEXT_COLUMNS,
    Arrival,
    Delivery,
    Provision,
    ReadRequest,
    identify_delivery,
    write_instant,
)
from simulation.feed import SimulatedFeed
from simulation.params import SimulatedParams


class SimulatedSource:
    """The simulated market as a source, asked by window; see `simulation.feed`.

    A window's rows are made in this process: sessions x symbols of them, 12 columns each. What arrives
    after the window's end is not there yet.

    Parameters
    ----------
    name : str
    params : SimulatedParams
    """

    def __init__(self, name: str, params: SimulatedParams) -> None:
        self.name = name
        said = partial(Provision, calendar=params.calendar, timezone=params.timezone)
        self.provides = {"bars": said(price_basis="raw"), "texts": said()}
        self._feed = SimulatedFeed(params)

    def arrival(self, kind: str) -> Arrival:
        """Say that every kind of record comes with its arrival."""
        del kind
        return "column"

    def lists_here(self, kind: str) -> bool:
        """Say that only a read tells whether there is anything new."""
        del kind
        return False

    def list_deliveries(self, kind: str, request: ReadRequest) -> list[Delivery]:
        """Return the one response to the window, given at its end."""
        window = f"{kind} received in ({write_instant(request.after)}, {write_instant(request.until)}]"
        return [identify_delivery(window, request.until)]

    def check(self, kind: str, delivery: Delivery) -> None:
        """Say that a response can always be read."""
        del kind, delivery

    def read(self, kind: str, deliveries: Sequence[Delivery], request: ReadRequest) -> pl.DataFrame:
        """Return the records received in the window; see `Source.read`."""
        columns = {"bars": BAR_COLUMNS, "texts": TEXT_COLUMNS}[kind]
        if not deliveries:
            return pl.DataFrame(schema=dict.fromkeys((*columns, "delivery"), pl.String))
        deliver = self._feed.deliver_bars if kind == "bars" else self._feed.deliver_texts
        sent = _as_sent(deliver(request.after, request.until), columns)
        return sent.with_columns(pl.lit(deliveries[0].id).alias("delivery"))


def _as_sent(rows: pl.DataFrame, columns: tuple[str, ...]) -> pl.DataFrame:
    """Return the rows as a feed would write them: text throughout, whole numbers without a point."""
    sent = rows.with_columns(pl.col(INSTANT).dt.strftime(INSTANT_FORMAT))
    if "volume" in rows.columns:
        sent = sent.with_columns(
            pl.col("volume").cast(pl.Int64), pl.lit(None, pl.String).alias("adjusted_close")
        )
    return sent.select(pl.col(columns).cast(pl.String))
