"""The commands that look and never write a business row."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from pipelines.base.errors import EXIT_BAD_DATA
from pipelines.cli.options import Request, common, open_home, parse_instant, parse_session, resolve_sessions

FILE = click.Path(path_type=Path, dir_okay=False, writable=True)


def register(main: click.Group) -> None:
    """Add the viewing commands to the command group."""
    for command in (show, sql, status, settings, doctor, audit, rollback, reproduce, serve):
        main.add_command(command)


@click.command()
@click.argument("table")
@click.option("--session", callback=parse_session, help="Only rows of this session.")
@click.option(
    "--known-at",
    callback=parse_instant,
    help="Only the newest versions known at this instant; UTC without an offset, midnight without a time.",
)
@click.option("--symbol", help="Only rows of this symbol.")
@click.option(
    "--limit", type=click.IntRange(min=0), default=50, show_default=True, help="Rows shown; 0 for all."
)
@click.option("--format", "form", type=click.Choice(["table", "csv", "parquet"]), default="table")
@click.option("--to", type=FILE, help="File to write instead of stdout.")
@common
def show(request: Request, table: str, form: str, to: Path | None, **filters: Any) -> None:
    """Show rows of TABLE, such as silver.bars."""
    from pipelines.cli.tables import render, select_rows

    rows = select_rows(open_home(request), table, **filters)
    click.echo(render(rows, form, to))


@click.command()
@click.argument("query")
@click.option("--limit", type=click.IntRange(min=1), default=200, show_default=True, help="Rows shown.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "parquet"]), default="table")
@click.option("--to", type=FILE, help="File to write instead of stdout.")
@common
def sql(request: Request, query: str, limit: int, form: str, to: Path | None) -> None:
    """Run a Spark SQL QUERY that reads the lake; tables are named layer_noun, such as silver_bars."""
    from pipelines.cli.tables import query_rows, render

    click.echo(render(query_rows(open_home(request), query, limit=limit), form, to))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common
def status(request: Request, as_json: bool) -> None:
    """Show tables, last sessions, the champion and the last drift verdict."""
    from pipelines.cli.tables import describe, render_status

    click.echo(render_status(describe(open_home(request)), as_json=as_json))


@click.command()
@common
def settings(request: Request) -> None:
    """Print the effective settings, each with its origin."""
    from pipelines.app.settings import load_settings, print_settings

    click.echo(print_settings(*load_settings(request.env, overrides=request.overrides)))


@click.command()
@common
def doctor(request: Request) -> None:
    """Check the machine: one line a prerequisite, with the fix."""
    from pipelines.app.doctor import run_checks
    from pipelines.app.settings import load_settings

    checks = run_checks(load_settings(request.env, overrides=request.overrides)[0], request.home)
    for check in checks:
        click.echo(check.line())
    if not all(check.ok for check in checks):
        raise SystemExit(1)


@click.command()
@click.option("--session", "session", required=True, callback=parse_session, help="The session to look up.")
@common
def audit(request: Request, session: date) -> None:
    """Show what was forecast for a session, by which model, from which data and when."""
    from pipelines.cli.audit import audit_session

    context = open_home(request)
    resolve_sessions(context, session, None, None)
    click.echo(audit_session(context, session))


@click.command()
@click.option("--to", "version", required=True, help="Model version to go back to.")
@click.option("--why", required=True, help="The reason, kept in the ledger.")
@click.option(
    "--as-of", callback=parse_session, help="Session from which it holds (default: the last one run)."
)
@common
def rollback(request: Request, version: str, why: str, as_of: date | None) -> None:
    """Make an earlier model version the champion again."""
    from pipelines.app.runner import one_writer
    from pipelines.registry.champion import roll_back

    context = open_home(request)
    with one_writer(context):
        click.echo(roll_back(context, version=version, why=why, as_of=as_of).headline())


@click.command()
@click.argument("version")
@common
def reproduce(request: Request, version: str) -> None:
    """Rebuild the frame of model VERSION from the lake, fit it again and compare both with what was kept."""
    from pipelines.app.runner import one_writer
    from pipelines.registry.reproduction import reproduce as make_again

    context = open_home(request)
    with one_writer(context):
        outcome = make_again(context, version)
    click.echo(json.dumps(outcome.as_record(), sort_keys=True))
    if not outcome.succeeded:
        raise SystemExit(EXIT_BAD_DATA)


@click.command()
@click.option("--port", type=int, help="Port on loopback (default: from settings).")
@common
def serve(request: Request, port: int | None) -> None:
    """Start the prediction service in the foreground."""
    from pipelines.app.settings import load_settings
    from pipelines.stack.forecast_service import serve as launch

    launch(load_settings(request.env, overrides=request.overrides)[0], request.home, port=port)


def show_instant(moment: datetime | None) -> str:
    """Return an instant for people, a dash where there is none."""
    return "-" if moment is None else moment.isoformat(timespec="seconds")
