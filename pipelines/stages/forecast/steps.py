"""Which sessions may be forecast, and how one session's universe becomes forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from features.sessions import INSTANT
from models.base import Forecaster
from pipelines.tables.version_chains import month_of_session

QUANTILES = ("q10", "q50", "q90")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastSessions:
    """Sessions to forecast, in order, and how many were refused or marked.

    Attributes
    ----------
    sessions : tuple of date
        Sessions to forecast.
    in_sample : frozenset of date
        Those of them that the model was fitted on.
    refused : int
        In-sample sessions that were left out.
    """

    sessions: tuple[date, ...]
    in_sample: frozenset[date]
    refused: int


def choose_sessions(
    decisions: Mapping[date, datetime], fitted_until: datetime, *, allow_in_sample: bool
) -> ForecastSessions:
    """Separate the sessions that the model has seen from those it has not.

    Parameters
    ----------
    decisions : mapping of session to its decision instant
    fitted_until : datetime
        Last `label_end` of the rows the model was fitted on. A session whose decision came before
        it is in-sample: outcomes that the forecast speaks of went into the model.
    allow_in_sample : bool
        Keep such sessions and mark them.
    """
    seen = frozenset(session for session, decided in decisions.items() if decided < fitted_until)
    kept = sorted(decisions if allow_in_sample else set(decisions) - seen)
    return ForecastSessions(
        sessions=tuple(kept), in_sample=seen & set(kept), refused=0 if allow_in_sample else len(seen)
    )


def plan_history(sessions: Sequence[date], calendar: pl.DataFrame, length: int) -> pl.DataFrame:
    """Return which feature sessions each forecast session looks at.

    Parameters
    ----------
    sessions : sequence of date
        Sessions to forecast.
    calendar : polars.DataFrame
        Consecutive sessions that reach `length` - 1 sessions before the first of them, with
        `session`, `event_timestamp` and `decision_at`.
    length : int
        Sessions of history that one forecast needs, its own included.

    Returns
    -------
    polars.DataFrame
        `forecast_session` with its `event_timestamp` and `decision_at`, and `session`: one row for
        each session looked at.
    """
    placed = calendar.with_row_index("place").with_columns(pl.col("place").cast(pl.Int64))
    wanted = placed.filter(pl.col("session").is_in(list(sessions))).rename({"session": "forecast_session"})
    back = pl.DataFrame({"back": range(length)}, schema={"back": pl.Int64})
    pairs = wanted.join(back, how="cross").with_columns((pl.col("place") - pl.col("back")).alias("place"))
    looked_at = pairs.join(placed.select("place", "session"), on="place", how="inner")
    return looked_at.select("forecast_session", "event_timestamp", "decision_at", "session").sort(
        "forecast_session", "session"
    )


def score_universe(rows: pl.DataFrame, forecaster: Forecaster, session: date) -> pl.DataFrame:
    """Forecast all symbols that have a row of `session`.

    Parameters
    ----------
    rows : polars.DataFrame
        Feature rows of `session` and, for sequence models, of the sessions before it, each as known
        at the session's decision instant.

    Returns
    -------
    polars.DataFrame
        `symbol`, `session`, `value`, `rank` ((r - ½)/n within the universe, ties averaged), `q10`,
        `q50`, `q90` (null where the family has none) and `universe` (n); sorted by symbol.
    """
    present = rows.filter(pl.col("session") == session).select("symbol")
    if present.is_empty():
        return pl.DataFrame(schema=_SCORED)
    known = rows.join(present, on="symbol", how="semi").sort("session", "symbol")
    scored = forecaster.predict(known, first_session=session)
    missing = [pl.lit(None, pl.Float64).alias(name) for name in QUANTILES if name not in scored.columns]
    rank = (pl.col("value").rank("average") - 0.5) / pl.len()
    ranked = scored.with_columns(
        rank.cast(pl.Float64).alias("rank"), pl.len().cast(pl.Int32).alias("universe"), *missing
    )
    return ranked.select(*_SCORED).sort("symbol")


_SCORED = {
    "symbol": pl.String,
    "session": pl.Date,
    "value": pl.Float64,
    "rank": pl.Float64,
    **dict.fromkeys(QUANTILES, pl.Float64),
    "universe": pl.Int32,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What is the same for every forecast of a run."""

    horizon: int
    model_key: str
    model_version: str
    family: str
    issued_at: datetime
    in_sample: frozenset[date]


def forecast_group(rows: pl.DataFrame, forecaster: Forecaster, stamp: Stamp) -> pl.DataFrame:
    """Turn what one forecast session looks at into its rows of gold.forecasts.

    Parameters
    ----------
    rows : polars.DataFrame
        `forecast_session`, its `event_timestamp` and `decision_at` (each one value), and the
        feature rows looked at.
    """
    session, closed, decided = rows.select("forecast_session", "event_timestamp", "decision_at").row(0)
    scored = score_universe(rows, forecaster, session)
    return scored.with_columns(
        pl.lit(stamp.horizon, pl.Int32).alias("horizon"),
        pl.lit(stamp.model_key).alias("model_key"),
        pl.lit(stamp.model_version).alias("model_version"),
        pl.lit(stamp.family).alias("family"),
        pl.lit(decided, INSTANT).alias("decision_at"),
        pl.lit(stamp.issued_at, INSTANT).alias("issued_at"),
        pl.lit(closed, INSTANT).alias("event_timestamp"),
        pl.lit(session in stamp.in_sample).alias("in_sample"),
        month_of_session(),
    )
