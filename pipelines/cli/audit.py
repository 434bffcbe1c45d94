"""What was forecast for a session, by which model, from which data and when."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import polars as pl

from pipelines.base.context import Context
from pipelines.io.lake import decode_versions
from pipelines.registry.champion import tracking_of
from pipelines.registry.ledger import LedgerEntry, read_ledger
from pipelines.registry.lineage import json_default, read_lineage
from pipelines.tables import queries
from pipelines.tables.contracts import GOLD_FORECASTS, OPS_STAGE_RUNS
from pipelines.tables.scope import dates_condition

SHOWN = ("symbol", "value", "rank", "q10", "q50", "q90")
MADE_FROM = (
    "as_of", "decision_at", "fitted_until", "rows", "frame_digest", "table_versions", "feature_set",
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
        `session`, `decision_at` and `issues`: one for each model that spoke, first issued first, with
        its forecasts, the decision that had made it champion, what it was trained from and the
        table versions that were scored. Bounded by one session's universe.
    """
    issued = queries.rows_of(GOLD_FORECASTS, GOLD_FORECASTS.columns, dates_condition([session]))
    forecasts = context.lake.collect_query(issued, GOLD_FORECASTS)
    ledger = read_ledger(context.lake)
    issues = [
        _describe_issue(context, issue, ledger)
        for issue in forecasts.sort("issued_at", "model_key", "symbol").partition_by("model_key", "horizon")
    ]
    found = {"session": session, "decision_at": context.calendar.decision_at(session), "issues": issues}
    return found if issues else {**found, "why": "no forecast has been issued for this session"}


def _describe_issue(context: Context, forecasts: pl.DataFrame, ledger: list[LedgerEntry]) -> dict[str, Any]:
    first: dict[str, Any] = forecasts.row(0, named=True)
    folder = tracking_of(context).model_folder(first["model_version"], first["model_key"])
    lineage = read_lineage(folder)
    run = queries.inputs_of_issue(OPS_STAGE_RUNS, first["session"], first["issued_at"])
    inputs = context.lake.collect_query(run, OPS_STAGE_RUNS)
    said = ("model_version", "model_key", "family", "horizon", "issued_at", "universe", "in_sample")
    return {
        **{name: first[name] for name in said},
        "rows": forecasts.height,
        "decisions": [entry.headline() for entry in ledger if entry.model_key == first["model_key"]],
        "trained_from": {name: getattr(lineage, name) for name in MADE_FROM},
        # Table versions that the forecast run which issued at this instant had read.
        "scored_from": decode_versions(inputs.item()) if inputs.height else {},
        "forecasts": forecasts.select(SHOWN).to_dicts(),
    }
