"""The commands that look and never write a business row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import click

from pipelines.cli.options import Request, common, open_home, parse_instant, parse_session, resolve_sessions


def rendered(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say in what form rows are shown, and where."""
    file = click.Path(path_type=Path, dir_okay=False, writable=True)
    for option in (
        click.option("--to", type=file, help="File to write instead of stdout."),
        click.option("--format", "form", type=click.Choice(["table", "csv", "parquet"]), default="table"),
    ):
        command = option(command)
    return command


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
@rendered
@common
def show(request: Request, table: str, form: str, to: Path | None, **filters: Any) -> None:
    """Show rows of TABLE, such as silver.bars."""
    from pipelines.cli.row_display import render, select_rows

    click.echo(render(select_rows(open_home(request), table, **filters), form, to))


@click.command()
@click.argument("query")
@click.option("--limit", type=click.IntRange(min=1), default=200, show_default=True, help="Rows shown.")
@rendered
@common
def sql(request: Request, query: str, limit: int, form: str, to: Path | None) -> None:
    """Run a Spark SQL QUERY that reads the lake; tables are named layer_noun, such as silver_bars."""
    from pipelines.cli.row_display import query_rows, render

    click.echo(render(query_rows(open_home(request), query, limit=limit), form, to))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common
def status(request: Request, as_json: bool) -> None:
    """Show tables, last sessions, the champion and the last drift verdict."""
    from pipelines.cli.status import describe, render_status

    click.echo(render_status(describe(open_home(request)), as_json=as_json))


@click.command()
@common
def settings(request: Request) -> None:
    """Print the effective settings, each with its origin."""
    from pipelines.app.settings import load_settings
    from pipelines.app.settings_page import print_settings

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


COMMANDS = (show, sql, status, settings, doctor, audit)
