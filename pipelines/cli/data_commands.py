"""The commands with which a person decides about the data that came."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import click

from pipelines.base.errors import BadDataError, SettingsError
from pipelines.cli.options import Request, common, open_home, parse_session, resolve_sessions

if TYPE_CHECKING:
    import polars as pl

    from pipelines.base.context import Context

MOST_NAMED = 20


@click.command("accept-partial")
@click.option("--session", required=True, callback=parse_session, help="The session that stays incomplete.")
@click.option("--why", required=True, help="The reason, kept with the decision.")
@click.option("--source", help="Source of the bars (default: the one that feeds.bars names).")
@common
def accept_partial(request: Request, session: date, why: str, source: str | None) -> None:
    """Take a session's bars as complete although symbols are missing."""
    from pipelines.io.sources.params import SourcesParams
    from pipelines.tables.completeness import PARTIAL

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
    write_acceptance(context, kind=PARTIAL, source=name, session=session, why=why)


@click.command("accept-jump")
@click.option("--symbol", required=True, help="The symbol whose price has jumped.")
@click.option("--session", required=True, callback=parse_session, help="The session of the jump.")
@click.option("--why", required=True, help="The reason, kept with the decision.")
@click.option("--source", help="Source of the bars (default: the one that feeds.bars names).")
@common
def accept_jump(request: Request, symbol: str, session: date, why: str, source: str | None) -> None:
    """Take a jump that looks like a split for a move of the market, from now on."""
    from pipelines.io.sources.params import SourcesParams
    from pipelines.tables.open_jumps import JUMP, read_jumps

    context = open_home(request)
    session = resolve_sessions(context, session, None, None).end
    if not why.strip():
        msg = f"--why {why!r} says nothing; name the reason for which {symbol} has moved on {session}"
        raise BadDataError(msg)
    name = source or context.params(SourcesParams).feeds.bars
    jumps = read_jumps(context).filter(valid=True)
    waiting = jumps.filter(source=name)
    word = _word(context, kind=JUMP, source=name, session=session, symbol=symbol, why=why)
    said = _said_before(context, word) is not None
    if not said and waiting.filter(symbol=symbol, session=session).is_empty():
        known = [f"{row['symbol']} {row['session']}" for row in waiting.sort("session").to_dicts()]
        msg = (
            f"{symbol} has no unexplained jump on {session} in the bars of {name}; "
            f"there are {', '.join(known[-MOST_NAMED:]) or 'none'}{_elsewhere(jumps, name)}"
        )
        raise SettingsError(msg)
    write_acceptance(context, kind=JUMP, source=name, session=session, why=why, symbol=symbol)


def _elsewhere(jumps: pl.DataFrame, source: str) -> str:
    """Return how to ask for the jumps of other sources, if there are any."""
    others = sorted(set(jumps["source"]) - {source})
    return f"; --source {' or --source '.join(others)} has others" if others else ""


def write_acceptance(
    context: Context, *, kind: str, source: str, session: date, why: str, symbol: str | None = None
) -> None:
    """Keep what a person has decided, with name and hour, and print it; the same word again adds nothing.

    Whoever does not know whether a command that died has kept the word says it again.
    """
    import polars as pl

    from pipelines.app.runner import one_writer
    from pipelines.tables.contracts import OPS_ACCEPTANCES

    row = _word(context, kind=kind, source=source, session=session, why=why, symbol=symbol)
    with one_writer(context):
        before = _said_before(context, row)
        row |= {"accepted_at": before or context.clock()}
        if before is None:
            context.lake.append(OPS_ACCEPTANCES, pl.DataFrame([row], schema=dict(OPS_ACCEPTANCES.schema)))
    click.echo(json.dumps(row, default=str, sort_keys=True))


def _word(context: Context, *, why: str, **about: Any) -> dict[str, Any]:
    from pipelines.io.tracking_params import TrackingParams

    return {**about, "who": context.params(TrackingParams).signed_by, "why": why.strip()}


def _said_before(context: Context, word: Mapping[str, Any]) -> datetime | None:
    """Return when the very same word was kept first, None where it was not."""
    import polars as pl

    from pipelines.tables.contracts import OPS_ACCEPTANCES

    same = [pl.col(name).eq_missing(pl.lit(value)) for name, value in word.items()]
    kept: datetime | None = context.lake.collect_table(OPS_ACCEPTANCES).filter(same)["accepted_at"].min()  # type: ignore[assignment]
    return kept


COMMANDS = (accept_partial, accept_jump)
