"""Issue the forecasts of the range with the champion of the as-of, each session's universe once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from pipelines.base.context import Context
from pipelines.base.cut import wait_for_cut
from pipelines.base.errors import BadDataError, LookAheadError
from pipelines.base.report import Outcome, SessionRange, nothing_to_do
from pipelines.io.running_service import answers_otherwise
from pipelines.io.sources.feeds import check_primary_bars
from pipelines.registry.binding import check_binding
from pipelines.registry.champion import Champion, champion_at, load_champion
from pipelines.registry.forecast_params import ForecastParams
from pipelines.registry.issue import publish_issued, score_sessions
from pipelines.registry.universe import completeness_at_cuts
from pipelines.stages.forecast.steps import (
    ForecastSessions,
    SortedOut,
    choose_sessions,
    judge_status,
)
from pipelines.tables import queries
from pipelines.tables.completeness import waited_until
from pipelines.tables.contracts import GOLD_FORECASTS
from pipelines.tables.scope import range_condition

log = logging.getLogger(__name__)


def run(context: Context, sessions: SessionRange) -> Outcome:
    """Issue forecasts for the sessions that have none; a universe that was ranked once is never added to."""
    wait_for_cut(context, sessions.end)
    check_primary_bars(context)
    entry = champion_at(context, sessions.end)
    if entry is None:
        return nothing_to_do(f"no champion as of {sessions.end}: run train, evaluate and promote first")
    champion = load_champion(context, entry)
    check_binding(context, champion.entry.model_version, champion.lineage)
    chosen = choose(context, sessions, champion)
    sorted_out = sort_out(context, champion, chosen)
    issued_at = context.clock()
    inserted = issue(context, champion, chosen, sorted_out.due, issued_at) if sorted_out.due else 0
    silent = sorted(set(sorted_out.due) - issued_sessions(context, champion, chosen))
    if silent and not (inserted or sorted_out.issued_before):
        raise BadDataError(_explain_silence(silent[-1]))
    published = publish(context, champion, sessions.end)
    return Outcome(
        status=judge_status(inserted, sorted_out),
        rows_out=inserted,
        sessions_touched=len(sorted_out.due) - len(silent),
        details=describe(champion, chosen)
        | sorted_out.describe()
        | describe_replays(context, set(sorted_out.due) - set(silent), issued_at)
        | {"published": published, "without_forecast": [str(session) for session in silent]},
    )


def sort_out(context: Context, champion: Champion, chosen: ForecastSessions) -> SortedOut:
    """Return which of the chosen sessions are to be issued now, and what becomes of the others."""
    before = issued_sessions(context, champion, chosen)
    open_ones = [session for session in chosen.sessions if session not in before]
    at_cut = completeness_at_cuts(context, open_ones)
    short = {day: found.explain() for day, found in at_cut.items() if not found.is_complete}
    now = context.clock()
    waiting = tuple(day for day in short if now < waited_until(context, day))
    return SortedOut(
        issued_before=tuple(sorted(before)),
        due=tuple(session for session in open_ones if session not in short),
        waiting=waiting,
        missed=tuple(day for day in short if day not in waiting),
        short=short,
    )


def issued_sessions(context: Context, champion: Champion, chosen: ForecastSessions) -> set[date]:
    """Return the chosen sessions that the champion has issued, in this run or before."""
    scope = range_condition(chosen.sessions[0], chosen.sessions[-1])
    horizon = queries.of_horizon(champion.lineage.horizon_sessions, scope)
    issued = queries.issued_forecasts(
        GOLD_FORECASTS, ["session"], model_key=champion.lineage.model_key, where=horizon
    )
    found = context.lake.collect_query(queries.distinct(issued), GOLD_FORECASTS)
    return set(found["session"]) & set(chosen.sessions)


def choose(context: Context, sessions: SessionRange, champion: Champion) -> ForecastSessions:
    """Return the sessions that the champion may forecast.

    Raises
    ------
    LookAheadError
        If it has seen the outcomes of all of them.
    """
    cuts = {
        day: context.calendar.cutoff_at(day)
        for day in context.calendar.sessions(sessions.start, sessions.end)
    }
    fitted_until = champion.lineage.fitted_until
    chosen = choose_sessions(cuts, fitted_until, allow_in_sample=context.params(ForecastParams).in_sample)
    if not chosen.sessions:
        msg = (
            f"sessions {sessions.start} to {sessions.end} are in-sample: {champion.entry.headline()} was "
            f"fitted on outcomes up to {fitted_until.isoformat()}; forecast later sessions, or add "
            "--set forecast.in_sample=true to get marked rows"
        )
        raise LookAheadError(msg)
    return chosen


def issue(
    context: Context,
    champion: Champion,
    chosen: ForecastSessions,
    due: Sequence[date],
    issued_at: datetime,
) -> int:
    """Score the due sessions from the vectors known at their cuts, in one commit; return the rows added."""
    forecasts = score_sessions(context, champion, due, issued_at=issued_at, in_sample=chosen.in_sample)
    return context.lake.insert_absent(GOLD_FORECASTS, forecasts, scope=range_condition(due[0], due[-1]))


def publish(context: Context, champion: Champion, session: date) -> int:
    """Publish what the champion has issued and return how many symbols changed.

    Only if it is the one that answers: the online store holds one model's forecasts. One that the running
    service does not follow yet brings its own along, and `install` publishes them.
    """
    current = champion_at(context, date.max)
    decided = current is not None and current.model_key == champion.lineage.model_key
    if not (decided and context.params(ForecastParams).publish):
        return 0
    if answers_otherwise(context.home, champion.lineage.model_key):
        log.warning("the running service answers with another model still; nothing is published for it")
        return 0
    return publish_issued(context, champion, session)


def describe_replays(context: Context, issued: set[date], issued_at: datetime) -> dict[str, Any]:
    """Return whether what was issued came after its decision: a replay, which nobody could have used."""
    late = sum(issued_at > context.calendar.decision_at(session) for session in issued)
    return {"replay": late > 0, "replays": late}


def _explain_silence(session: date) -> str:
    return (
        f"no symbol has a valid feature row of {session} that was known at its cut, so there is no forecast; "
        f"see whether its bars arrived in time (`bellwether show bronze.bars --session {session}`), then run "
        "ingest, curate and build_features again"
    )


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
