"""Compare the recent past with a reference window, say whether it drifted, and draw the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

import polars as pl

from pipelines.base.context import Context
from pipelines.base.digest import digest_of
from pipelines.base.report import Outcome, SessionRange, existing
from pipelines.base.small_files import read_record, replace_text
from pipelines.io.drift import render_report
from pipelines.io.lake import run_concurrently
from pipelines.registry.champion import champion_at
from pipelines.stages.monitor import STAGE, read
from pipelines.stages.monitor.compose import FORECAST, Findings, compose_page, mean_rank_ic
from pipelines.stages.monitor.pages import render_index
from pipelines.stages.monitor.params import MonitorParams
from pipelines.stages.monitor.steps import (
    IN_TIME,
    DriftWindows,
    choose_windows,
    is_training_due,
    last_issue,
    measure_sessions,
    realise_ic,
)
from pipelines.stages.monitor.verdict import Verdict, judge
from pipelines.tables.contracts import select_tables

INDEX = "index.html"


def define(context: Context, sessions: SessionRange) -> str:
    """Return a digest of what is compared: windows, thresholds, the features shown, the as-of."""
    shown = read.choose_features(context, sessions.end)
    return digest_of(context.params(MonitorParams), shown, str(sessions.end))


def run(context: Context, sessions: SessionRange, definition: str) -> Outcome:
    """Write the report, the verdict and the index of the range's end."""
    as_of, params = sessions.end, context.params(MonitorParams)
    inputs = existing(context.lake.versions(select_tables(STAGE.reads)))
    written = read_record(context.home.reports / f"{as_of}.json")
    last = context.run_log.last("monitor")
    if written and (last.definition, last.inputs) == (definition, inputs):
        return Outcome(status="unchanged", details=written)
    shown = read.choose_features(context, as_of)
    features = read.read_vectors(context, as_of, shown)
    measured = measure_sessions(features, min_symbols=params.min_symbols)
    windows = find_windows(context, measured, as_of)
    if len(windows.reference) < params.min_reference_sessions:
        why = (
            f"{len(windows.reference)} reference sessions of at least {params.min_reference_sessions}: "
            "load more sessions, or lower monitor.min_reference_sessions"
        )
        return Outcome(status="unchanged", details={"verdict": "none yet", "retrain": False, "why": why})
    record = write_report(context, find(context, features, measured, windows, shown))
    return Outcome(rows_in=features.height, rows_out=1, sessions_touched=1, details=record)


def find_windows(context: Context, measured: pl.DataFrame, as_of: date) -> DriftWindows:
    """Return the windows that end with the as-of; a session of the calendar without rows counts, as empty."""
    params = context.params(MonitorParams)
    known = measured.get_column("session")
    sessions = context.calendar.sessions(known[0], as_of) if len(known) else []
    return choose_windows(sessions, reference=params.reference_sessions, current=params.current_sessions)


def find(
    context: Context, features: pl.DataFrame, measured: pl.DataFrame, windows: DriftWindows, shown: list[str]
) -> Findings:
    """Judge the measures and collect what the report shows beside them."""
    as_of = windows.current[-1]
    due = is_retraining_due(context, as_of)
    issued, labels = run_concurrently(
        partial(read.read_forecasts, context, as_of), partial(read.read_labels, context, as_of)
    )
    return Findings(
        verdict=judge(measured, windows, context.params(MonitorParams), training_due=due),
        windows=windows,
        features=features,
        forecasts=last_issue(issued),
        measured=measured,
        realised=realise_ic(last_issue(issued.filter(IN_TIME)), labels),
        replayed=realise_ic(last_issue(issued.filter(~IN_TIME)), labels),
        shown=shown,
    )


def is_retraining_due(context: Context, as_of: date) -> bool:
    """Tell whether a drift at the as-of would ask for a training."""
    last = context.run_log.last_as_of("train", as_of)
    wait = context.params(MonitorParams).retrain_after_sessions
    history = {session: str(record["verdict"]) for session, record in read.read_history(context).items()}
    quiet_until = context.calendar.neighbours(last, before=0, after=wait)[-1] if last else None
    return is_training_due(history, as_of, last, quiet_until=quiet_until)


def write_report(context: Context, found: Findings) -> dict[str, Any]:
    """Write the page, then the verdict beside it, then the index of all; return the verdict's record."""
    folder, as_of = context.home.reports, found.verdict.as_of
    folder.mkdir(parents=True, exist_ok=True)
    champion = champion_at(context, as_of)
    page = compose_page(
        found, context.params(MonitorParams), champion=champion.headline() if champion else "none yet"
    )
    rendered = render_report(page)
    replace_text(folder / f"{as_of}.html", rendered.html)
    record = describe(
        found.verdict,
        rendered.drifted,
        rank_ic=mean_rank_ic(found, found.realised),
        replay_rank_ic=mean_rank_ic(found, found.replayed),
    )
    replace_text(folder / f"{as_of}.json", json.dumps(record, sort_keys=True, indent=1))
    replace_text(folder / INDEX, render_index(list(read.read_history(context).values())))
    return record


def describe(
    verdict: Verdict, drifted: Mapping[str, bool], *, rank_ic: float | None, replay_rank_ic: float | None
) -> dict[str, Any]:
    """Return the verdict's record: machine-readable, and named in the stage's report.

    `rank_ic` is realised skill: of forecasts that were issued by their decision. What replays would have
    reached stands apart, as `replay_rank_ic`.
    """
    features = [flag for name, flag in drifted.items() if name != FORECAST]
    shares = {
        "features": sum(features) / len(features) if features else None,
        "forecasts": float(drifted[FORECAST]) if FORECAST in drifted else None,
    }
    whole = replace(verdict, shares=verdict.shares | shares)
    skill = {"rank_ic": rank_ic, "replay_rank_ic": replay_rank_ic}
    return {**whole.as_record(), **skill, "link": f"reports/{verdict.as_of}.html"}
