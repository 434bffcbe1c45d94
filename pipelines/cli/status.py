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
from pipelines.tables import queries
from pipelines.tables.contracts import OPS_STAGE_RUNS, all_tables

RUN_COLUMNS = ("stage", "status", "as_of", "finished_at", "seconds", "rows_out", "rows_refused", "details")


def describe(context: Context) -> dict[str, Any]:
    """Return tables with their rows, the last run of each stage, the champion and the drift verdict."""
    runs = context.lake.collect_query(queries.last_runs(OPS_STAGE_RUNS, RUN_COLUMNS), OPS_STAGE_RUNS)
    stages = runs.to_dicts()
    verdicts = [json.loads(run["details"]) for run in stages if run["stage"] == "monitor"]
    champion = champion_at(context, context.calendar.last_on_or_before(date.max))
    return {
        "home": str(context.home.root),
        "tables": [_describe_table(context, contract) for contract in all_tables()],
        "stages": stages,
        "champion": {**asdict(champion), "headline": champion.headline()} if champion else None,
        "drift": verdicts[0] if verdicts else None,
    }


def _describe_table(context: Context, contract: TableContract) -> dict[str, Any]:
    version = context.lake.version(contract)
    if version is None:
        return {"table": contract.name, "rows": None, "version": None, "first": None, "last": None}
    day = next((name for name in ("session_date", "session") if name in contract.schema), None)
    query = queries.size_and_extent(contract, day) if day else queries.count_rows(contract)
    rows, first, last = (*context.lake.collect_query(query, contract).row(0), None, None)[:3]
    return {"table": contract.name, "rows": rows, "version": version, "first": first, "last": last}


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
