"""The commands that act on the registry of models."""

from __future__ import annotations

import json
from datetime import date

import click

from pipelines.base.errors import EXIT_BAD_DATA
from pipelines.cli.options import Request, common, open_home, parse_session


@click.command()
@click.option("--to", "version", required=True, help="Model version to go back to.")
@click.option("--why", required=True, help="The reason, kept in the ledger.")
@click.option(
    "--as-of", callback=parse_session, help="Session from which it holds (default: the last one run)."
)
@common
def rollback(request: Request, version: str, why: str, as_of: date | None) -> None:
    """Make an earlier model version the champion again, and the running service answer with it."""
    from pipelines.registry.installation import install_if_published, raise_if_unfollowed
    from pipelines.registry.rollback import roll_back

    context = open_home(request)
    with context.installing():
        click.echo(roll_back(context, version=version, why=why, as_of=as_of).headline())
        raise_if_unfollowed(install_if_published(context))


@click.command()
@click.argument("version")
@common
def reproduce(request: Request, version: str) -> None:
    """Rebuild the frame of model VERSION from the lake, fit it again and compare both with what was kept."""
    from pipelines.registry.reproduction import reproduce as make_again

    context = open_home(request)
    with context.training():
        outcome = make_again(context, version)
    click.echo(json.dumps(outcome.as_record(), sort_keys=True))
    if not outcome.succeeded:
        raise SystemExit(EXIT_BAD_DATA)


@click.command()
@click.option("--version", help="Model version (default: the champion).")
@click.option("--why", required=True, help="Why the difference does not matter, kept in the ledger.")
@common
def accept_lineage(request: Request, version: str | None, why: str) -> None:
    """Let a model score features that are made otherwise than when it was trained."""
    from pipelines.app.runner import one_writer
    from pipelines.registry.binding import accept_lineage as accept
    from pipelines.registry.champion import find_lineage

    context = open_home(request)
    with one_writer(context):
        named, lineage = find_lineage(context, version)
        entry = accept(context, named, lineage, why)
    if entry is None:
        click.echo(f"version {named} reads what it was trained on; there is nothing to accept")
        return
    click.echo(json.dumps({"model_version": entry.model_version, "why": entry.why, **entry.numbers}))


COMMANDS = (rollback, reproduce, accept_lineage)
