"""Score the sessions of the window with the champion of the as-of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from pipelines.base.context import Context
from pipelines.base.errors import BadDataError, LookAheadError
from pipelines.base.report import SessionRange, StageReport, standing
from pipelines.io.model_folder import PackedForecaster, pack_forecaster
from pipelines.registry.champion import Champion, champion_at, load_champion
from pipelines.stages.forecast.contract import READS, WRITES
from pipelines.stages.forecast.params import ForecastParams
from pipelines.stages.forecast.publish import publish_issued, read_issued
from pipelines.stages.forecast.steps import Choice, Stamp, choose_sessions, forecast_group, plan_history
from pipelines.stages.forecast.universe import read_universe
from pipelines.tables.contracts import GOLD_FORECASTS
from pipelines.tables.scope import months_between


def run(context: Context, window: SessionRange) -> StageReport:
    """Issue forecasts for the window's sessions; what was issued before stays as it is."""
    entry = champion_at(context, window.end)
    if entry is None:
        why = f"no champion as of {window.end}: run train, evaluate and promote first"
        return StageReport(stage="forecast", status="nothing_to_do", details={"why": why})
    champion = load_champion(context, entry)
    choice = choose(context, window, champion)
    inputs, before = standing(context.lake.versions(READS)), context.lake.versions(WRITES)
    inserted = issue(context, champion, choice)
    silent = without_forecast(context, champion, choice)
    if len(silent) == len(choice.sessions):
        raise BadDataError(nothing_to_score(silent[-1]))
    published = publish_issued(context, read_issued(context, champion, window.end))
    return StageReport(
        stage="forecast",
        rows_out=inserted,
        sessions_touched=len(choice.sessions) if inserted else 0,
        inputs=inputs,
        versions_before=before,
        outputs=standing(context.lake.versions(WRITES)),
        details=describe(champion, choice)
        | {"published": published, "without_forecast": [str(session) for session in silent]},
    )


def without_forecast(context: Context, champion: Champion, choice: Choice) -> list[date]:
    """Return the chosen sessions of which no symbol could be scored, in this run or before."""
    first, last = choice.sessions[0], choice.sessions[-1]
    standing_rows = context.lake.collect_query(
        f"select distinct session from gold_forecasts where {months_between(first, last)} "
        f"and model_key = '{champion.ancestry.model_key}'",
        GOLD_FORECASTS,
    )
    return sorted(set(choice.sessions) - set(standing_rows.get_column("session")))


def nothing_to_score(session: date) -> str:
    """Return why no session of a window got a forecast, and what to look at."""
    return (
        f"no symbol has a valid feature row of {session} that was known at its decision instant, so there is "
        "no forecast; see whether its bars arrived in time (`bellwether show bronze.bars --session "
        f"{session}`), then run ingest, curate and build_features again"
    )


def choose(context: Context, window: SessionRange, champion: Champion) -> Choice:
    """Return the sessions that the champion may forecast.

    Raises
    ------
    LookAheadError
        If it has seen the outcomes of all of them.
    """
    decisions = {
        day: context.calendar.decision_at(day) for day in context.calendar.sessions(window.start, window.end)
    }
    fitted_until = champion.ancestry.fitted_until
    choice = choose_sessions(
        decisions, fitted_until, allow_in_sample=context.params(ForecastParams).in_sample
    )
    if not choice.sessions:
        msg = (
            f"sessions {window.start} to {window.end} are in-sample: {champion.entry.headline()} was "
            f"fitted on outcomes up to {fitted_until.isoformat()}; forecast later sessions, or add "
            "--set forecast.in_sample=true to get marked rows"
        )
        raise LookAheadError(msg)
    return choice


def issue(context: Context, champion: Champion, choice: Choice) -> int:
    """Score the chosen sessions and add the rows that do not stand yet; return how many."""
    ancestry, calendar = champion.ancestry, context.calendar
    first = calendar.shift(choice.sessions[0], 1 - ancestry.history_sessions)
    plan = plan_history(
        choice.sessions, calendar.frame(first, choice.sessions[-1]), ancestry.history_sessions
    )
    step = GroupStep(
        model=pack_forecaster(champion.folder, f"{ancestry.model_key}-v{champion.entry.model_version}"),
        stamp=stamp_of(context, champion, choice),
    )
    rows = read_universe(context.lake, plan, ancestry.feature_names)
    forecasts = context.lake.map_groups(rows, ["forecast_session"], step, GOLD_FORECASTS.schema)
    scope = months_between(choice.sessions[0], choice.sessions[-1])
    return context.lake.insert_absent(GOLD_FORECASTS, forecasts, scope=scope)


def stamp_of(context: Context, champion: Champion, choice: Choice) -> Stamp:
    """Return what is the same for every forecast of this run."""
    return Stamp(
        horizon=champion.ancestry.horizon,
        model_key=champion.ancestry.model_key,
        model_version=champion.entry.model_version,
        family=champion.ancestry.family,
        issued_at=context.clock(),
        in_sample=choice.in_sample,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStep:
    """What is done with one session, here or in a Spark worker; the model is loaded once a process."""

    model: PackedForecaster
    stamp: Stamp

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Forecast one session's universe."""
        return forecast_group(rows, self.model.load(), self.stamp)


def describe(champion: Champion, choice: Choice) -> dict[str, Any]:
    """Return which model spoke, what it lost when it was installed, and what was refused."""
    return {
        "champion": champion.entry.headline(),
        "model_version": champion.entry.model_version,
        "model_key": champion.ancestry.model_key,
        "family": champion.ancestry.family,
        "lost": list(champion.entry.lost),
        "sessions": len(choice.sessions),
        "in_sample_marked": len(choice.in_sample),
        "in_sample_refused": choice.refused,
    }
