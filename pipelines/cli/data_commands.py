"""The commands with which a person decides about the data that came."""

from __future__ import annotations

import json
from datetime import date

import click

from pipelines.base.errors import BadDataError, SettingsError
from pipelines.cli.options import Request, common, open_home, parse_session, resolve_sessions


@click.command("accept-partial")
@click.option("--session", required=True, callback=parse_session, help="The session that stays incomplete.")
@click.option("--why", required=True, help="The reason, kept with the decision.")
@click.option("--source", help="Source of the bars (default: the one that feeds.bars names).")
@common
def accept_partial(request: Request, session: date, why: str, source: str | None) -> None:
    """Take a session's bars as complete although symbols are missing."""
    import polars as pl

    from pipelines.app.runner import one_writer
    from pipelines.io.sources.params import SourcesParams
    from pipelines.io.tracking_params import TrackingParams
    from pipelines.tables.completeness import PARTIAL
    from pipelines.tables.contracts import OPS_ACCEPTANCES

    context = open_home(request)
    session = resolve_sessions(context, session, None, None).end
    if not why.strip():
        msg = f"--why {why!r} says nothing; name the reason for which {session} is taken as it is"
        raise BadDataError(msg)
    params = context.params(SourcesParams)
    name = source or params.feeds.bars
    if name not in params.sources:
        msg = f"--source {name} is no key of sources; known: {', '.join(params.sources)}"
        raise SettingsError(msg)
    row = {"kind": PARTIAL, "source": name, "session": session}
    row |= {"who": context.params(TrackingParams).signed_by, "why": why.strip()}
    row |= {"accepted_at": context.clock()}
    with one_writer(context):
        context.lake.append(OPS_ACCEPTANCES, pl.DataFrame([row], schema=dict(OPS_ACCEPTANCES.schema)))
    click.echo(json.dumps(row, default=str, sort_keys=True))


COMMANDS = (accept_partial,)
