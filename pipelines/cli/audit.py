"""What was forecast for a session, by which model, from which data and when."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import polars as pl

from pipelines.base.context import Context
from pipelines.base.errors import BadDataError, UnavailableError
from pipelines.io.feature_retrieval import read_features
from pipelines.io.run_log import decode_versions
from pipelines.registry.champion import load_model
from pipelines.registry.issue import digest_inputs, plan_history
from pipelines.registry.ledger import LedgerEntry, read_ledger
from pipelines.registry.lineage import Lineage, json_default
from pipelines.tables import queries
from pipelines.tables.contracts import GOLD_FORECASTS, OPS_STAGE_RUNS
from pipelines.tables.scope import dates_condition

SHOWN = ("symbol", "value", "rank", "q10", "q50", "q90")
SAID = (
    "issue", "model_version", "model_key", "family", "horizon", "cutoff_at", "decision_at", "issued_at",
    "input_digest", "universe", "in_sample",
)  # fmt: skip
MADE_FROM = (
    "as_of", "cutoff_at", "fitted_until", "rows", "frame_digest", "table_versions", "feature_set",
    "feature_digests", "definitions",
    "code_revision", "git_commit", "settings_hash", "universe_rule", "seed",
)  # fmt: skip


def audit_session(context: Context, session: date) -> str:
    """Return `audit` as JSON text."""
    return json.dumps(audit(context, session), default=json_default, sort_keys=True, indent=1)


def audit(context: Context, session: date) -> dict[str, Any]:
    """Return everything that was issued for a session.

    Returns
    -------
    dict
        `session`, `cutoff_at`, `decision_at` and `issues`, first issued first: each with whether it is a
        replay (issued after the decision), whether the vectors that it was scored from still read as they
        did, its forecasts, the decision that had made its model champion, what that was trained from and the
        table versions that were scored. Bounded by one session's universe.
    """
    issued = queries.rows_of(GOLD_FORECASTS, GOLD_FORECASTS.columns, dates_condition([session]))
    forecasts = context.lake.collect_query(issued, GOLD_FORECASTS)
    ledger = read_ledger(context.lake)
    issues = [
        _describe_issue(context, issue, ledger)
        for issue in forecasts.sort("issued_at", "model_key", "symbol").partition_by(
            "model_key", "horizon", "issue"
        )
    ]
    instants = {
        "cutoff_at": context.calendar.cutoff_at(session),
        "decision_at": context.calendar.decision_at(session),
    }
    found = {"session": session, **instants, "issues": issues}
    return found if issues else {**found, "why": "no forecast has been issued for this session"}


def _describe_issue(context: Context, forecasts: pl.DataFrame, ledger: list[LedgerEntry]) -> dict[str, Any]:
    first: dict[str, Any] = forecasts.row(0, named=True)
    lineage, why_not = _find_lineage(context, first)
    run = queries.inputs_of_issue(OPS_STAGE_RUNS, first["session"], first["issued_at"])
    inputs = context.lake.collect_query(run, OPS_STAGE_RUNS)
    return {
        **{name: first[name] for name in SAID},
        "replay": first["issued_at"] > first["decision_at"],
        "inputs_unchanged": _read_again(context, first, lineage) if lineage else None,
        "rows": forecasts.height,
        "decisions": [entry.headline() for entry in ledger if entry.model_key == first["model_key"]],
        "trained_from": {name: getattr(lineage, name) for name in MADE_FROM} if lineage else {"why": why_not},
        # Table versions that the forecast run which issued at this instant had read.
        "scored_from": decode_versions(inputs.item()) if inputs.height else {},
        "forecasts": forecasts.select(SHOWN).to_dicts(),
    }


def _find_lineage(context: Context, issue: dict[str, Any]) -> tuple[Lineage | None, str]:
    """Return what an issue's model was made from, or why that cannot be told; the rest can."""
    try:
        return load_model(context, issue["model_version"], issue["model_key"])[0], ""
    except (BadDataError, UnavailableError) as error:
        return None, str(error)


def _read_again(context: Context, issue: dict[str, Any], lineage: Lineage) -> bool | None:
    """Return whether the vectors that an issue was scored from read today as they did then.

    None for an issue of an earlier version, which kept no digest of them.
    """
    if issue["input_digest"] is None:
        return None
    session, calendar = issue["session"], context.calendar
    first = calendar.look_back(session, lineage.history_sessions - 1)
    plan = plan_history([session], calendar.frame(first, session), lineage.history_sessions)
    read = read_features(context, plan, lineage.feature_names, at="cutoff_at")
    rows = context.lake.collect(read)
    unchanged: bool = digest_inputs(rows, session, lineage.feature_names) == issue["input_digest"]
    return unchanged
