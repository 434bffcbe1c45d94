"""How one session's universe becomes an issue of forecasts: scored, ranked once, named by its inputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from features.sessions import INSTANT
from models.base import Forecaster
from models.identity import digest_frame
from pipelines.base.context import Context
from pipelines.io.feature_retrieval import read_features
from pipelines.io.feature_store import open_feature_store
from pipelines.io.frames import Frame
from pipelines.io.model_folder import PackedForecaster, pack_forecaster
from pipelines.registry.champion import Champion
from pipelines.tables import queries
from pipelines.tables.contracts import GOLD_FORECASTS
from pipelines.tables.scope import dates_condition
from pipelines.tables.version_chains import month_of_session
from serving.online.rows import ISSUED_FORECASTS

QUANTILES = ("q10", "q50", "q90")
INSTANTS = ("event_timestamp", "cutoff_at", "decision_at")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStep:
    """What is done with one session, here or in a Spark worker; the model is loaded once a process."""

    model: PackedForecaster
    stamp: Stamp

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Forecast one session's universe."""
        return forecast_group(rows, self.model.load(), self.stamp)


def score_sessions(
    context: Context,
    champion: Champion,
    sessions: Sequence[date],
    *,
    issued_at: datetime,
    in_sample: frozenset[date] = frozenset(),
    packed: PackedForecaster | None = None,
) -> Frame:
    """Return an issue of each session, from the vectors known at its cut; nothing is written.

    Parameters
    ----------
    sessions : sequence of date
        In order, at least one.
    in_sample : frozenset of date
        Those of them whose outcomes went into the model.
    packed : PackedForecaster, optional
        The forecaster's files, if they are to be others than those of the champion's folder.

    Returns
    -------
    Frame
        Rows of `gold.forecasts`; a symbol without a valid vector of its session has none.
    """
    lineage, calendar, version = champion.lineage, context.calendar, champion.entry.model_version
    known = calendar.frame(calendar.look_back(sessions[0], lineage.history_sessions - 1), sessions[-1])
    plan = plan_history(sessions, known, lineage.history_sessions)
    step = GroupStep(
        model=packed or pack_forecaster(champion.folder, f"{lineage.model_key}-v{version}"),
        stamp=Stamp(
            horizon=lineage.horizon_sessions,
            model_key=lineage.model_key,
            model_version=version,
            family=lineage.family,
            issued_at=issued_at,
            in_sample=in_sample,
        ),
    )
    rows = read_features(context, plan, lineage.feature_names, at="cutoff_at")
    return context.lake.map_groups(rows, ["forecast_session"], step, GOLD_FORECASTS.schema)


def read_issued(context: Context, champion: Champion, session: date) -> pl.DataFrame:
    """Return what a champion has issued for a session, rows of `gold.forecasts`: a universe bounds them."""
    query = queries.issued_forecasts(
        GOLD_FORECASTS,
        GOLD_FORECASTS.columns,
        model_key=champion.lineage.model_key,
        where=dates_condition([session]),
    )
    return context.lake.collect_query(query, GOLD_FORECASTS)


def publish_issued(context: Context, champion: Champion, session: date) -> int:
    """Publish what the champion has issued for a session and return how many symbols changed.

    Rows come from the table, not from the run, so a re-run after a crash publishes what was issued. They
    replace those of another model for this session, whenever it issued them: the caller knows that this one
    is champion. Marked in-sample rows are kept out: nobody may take them for forecasts.
    """
    issued = read_issued(context, champion, session).filter(~pl.col("in_sample"))
    return open_feature_store(context).publish(issued, ISSUED_FORECASTS, speaker="model_key")
