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
from pipelines.tables import queries
from pipelines.tables.contracts import all_tables
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
    names = {contract.name: contract for contract in all_tables()}
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
        _check_column(contract, "session")
        # In quarantine a session is kept as it was sent, as text.
        as_sent = contract.schema["session"] == pl.String
        dated = dates_condition([session]) if "month" in contract.schema else queries.of_session(session)
        wanted.append(queries.equals("session", str(session)) if as_sent else dated)
    if symbol is not None:
        _check_column(contract, "symbol")
        try:
            wanted.append(queries.equals("symbol", symbol))
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--symbol") from error
    where = " and ".join(wanted)
    if known_at is None:
        query = queries.rows_of(contract, contract.columns, where)
    else:
        _check_column(contract, "known_at")
        query = queries.newest_known(contract, known_at, contract.columns, where=where)
    shown = queries.limited(query, limit or MOST_ROWS, order_by=contract.key)
    return context.lake.collect_query(shown, contract)


def _check_column(contract: TableContract, name: str) -> None:
    if name not in contract.schema:
        option = f"--{name.replace('_', '-')}"
        msg = f"{contract.name} has no {name}; leave {option} out"
        raise click.BadParameter(msg, param_hint=option)


def query_rows(context: Context, query: str, *, limit: int = 200) -> pl.DataFrame:
    """Return the rows of a query; the table ``layer.noun`` is called ``layer_noun`` in it.

    Raises
    ------
    click.BadParameter
        If it cannot be run, or does more than read, with the first line of the reason.
    """
    named = [contract for contract in all_tables() if contract.alias in query.lower()]
    try:
        return run_ad_hoc(context.lake, query, named, limit=limit)
    except QueryError as error:
        tables = ", ".join(contract.alias for contract in all_tables())
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
