"""The rows on which features are checked: simulated, of a file, or of the home's lake; one a bar."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from features.panel import BAR_RECORD
from features.sessions import SessionCalendar
from features.views import FeatureView, primary_view
from pipelines.base.context import Context
from pipelines.base.errors import SettingsError

NEEDED = ("symbol", "session", "open", "high", "low", "close", "volume")
KEPT = (*NEEDED, "vwap", "price_basis", "valid", "dividend", "split", "rebase", "share_rebase", "jump")
BAR_KEY = ("symbol", "session")


def read_bars_file(path: Path, calendar: SessionCalendar) -> pl.DataFrame:
    """Read bars of a Parquet file.

    Parameters
    ----------
    path : Path
        symbol, session, open, high, low, close, volume; what there is of vwap, price_basis, valid, dividend,
        split and known_at is kept, any other column left out.

    Returns
    -------
    polars.DataFrame
        One row a bar, with known_at and cutoff_at, sorted by symbol and session. Of several versions of a bar
        the newest one known at its session's cut; without known_at every row counts as known at the cut.

    Raises
    ------
    SettingsError
        If it cannot be read, lacks columns, doubles a bar or names days that are no sessions of the calendar.
    """
    try:
        rows = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        msg = f"--bars {path} cannot be read: {error}; name a Parquet file, 'simulated' or 'lake'"
        raise SettingsError(msg) from error
    lacking = [name for name in NEEDED if name not in rows.columns]
    if lacking:
        msg = f"--bars {path} lacks the columns {lacking}; it needs {list(NEEDED)}"
        raise SettingsError(msg)
    kept = [name for name in KEPT if name in rows.columns]
    known = ["known_at"] if "known_at" in rows.columns else []
    numbers = [name for name in kept if rows.schema[name].is_numeric()]
    rows = rows.select(*kept, *known).with_columns(
        pl.col(numbers).cast(pl.Float64), pl.col("session").cast(pl.Date), pl.col("symbol").cast(pl.String)
    )
    bars = known_by_cut(_with_cuts(rows, calendar, f"--bars {path}"), BAR_KEY)
    return _with_defaults(bars)


def read_lake_rows(
    context: Context, view: FeatureView, *, symbols: int, sessions: int, seed: int
) -> pl.DataFrame:
    """Read the newest rows of a view's source, as known at the cut of their session.

    Parameters
    ----------
    symbols, sessions : int
        How many symbols, drawn at random, and how many sessions up to the last one.

    Returns
    -------
    polars.DataFrame
        The view's `source_columns` and cutoff_at, sorted by symbol and session.

    Raises
    ------
    SettingsError
        If the lake holds none.
    """
    from pipelines.io.sources.params import FeedsParams
    from pipelines.io.text_models import scorer_version
    from pipelines.io.text_params import TextParams
    from pipelines.tables import queries
    from pipelines.tables.view_sources import source_query, tables_of

    feeds, scorer = context.params(FeedsParams), scorer_version(context.params(TextParams))
    query, tables = source_query(view, bars=feeds.bars, texts=feeds.texts, scorer=scorer), tables_of(view)
    lake = context.lake
    if not all(lake.exists(table) for table in tables):
        msg = (
            f"the lake of {context.home.root} holds no {view.source} yet; load a history, or leave --bars out"
        )
        raise SettingsError(msg)
    last: date | None = lake.collect_query(queries.extent(tables[0], "session", "true"), tables[0])[
        "last"
    ].item()
    if last is None:
        msg = (
            f"the lake of {context.home.root} holds no {view.source} yet; load a history, or leave --bars out"
        )
        raise SettingsError(msg)
    last = context.calendar.last_on_or_before(last)
    span = context.calendar.frame(context.calendar.look_back(last, sessions - 1), last)["session"]
    rows = lake.collect_query(queries.restricted(query, queries.session_span(span)), *tables)
    chosen = bounded(rows.filter(pl.col("session").is_in(span.implode())), symbols, sessions, seed)
    if chosen.is_empty():
        msg = f"the lake of {context.home.root} holds no {view.source} of its last {sessions} sessions"
        raise SettingsError(msg)
    return known_by_cut(_with_cuts(chosen, context.calendar, "the lake"), view.version_key)


def known_by_cut(rows: pl.DataFrame, key: tuple[str, ...]) -> pl.DataFrame:
    """Return of each key the newest version known at its session's cut, sorted by symbol and session."""
    known = rows.filter(pl.col("known_at") <= pl.col("cutoff_at")).sort(*key, "known_at", maintain_order=True)
    return known.unique(list(key), keep="last", maintain_order=True).sort(
        "symbol", "session", maintain_order=True
    )


