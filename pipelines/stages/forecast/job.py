"""Score the sessions of the range with the champion of the as-of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from feature_repo.definitions import ISSUED_VIEW
from pipelines.base.context import Context
from pipelines.base.errors import BadDataError, LookAheadError
from pipelines.base.report import Outcome, SessionRange, nothing_to_do
from pipelines.io.feature_retrieval import read_features
from pipelines.io.feature_store import open_feature_store
from pipelines.io.model_folder import PackedForecaster, pack_forecaster
from pipelines.registry.champion import Champion, champion_at, load_champion
from pipelines.stages.forecast.params import ForecastParams
from pipelines.stages.forecast.steps import (
    ForecastSessions,
    Stamp,
    choose_sessions,
    forecast_group,
    plan_history,
)
from pipelines.tables import queries
from pipelines.tables.contracts import GOLD_FORECASTS
from pipelines.tables.scope import dates_condition, range_condition


def run(context: Context, sessions: SessionRange) -> Outcome:
    """Issue forecasts for the sessions; what was issued before stays as it is."""
    entry = champion_at(context, sessions.end)
    if entry is None:
        return nothing_to_do(f"no champion as of {sessions.end}: run train, evaluate and promote first")
    champion = load_champion(context, entry)
    chosen = choose(context, sessions, champion)
    inserted = issue(context, champion, chosen)
    silent = without_forecast(context, champion, chosen)
    if len(silent) == len(chosen.sessions):
        session = silent[-1]
        msg = (
            f"no symbol has a valid feature row of {session} that was known at its decision instant, so "
            "there is no forecast; see whether its bars arrived in time (`bellwether show bronze.bars "
            f"--session {session}`), then run ingest, curate and build_features again"
        )
        raise BadDataError(msg)
    published = publish_issued(context, champion, sessions.end)
    return Outcome(
        rows_out=inserted,
        sessions_touched=len(chosen.sessions) if inserted else 0,
        details=describe(champion, chosen)
        | {"published": published, "without_forecast": [str(session) for session in silent]},
    )


def without_forecast(context: Context, champion: Champion, chosen: ForecastSessions) -> list[date]:
    """Return the chosen sessions of which no symbol could be scored, in this run or before."""
    scope = range_condition(chosen.sessions[0], chosen.sessions[-1])
    issued = queries.issued_forecasts(
        GOLD_FORECASTS, ["session"], model_key=champion.lineage.model_key, where=scope
    )
    found = context.lake.collect_query(queries.distinct(issued), GOLD_FORECASTS)
    return sorted(set(chosen.sessions) - set(found.get_column("session")))


def choose(context: Context, sessions: SessionRange, champion: Champion) -> ForecastSessions:
    """Return the sessions that the champion may forecast.

    Raises
    ------
    LookAheadError
        If it has seen the outcomes of all of them.
    """
    decisions = {
        day: context.calendar.decision_at(day)
        for day in context.calendar.sessions(sessions.start, sessions.end)
    }
    fitted_until = champion.lineage.fitted_until
    chosen = choose_sessions(
        decisions, fitted_until, allow_in_sample=context.params(ForecastParams).in_sample
    )
    if not chosen.sessions:
        msg = (
            f"sessions {sessions.start} to {sessions.end} are in-sample: {champion.entry.headline()} was "
            f"fitted on outcomes up to {fitted_until.isoformat()}; forecast later sessions, or add "
            "--set forecast.in_sample=true to get marked rows"
        )
        raise LookAheadError(msg)
    return chosen


def issue(context: Context, champion: Champion, chosen: ForecastSessions) -> int:
    """Score the chosen sessions and add the rows that are not there yet; return how many."""
    lineage, calendar = champion.lineage, context.calendar
    first, last = chosen.sessions[0], chosen.sessions[-1]
    known = calendar.frame(calendar.shift(first, 1 - lineage.history_sessions), last)
    plan = plan_history(chosen.sessions, known, lineage.history_sessions)
    step = GroupStep(
        model=pack_forecaster(champion.folder, f"{lineage.model_key}-v{champion.entry.model_version}"),
        stamp=Stamp(
            horizon=lineage.horizon_sessions,
            model_key=lineage.model_key,
            model_version=champion.entry.model_version,
            family=lineage.family,
            issued_at=context.clock(),
            in_sample=chosen.in_sample,
        ),
    )
    rows = read_features(context, plan, lineage.feature_names, at="decision_at")
    forecasts = context.lake.map_groups(rows, ["forecast_session"], step, GOLD_FORECASTS.schema)
    return context.lake.insert_absent(GOLD_FORECASTS, forecasts, scope=range_condition(first, last))


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStep:
    """What is done with one session, here or in a Spark worker; the model is loaded once a process."""

    model: PackedForecaster
    stamp: Stamp

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Forecast one session's universe."""
        return forecast_group(rows, self.model.load(), self.stamp)


def publish_issued(context: Context, champion: Champion, session: date) -> int:
    """Publish what the champion has issued for a session and return how many symbols changed.

    Rows come from the table, not from the run, so a re-run after a crash publishes what was issued. Marked
    in-sample rows are kept out: nobody may take them for forecasts.
    """
    if not context.params(ForecastParams).publish:
        return 0
    query = queries.issued_forecasts(
        GOLD_FORECASTS,
        GOLD_FORECASTS.columns,
        model_key=champion.lineage.model_key,
        where=dates_condition([session]),
    )
    issued = context.lake.collect_query(query, GOLD_FORECASTS)
    return open_feature_store(context).publish(issued.filter(~pl.col("in_sample")), ISSUED_VIEW)


def describe(champion: Champion, chosen: ForecastSessions) -> dict[str, Any]:
    """Return which model spoke, what it lost when it was installed, and what was refused."""
    return {
        "champion": champion.entry.headline(),
        "model_version": champion.entry.model_version,
        "model_key": champion.lineage.model_key,
        "family": champion.lineage.family,
        "lost": list(champion.entry.lost),
        "sessions": len(chosen.sessions),
        "in_sample_marked": len(chosen.in_sample),
        "in_sample_refused": chosen.refused,
    }
