"""The state of a whole home: tables, last runs, champion, drift verdict."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from typing import Any

import polars as pl

from pipelines.base.context import Context
from pipelines.base.table import TableContract
from pipelines.cli.row_display import as_text
from pipelines.registry.champion import champion_at
from pipelines.tables.contracts import OPS_STAGE_RUNS, TABLES


def describe(context: Context) -> dict[str, Any]:
    """Return tables with their rows, the last run of each stage, the champion and the drift verdict."""
    return {
        "home": str(context.home.root),
        "tables": [_describe_table(context, contract) for contract in TABLES],
        "stages": _last_runs(context),
        "champion": _describe_champion(context),
        "drift": _last_verdict(context),
    }


def _describe_table(context: Context, contract: TableContract) -> dict[str, Any]:
    version = context.lake.version(contract)
    if version is None:
        return {"table": contract.name, "rows": None, "version": None, "first": None, "last": None}
    day = "session_date" if "session_date" in contract.schema else "session"
    span = f", min({day}) as first, max({day}) as last" if day in contract.schema else ""
    counted = context.lake.collect_query(f"select count(*) as height{span} from {contract.alias}", contract)
    rows, first, last = (*counted.row(0), None, None)[:3]
    return {"table": contract.name, "rows": rows, "version": version, "first": first, "last": last}


def _last_runs(context: Context) -> list[dict[str, Any]]:
    columns = "stage, status, as_of, finished_at, seconds, rows_out, rows_refused, details"
    place = "row_number() over (partition by stage order by finished_at desc, run_id desc) as place"
    ranked = f"select {columns}, {place} from ops_stage_runs"
    last = f"select {columns} from ({ranked}) as ranked where place = 1 order by finished_at"
    return context.lake.collect_query(last, OPS_STAGE_RUNS).to_dicts()


def _describe_champion(context: Context) -> dict[str, Any] | None:
    entry = champion_at(context, context.calendar.last_on_or_before(date.max))
    return None if entry is None else {**asdict(entry), "headline": entry.headline()}


def _last_verdict(context: Context) -> dict[str, Any] | None:
    for run in _last_runs(context):
        if run["stage"] == "monitor":
            details: dict[str, Any] = json.loads(run["details"])
            return details
    return None


def render_status(state: dict[str, Any], *, as_json: bool) -> str:
    """Return the state of a home for people, or as JSON."""
    if as_json:
        return json.dumps(state, default=str, sort_keys=True)
    tables = pl.DataFrame(
        [{name: _dash(value) for name, value in table.items()} for table in state["tables"]], orient="row"
    )
    shown = ("stage", "status", "as_of", "seconds", "rows_out", "rows_refused")
    runs = [{name: _dash(run[name]) for name in shown} for run in state["stages"]]
    stages = as_text(pl.DataFrame(runs)) if runs else "no stage has run yet"
    champion = state["champion"]
    named = "none yet: train and promote" if champion is None else champion["headline"]
    drift = state["drift"]
    verdict = "no report yet" if drift is None else f"{drift.get('verdict')} ({drift.get('link', 'no page')})"
    return "\n".join(
        [
            f"home      {state['home']}",
            f"champion  {named}",
            f"drift     {verdict}",
            as_text(tables),
            stages,
        ]
    )


def _dash(value: Any) -> str:
    return "-" if value is None else str(value)
