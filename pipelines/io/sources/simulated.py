"""The embedded default source: a deterministic market that needs no download."""

from __future__ import annotations

from functools import partial

import polars as pl

from features.sessions import INSTANT
from pipelines.io.sources.base import BAR_COLUMNS, INSTANT_FORMAT, TEXT_COLUMNS, Provision, ReadRequest
from simulation.feed import SimulatedFeed
from simulation.params import SimulatedParams


class SimulatedSource:
    """The simulated market as a source; see `simulation.feed`.

    A window's rows are made in this process: sessions x symbols of them, 12 columns each.

    Parameters
    ----------
    name : str
    params : SimulatedParams
    """

    def __init__(self, name: str, params: SimulatedParams) -> None:
        self.name = name
        said = partial(Provision, calendar=params.calendar, timezone=params.timezone)
        self.provides = {"bars": said(price_basis="raw"), "texts": said()}
        self._timezone = params.timezone
        self._feed = SimulatedFeed(params)

    def delivers_received_at(self, kind: str) -> bool:
        """Say that every kind of record comes with its arrival."""
        return kind in self.provides

    def read(self, kind: str, request: ReadRequest) -> pl.DataFrame | None:
        """Return the records received in the window; see `Source.read`."""
        arrivals = request.arrivals_after(self._timezone), request.received_until
        if kind == "bars":
            return _as_sent(self._feed.deliver_bars(*arrivals), BAR_COLUMNS)
        return _as_sent(self._feed.deliver_texts(*arrivals), TEXT_COLUMNS) if kind in self.provides else None


def _as_sent(rows: pl.DataFrame, columns: tuple[str, ...]) -> pl.DataFrame:
    """Return the rows as a feed would write them: text throughout, whole numbers without a point."""
    sent = rows.with_columns(pl.col(INSTANT).dt.strftime(INSTANT_FORMAT))
    if "volume" in rows.columns:
        sent = sent.with_columns(
            pl.col("volume").cast(pl.Int64), pl.lit(None, pl.String).alias("adjusted_close")
        )
    return sent.select(pl.col(columns).cast(pl.String))
