"""What an operator looks at: rows of a table, a query, the state of the whole home."""

from __future__ import annotations

import difflib
import io
import json
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click
import polars as pl

from pipelines.base.context import Context
from pipelines.base.table import TableContract
from pipelines.registry.champion import champion_at
from pipelines.tables.as_of import instant_literal, newest_query
from pipelines.tables.contracts import OPS_STAGE_RUNS, TABLES
from pipelines.tables.scope import dates_condition

MOST_ROWS = 5_000_000
"""Rows that a view will bring to this process at most."""


def find_table(name: str) -> TableContract:
    """Return the contract of table `name`.

    Raises
    ------
    click.BadParameter
        Naming the tables there are, the nearest first.
    """
    names = {contract.name: contract for contract in TABLES}
    if name in names:
        return names[name]
    near = difflib.get_close_matches(name, list(names), n=3, cutoff=0.4)
    hint = f"; near matches: {', '.join(near)}" if near else ""
    msg = f"{name!r} is no table{hint}; allowed: {', '.join(names)}"
    raise click.BadParameter(msg, param_hint="TABLE")


def select_rows(
    context: Context,
    table: str,
    *,
    session: date | None = None,
    known_at: datetime | None = None,
    symbol: str | None = None,
    limit: int = 50,
) -> pl.DataFrame:
    """Return rows of a table in the order of its key.

    Parameters
    ----------
    known_at : datetime, optional
        Only what was known at this instant, and of each key only the newest version.
    limit : int
        Rows at most; 0 for up to `MOST_ROWS`.
    """
    contract = find_table(table)
    wanted = ["true"]
    if session is not None:
        wanted.append(_of_session(contract, session))
    if symbol is not None and "symbol" not in contract.schema:
        msg = f"{contract.name} has no symbol; leave --symbol out"
        raise click.BadParameter(msg, param_hint="--symbol")
    if symbol is not None:
        wanted.append(f"symbol = '{_checked(symbol)}'")
    columns, source = ", ".join(contract.columns), f"{contract.alias} where {' and '.join(wanted)}"
    query = f"select {columns} from {source}" if known_at is None else _known(contract, source, known_at)
    order = ", ".join(contract.key)
    return context.lake.collect_query(
        f"select * from ({query}) as shown order by {order} limit {limit or MOST_ROWS}", contract
    )


def _checked(symbol: str) -> str:
    if "'" in symbol or "\\" in symbol:
        msg = f"{symbol!r} holds a quote or a backslash; no symbol does"
        raise click.BadParameter(msg, param_hint="--symbol")
    return symbol


def _of_session(contract: TableContract, session: date) -> str:
    if "session" not in contract.schema:
        msg = f"{contract.name} has no session; leave --session out"
        raise click.BadParameter(msg, param_hint="--session")
    return dates_condition([session]) if contract.partition_by == "month" else f"session = '{session}'"


def _known(contract: TableContract, source: str, known_at: datetime) -> str:
    if "known_at" not in contract.schema:
        msg = f"{contract.name} has no known_at; leave --known-at out"
        raise click.BadParameter(msg, param_hint="--known-at")
    keys = [name for name in contract.key if name != "known_at"]
    return newest_query(f"{source} and known_at <= {instant_literal(known_at)}", list(contract.columns), keys)


def query_rows(context: Context, query: str, *, limit: int = 200) -> pl.DataFrame:
    """Return the rows of a Spark SQL query; the table ``layer.noun`` is called ``layer_noun`` in it.

    The query is run as a part of another one, so Spark's parser refuses whatever is not one: statements
    that write, or change a table, do not get as far as the lake.

    Raises
    ------
    click.BadParameter
        If Spark cannot run it, with the first line of its reason.
    """
    from pyspark.errors import PySparkException

    named = [contract for contract in TABLES if contract.alias in query.lower()]
    inner = query.strip().rstrip(";")
    try:
        rows = context.lake.scan_query(f"select * from (\n{inner}\n) limit {limit}", *named)
        return context.lake.collect(rows)
    except PySparkException as error:
        reason = str(error).strip().splitlines()[0]
        tables = ", ".join(contract.alias for contract in TABLES)
        msg = f"{reason} Give one query that reads; tables: {tables}"
        raise click.BadParameter(msg, param_hint="QUERY") from error


def render(rows: pl.DataFrame, form: str, to: Path | None) -> str:
    """Return rows as text, or write them to a file and return where.

    Raises
    ------
    click.BadParameter
        If Parquet is to go to the terminal.
    """
    if to is None:
        if form == "parquet":
            msg = "parquet is not text; name a file with --to"
            raise click.BadParameter(msg, param_hint="--format")
        return _as_text(rows, form)
    to.parent.mkdir(parents=True, exist_ok=True)
    if form == "parquet":
        rows.write_parquet(to)
    else:
        to.write_text(_as_text(rows, form), encoding="utf-8")
    return f"{rows.height} rows written to {to}"


def _as_text(rows: pl.DataFrame, form: str) -> str:
    if form == "csv":
        buffer = io.StringIO()
        rows.write_csv(buffer)
        return buffer.getvalue()
    with pl.Config(
        tbl_rows=-1, tbl_cols=-1, tbl_hide_dataframe_shape=True, tbl_width_chars=240, fmt_str_lengths=60
    ):
        return str(rows)


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
    stages = _as_text(pl.DataFrame(runs), "table") if runs else "no stage has run yet"
    champion = state["champion"]
    named = "none yet: train and promote" if champion is None else champion["headline"]
    drift = state["drift"]
    verdict = "no report yet" if drift is None else f"{drift.get('verdict')} ({drift.get('link', 'no page')})"
    return "\n".join(
        [
            f"home      {state['home']}",
            f"champion  {named}",
            f"drift     {verdict}",
            _as_text(tables, "table"),
            stages,
        ]
    )


def _dash(value: Any) -> str:
    return "-" if value is None else str(value)
