"""Rows of a table or of a query, selected and put into the form that was asked for."""

from __future__ import annotations

import difflib
import io
from datetime import date, datetime
from pathlib import Path

import click
import polars as pl

from pipelines.base.context import Context
from pipelines.base.errors import QueryError
from pipelines.base.table import TableContract
from pipelines.io.ad_hoc_query import run_ad_hoc
from pipelines.tables.as_of import instant_literal, newest_query
from pipelines.tables.contracts import TABLES
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
    """Return the rows of a query; the table ``layer.noun`` is called ``layer_noun`` in it.

    Raises
    ------
    click.BadParameter
        If it cannot be run, or does more than read, with the first line of the reason.
    """
    named = [contract for contract in TABLES if contract.alias in query.lower()]
    try:
        return run_ad_hoc(context.lake, query, named, limit=limit)
    except QueryError as error:
        tables = ", ".join(contract.alias for contract in TABLES)
        msg = f"{error} Give one query that reads; tables: {tables}"
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
        return as_text(rows, form)
    to.parent.mkdir(parents=True, exist_ok=True)
    if form == "parquet":
        rows.write_parquet(to)
    else:
        to.write_text(as_text(rows, form), encoding="utf-8")
    return f"{rows.height} rows written to {to}"


def as_text(rows: pl.DataFrame, form: str = "table") -> str:
    """Return rows as CSV, or as a table with all its rows and columns."""
    if form == "csv":
        buffer = io.StringIO()
        rows.write_csv(buffer)
        return buffer.getvalue()
    with pl.Config(
        tbl_rows=-1, tbl_cols=-1, tbl_hide_dataframe_shape=True, tbl_width_chars=240, fmt_str_lengths=60
    ):
        return str(rows)