def bounded(rows: pl.DataFrame, symbols: int, sessions: int, seed: int) -> pl.DataFrame:
    """Return the rows of the newest sessions, and of so many symbols, drawn at random."""
    newest = rows.get_column("session").unique().sort().tail(sessions)
    recent = rows.filter(pl.col("session").is_in(newest.implode()))
    names = recent.get_column("symbol").unique().sort().to_list()
    drawn = np.random.default_rng(seed).permutation(len(names))[:symbols]
    return recent.filter(pl.col("symbol").is_in([names[number] for number in drawn]))


def bars_of(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a source of bars and actions as bars with their actions beside them."""
    bars = rows.filter(pl.col("record") == BAR_RECORD)
    for kind, neutral in (("dividend", 0.0), ("split", 1.0)):
        actions = rows.filter(pl.col("record") == kind, pl.col("valid")).select(
            *BAR_KEY, pl.col("value").alias(kind)
        )
        bars = bars.join(actions, on=BAR_KEY, how="left", maintain_order="left")
        bars = bars.with_columns(pl.col(kind).fill_null(neutral))
    return bars.drop("record", "value", "share_value")


def source_rows_of(bars: pl.DataFrame, view: FeatureView) -> pl.DataFrame:
    """Return bars with their actions beside them as the rows of a source of bars and actions."""
    happened = {"split": pl.col("split") != 1.0, "dividend": pl.col("dividend") != 0.0}
    actions = [
        bars.filter(there).select(
            *BAR_KEY,
            "known_at",
            "cutoff_at",
            record=pl.lit(kind),
            value=pl.col(kind),
            valid=pl.lit(value=True),
        )
        for kind, there in happened.items()
        if kind in bars.columns
    ]
    rows = pl.concat([bars.with_columns(record=pl.lit(BAR_RECORD)), *actions], how="diagonal")
    absent = [name for name in ("value", "share_value") if name not in rows.columns]
    rows = rows.with_columns(pl.lit(None, pl.Float64).alias(name) for name in absent)
    return rows.select(*view.source_columns, "cutoff_at").sort(*BAR_KEY, "record")


def simulated_rows(view: FeatureView | None, *, symbols: int, sessions: int, seed: int) -> pl.DataFrame:
    """Return simulated bars, or the rows that a view is built from.

    Raises
    ------
    SettingsError
        If nothing simulates the view's source.
    """
    from simulation.eventful_bars import eventful_bars, eventful_texts

    bars = eventful_bars(symbols, sessions, seed)
    if view is None:
        return bars
    made = {
        primary_view().source: lambda: source_rows_of(bars, view),
        "scored_texts": lambda: eventful_texts(bars, seed),
    }
    if view.source not in made:
        msg = f"view {view.name} reads {view.source}, which nothing simulates; check it with --bars lake"
        raise SettingsError(msg)
    return made[view.source]()


def _with_cuts(rows: pl.DataFrame, calendar: SessionCalendar, what: str) -> pl.DataFrame:
    days = rows["session"].unique().sort()
    strange = [day for day in days if not calendar.is_session(day)]
    if strange or not len(days):
        found = f"{strange[0]} is no session of {calendar.name}" if strange else "there is no row"
        msg = f"{what}: {found}; name the calendar with --set calendar.name=…, or give other bars"
        raise SettingsError(msg)
    cuts = calendar.frame(days[0], days[-1]).select("session", "cutoff_at")
    rows = rows.join(cuts, on="session", how="left", maintain_order="left")
    return rows if "known_at" in rows.columns else rows.with_columns(known_at="cutoff_at")


def _with_defaults(bars: pl.DataFrame) -> pl.DataFrame:
    defaults = {"price_basis": pl.lit("raw"), "valid": pl.lit(value=True)}
    absent = {name: value for name, value in defaults.items() if name not in bars.columns}
    return bars.with_columns(**absent)
