"""Rows on which revisions are compared: of a home's lake, of a file, of the simulated market."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

import polars as pl

from features.feature import MAX_LOOKBACK_SESSIONS
from features.panel import BAR_RECORD, BARS
from features.params import CalendarParams
from features.sessions import SessionCalendar
from features.views import KEY, FeatureView, feature_views
from pipelines.base.context import Context
from pipelines.base.errors import BadDataError
from pipelines.io.frames import conform
from pipelines.io.sources.params import FeedsParams
from pipelines.io.text_models import scorer_version
from pipelines.io.text_params import TextParams
from pipelines.registry.feature_revisions import SourceRows
from pipelines.tables import queries
from pipelines.tables.contracts import SILVER_BARS
from pipelines.tables.view_sources import (
    columns_of,
    holds_bars,
    primary_bars,
    read_together,
    source_query,
    tables_of,
)
from simulation.feed import compute_true_bars
from simulation.params import SimulatedParams

_NOTHING_HAPPENED = {"split": 1.0, "dividend": 0.0}
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSize:
    """How much is compared: the newest `sessions`, their look-back read too, of the first `symbols`."""

    sessions: int
    symbols: int

    @property
    def reach(self) -> int:
        """Sessions before the last one that are read: those compared and the longest look-back."""
        return self.sessions - 1 + MAX_LOOKBACK_SESSIONS


def has_bars(context: Context) -> bool:
    """Tell whether the home's lake holds any bar of the primary feed; asked of a home that is there."""
    return holds_bars(context.lake, context.params(FeedsParams).bars)


def read_lake(context: Context, size: SampleSize) -> SourceRows:
    """Return the newest rows of the lake, of the sources of all of today's views."""
    lake, calendar = context.lake, context.calendar
    feeds, scorer = context.params(FeedsParams), scorer_version(context.params(TextParams))
    feed = primary_bars(feeds.bars)
    last = lake.collect_query(queries.extent(SILVER_BARS, "session", feed), SILVER_BARS)["last"].item()
    sessions = calendar.sessions(calendar.look_back(last, size.reach), last)
    span = queries.session_span(pl.Series(sessions))
    within = f"{feed} and {queries.session_span(pl.Series(sessions[-size.sessions :]))}"
    named = lake.collect_query(queries.distinct_values(SILVER_BARS, "symbol", within), SILVER_BARS)
    symbols = named["symbol"].sort().head(size.symbols).to_list()
    rows = {}
    for source, view in _view_a_source().items():
        query = source_query(view, bars=feeds.bars, texts=feeds.texts, scorer=scorer)
        scope = f"{span} and {queries.among('symbol', symbols)}"
        if all(lake.exists(table) for table in tables_of(view)):
            found = lake.collect_query(queries.restricted(query, scope), *tables_of(view))
            rows[source] = conform(found, columns_of(view))
    described = f"{len(symbols)} symbols of {SILVER_BARS.name}"
    return _framed(rows, calendar, context.params(CalendarParams), size, described)


def read_file(path: Path, context: Context, size: SampleSize) -> SourceRows:
    """Return the newest rows of a Parquet file of bars; see `to_source_rows`.

    Raises
    ------
    BadDataError
        If it is no such file, or none of its rows is of a session.
    """
    try:
        bars = to_source_rows(pl.read_parquet(path))
    except (OSError, pl.exceptions.PolarsError) as error:
        msg = f"--bars {path} cannot be read as a Parquet file of bars: {str(error).splitlines()[0]}"
        raise BadDataError(msg) from error
    calendar = context.calendar
    own = bars.filter(pl.col("session").is_in(calendar.sessions(calendar.first, calendar.last)))
    if own.is_empty():
        msg = f"--bars {path}: none of its {bars.height} rows is of a session of {calendar.name}"
        raise BadDataError(msg)
    return _framed({"bars": own}, calendar, context.params(CalendarParams), size, str(path))


