"""Which sessions may be forecast, and how one session's universe becomes an issue of forecasts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import polars as pl

from features.sessions import INSTANT
from models.base import Forecaster
from models.identity import digest_frame
from pipelines.base.report import Status
from pipelines.tables.version_chains import month_of_session

QUANTILES = ("q10", "q50", "q90")
INSTANTS = ("event_timestamp", "cutoff_at", "decision_at")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SortedOut:
    """What becomes of the sessions that the model may forecast.

    Attributes
    ----------
    issued_before : tuple of date
        An issue stands; nothing is ever added to it.
    due : tuple of date
        Complete at their cut, and not issued yet.
    waiting, missed : tuple of date
        Incomplete at their cut: within the grace, in which the rest may still come, and after it.
    short : mapping of session to str
        What the incomplete ones lack.
    """

    issued_before: tuple[date, ...]
    due: tuple[date, ...]
    waiting: tuple[date, ...]
    missed: tuple[date, ...]
    short: Mapping[date, str]

    def describe(self) -> dict[str, Any]:
        """Return what a reader of the report wants to know of the sessions that were not issued now."""
        told: dict[str, Any] = {
            "issued_before": len(self.issued_before),
            "waiting": [str(session) for session in self.waiting],
            "missed": [str(session) for session in self.missed],
        }
        if not self.short:
            return told
        lacking = "; ".join(list(self.short.values())[:5])
        remedy = "accept it with `bellwether accept-partial`, or forecast other sessions"
        why = f"incomplete at their cut: {lacking}; {remedy}"
        missed = ", ".join(told["missed"][-5:])
        alerts = [f"no forecast was issued for {missed}, and none will be: {why}"] if missed else []
        return told | {"why": why, "alerts": alerts}


def judge_status(inserted: int, found: SortedOut) -> Status:
    """Return how the run ends: with something issued, or standing, or why there is none."""
    if found.waiting:
        return "waiting"
    if inserted:
        return "done"
    return "unchanged" if found.issued_before else "nothing_to_do"


def choose_sessions(
    cuts: Mapping[date, datetime], fitted_until: datetime, *, allow_in_sample: bool
) -> ForecastSessions:
    """Separate the sessions that the model has seen from those it has not.

    Parameters
    ----------
    cuts : mapping of session to its cut
    fitted_until : datetime
        Last `label_end` of the rows the model was fitted on. A session whose cut came before
        it is in-sample: outcomes that the forecast speaks of went into the model.
    allow_in_sample : bool
        Keep such sessions and mark them.
    """
    seen = frozenset(session for session, cut in cuts.items() if cut < fitted_until)
    kept = sorted(cuts if allow_in_sample else set(cuts) - seen)
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
        `session`, `event_timestamp`, `cutoff_at` and `decision_at`.
    length : int
        Sessions of history that one forecast needs, its own included.

    Returns
    -------
    polars.DataFrame
        `forecast_session` with its `event_timestamp`, `cutoff_at` and `decision_at`, and `session`: one
        row for each session looked at.
    """
    placed = calendar.with_row_index("place").with_columns(pl.col("place").cast(pl.Int64))
    wanted = placed.filter(pl.col("session").is_in(list(sessions))).rename({"session": "forecast_session"})
    back = pl.DataFrame({"back": range(length)}, schema={"back": pl.Int64})
    pairs = wanted.join(back, how="cross").with_columns((pl.col("place") - pl.col("back")).alias("place"))
    looked_at = pairs.join(placed.select("place", "session"), on="place", how="inner")
    return looked_at.select("forecast_session", *INSTANTS, "session").sort("forecast_session", "session")


def rows_scored(rows: pl.DataFrame, session: date) -> pl.DataFrame:
    """Return what the model is handed: the rows of the symbols that have one of `session`, sorted."""
    present = rows.filter(pl.col("session") == session).select("symbol")
    return rows.join(present, on="symbol", how="semi").sort("session", "symbol")


def digest_inputs(rows: pl.DataFrame, session: date, features: Sequence[str]) -> str:
    """Return the SHA-256 of the vectors that a session's universe was scored with.

    Parameters
    ----------
    rows : polars.DataFrame
        As of `score_universe`, in any order.
    features : sequence of str
        What the model reads, in any order.

    Returns
    -------
    str
        64 hexadecimal digits; symbols, sessions and the features' 64-bit values count, nothing else. Null
        and NaN differ, all NaNs are one. The same vectors give the same digest, wherever they were read.
    """
    return digest_frame(rows_scored(rows, session), features)


def name_issue(session: date, horizon: int, model_key: str, input_digest: str) -> str:
    """Return the name of an issue: one universe, ranked once by one model from these vectors."""
    said = json.dumps([str(session), horizon, model_key, input_digest])
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def score_universe(rows: pl.DataFrame, forecaster: Forecaster, session: date) -> pl.DataFrame:
    """Forecast all symbols that have a row of `session`.

    Parameters
    ----------
    rows : polars.DataFrame
        Feature rows of `session` and, for sequence models, of the sessions before it, each as known
        at the session's cut.

    Returns
    -------
    polars.DataFrame
        `symbol`, `session`, `value`, `rank` ((r - ½)/n within the universe, ties averaged), `q10`,
        `q50`, `q90` (null where the family has none) and `universe` (n); sorted by symbol.
    """
    known = rows_scored(rows, session)
    if known.is_empty():
        return pl.DataFrame(schema=_SCORED)
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
        `forecast_session`, its `event_timestamp`, `cutoff_at` and `decision_at` (each one value), and the
        feature rows looked at.
    """
    session, closed, cut, decided = rows.select("forecast_session", *INSTANTS).row(0)
    scored = score_universe(rows, forecaster, session)
    inputs = digest_inputs(rows, session, forecaster.feature_names)
    return scored.with_columns(
        pl.lit(stamp.horizon, pl.Int32).alias("horizon"),
        pl.lit(stamp.model_key).alias("model_key"),
        pl.lit(stamp.model_version).alias("model_version"),
        pl.lit(stamp.family).alias("family"),
        pl.lit(name_issue(session, stamp.horizon, stamp.model_key, inputs)).alias("issue"),
        pl.lit(inputs).alias("input_digest"),
        pl.lit(cut, INSTANT).alias("cutoff_at"),
        pl.lit(decided, INSTANT).alias("decision_at"),
        pl.lit(stamp.issued_at, INSTANT).alias("issued_at"),
        pl.lit(closed, INSTANT).alias("event_timestamp"),
        pl.lit(session in stamp.in_sample).alias("in_sample"),
        month_of_session(),
    )