def simulate(params: SimulatedParams, home: CalendarParams, size: SampleSize) -> SourceRows:
    """Return the first sessions of a simulated market, without a fault of its feed."""
    own = replace(home, name=params.calendar)
    calendar = SessionCalendar(**asdict(own))
    first = calendar.session_for(datetime.combine(params.start, datetime.min.time(), tzinfo=UTC))
    last = calendar.shift(first, size.reach)
    small = replace(params, symbols=min(params.symbols, size.symbols))
    bars = to_source_rows(compute_true_bars(small, first, last))
    return _framed({"bars": bars}, calendar, own, size, "the simulated market")


def to_source_rows(bars: pl.DataFrame) -> pl.DataFrame:
    """Return bars as views of the source ``bars`` read them: a row a bar, and one an action of its session.

    Parameters
    ----------
    bars : polars.DataFrame
        `symbol`, `session`, `open`, `high`, `low`, `close` and `volume`; where there are any `dividend`
        (currency a share), `split` (new shares for one), `price_basis` (raw), `valid` (true), `known_at` or
        `received_at` (the latest of two versions counts). Rows with `record`, as the lake has them, may hold
        actions of their own.

    Returns
    -------
    polars.DataFrame
        The source columns of today's views of bars.

    Raises
    ------
    BadDataError
        Naming the columns that are missing.
    """
    lacking = [name for name in (*KEY, *BARS) if name not in bars.columns]
    if lacking:
        msg = f"bars lack {', '.join(lacking)}; they have {', '.join(bars.columns)}"
        raise BadDataError(msg)
    known = next((name for name in ("known_at", "received_at") if name in bars.columns), None)
    given = {
        "known_at": pl.col(known) if known else pl.lit(_LONG_AGO),
        "session": pl.col("session").str.to_date()
        if bars["session"].dtype == pl.String
        else pl.col("session"),
    }
    defaults: Mapping[str, Any] = {"record": BAR_RECORD, "price_basis": "raw", "valid": True}
    rows = bars.with_columns(**given, **{
        name: pl.lit(value) for name, value in defaults.items() if name not in bars.columns
    })  # fmt: skip
    happened = [
        rows.filter(pl.col(kind) != nothing).select(
            *KEY, "known_at", record=pl.lit(kind), value=pl.col(kind), valid=True
        )
        for kind, nothing in _NOTHING_HAPPENED.items()
        if kind in bars.columns
    ]
    types = columns_of(_view_a_source()["bars"])
    every = pl.concat([rows, *happened], how="diagonal_relaxed")
    absent = {name: pl.lit(None, dtype) for name, dtype in types.items() if name not in every.columns}
    return conform(every.with_columns(**absent), types)


def _view_a_source() -> dict[str, FeatureView]:
    """Return, for each source, a view that reads the columns of all views of it."""
    sources = dict.fromkeys(view.source for view in feature_views())
    return {
        source: read_together(view for view in feature_views() if view.source == source) for source in sources
    }


def _framed(
    rows: Mapping[str, pl.DataFrame],
    calendar: SessionCalendar,
    params: CalendarParams,
    size: SampleSize,
    described: str,
) -> SourceRows:
    """Return rows of the newest sessions, of the first symbols that have any in those compared."""
    last = cast("date", rows["bars"]["session"].max())
    sessions = calendar.sessions(calendar.look_back(last, size.reach), last)
    compared = rows["bars"].filter(pl.col("session").is_in(sessions[-size.sessions :]))
    symbols = compared["symbol"].unique().sort().head(size.symbols)
    kept = {
        source: frame.filter(pl.col("session").is_in(sessions), pl.col("symbol").is_in(symbols.to_list()))
        for source, frame in rows.items()
    }
    return SourceRows(
        by_source=kept,
        sessions=sessions,
        wanted=min(size.sessions, len(sessions)),
        calendar=asdict(params),
        described=described,
    )
