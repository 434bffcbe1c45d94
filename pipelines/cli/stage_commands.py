"""The commands that run stages: one a stage, and `run` for the whole chain."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from features.params import FeaturesParams
from models.families import trainable_families
from pipelines.base.errors import EXIT_NOTHING_TO_DO, SettingsError
from pipelines.base.report import SessionRange, StageReport
from pipelines.base.stage import Stage
from pipelines.cli.options import (
    Request,
    common,
    open_request,
    parse_session,
    resolve_sessions,
    sourced,
    with_source,
)
from pipelines.stages import STAGES

if TYPE_CHECKING:
    from pipelines.base.context import Context


def runs_stages(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say for which sessions, from which source and which family.

    They reach it as `context` and `sessions`: settings read, features and sessions checked, nothing started
    yet.
    """

    @functools.wraps(command)
    def opened(
        *,
        request: Request,
        as_of: date | None,
        start: date | None,
        end: date | None,
        model: str | None,
        source: str | None,
        bars: str | None,
        texts: str | None,
        **more: Any,
    ) -> None:
        request = with_source(request, source=source, bars=bars, texts=texts)
        context = open_request(request.overriding({"models.family": model}))
        _check_feature_sets(context)
        command(context, resolve_sessions(context, as_of, start, end), **more)

    decorated: Callable[..., Any] = opened
    for option in (
        common,
        click.option("--model", type=click.Choice(trainable_families()), help="Family to train."),
        sourced,
        click.option("--end", callback=parse_session, help="Last session of a bulk run."),
        click.option("--start", callback=parse_session, help="First session of a bulk run."),
        click.option("--as-of", callback=parse_session, help="The one session to run for."),
    ):
        decorated = option(decorated)
    return decorated


def _check_feature_sets(context: Context) -> None:
    """Refuse a feature set that is empty, or names a feature twice or one that no view holds.

    Not as settings load, because the catalog takes longer to import than a command that only looks may run.
    """
    try:
        context.params(FeaturesParams).feature_sets()
    except ValueError as error:
        msg = f"features.{error}"
        raise SettingsError(msg) from error


def _stage_command(stage: Stage) -> click.Command:
    @click.command(name=stage.name, help=stage.help)
    @runs_stages
    def command(context: Context, sessions: SessionRange) -> None:
        report = _run_stages(context, [stage.name], sessions)[0]
        click.echo(_line(asdict(report), sessions))
        if report.status == "nothing_to_do":
            sys.exit(EXIT_NOTHING_TO_DO)

    return command


@click.command()
@click.option(
    "--train/--no-train", default=None, help="Train a challenger (default: only without a champion)."
)
@click.option("--stages", help="Comma-separated stages to run instead of the whole chain.")
@runs_stages
def run(context: Context, sessions: SessionRange, *, train: bool | None, stages: str | None) -> None:
    """Run the whole chain in one process and one Spark session."""
    if stages:
        reports = _run_stages(context, _named(stages), sessions)
    else:
        reports = _run_chain(context, sessions, train=train)
    names = ("rows_in", "rows_out", "rows_refused", "sessions_touched")
    totals = {name: sum(getattr(report, name) for report in reports) for name in names}
    seconds = round(sum(report.seconds for report in reports), 3)
    summary = {"stage": "run", **totals, "seconds": seconds, "stages": [asdict(report) for report in reports]}
    click.echo(_line(summary, sessions))
    if stages and all(report.status == "nothing_to_do" for report in reports):
        sys.exit(EXIT_NOTHING_TO_DO)


COMMANDS = (*map(_stage_command, STAGES.values()), run)


def _named(stages: str) -> list[str]:
    names = [name.strip() for name in stages.split(",")]
    unknown = [name for name in names if name not in STAGES]
    if unknown:
        msg = f"--stages names {', '.join(unknown)}; allowed: {', '.join(STAGES)}"
        raise click.BadParameter(msg)
    return names


def _run_stages(context: Context, stages: Sequence[str], sessions: SessionRange) -> list[StageReport]:
    from pipelines.app.runner import load_ahead, one_writer, run_stage

    with one_writer(context):
        load_ahead(stages)
        return [run_stage(context, stage, sessions) for stage in stages]


def _run_chain(context: Context, sessions: SessionRange, *, train: bool | None) -> list[StageReport]:
    """Run the daily chain; a model is trained and packaged on the way where it is wanted or missing."""
    from pipelines.app.runner import load_ahead, one_writer, run_stage
    from pipelines.io.bento import BentoRepository
    from pipelines.registry.champion import champion_at

    with one_writer(context):
        load_ahead(_of_chain("data", "issue", "report"))
        reports = [run_stage(context, stage, sessions) for stage in _of_chain("data")]
        wanted = train if train is not None else champion_at(context, sessions.end) is None
        if wanted:
            reports += [run_stage(context, stage, sessions) for stage in _of_chain("training")]
        release = wanted or BentoRepository(context.home.bento).current() is None
        rest = _of_chain("issue", *(["release"] if release else []), "report")
        return [*reports, *(run_stage(context, stage, sessions) for stage in rest)]


def _of_chain(*chains: str) -> list[str]:
    """Return the stages that belong to parts of the chain, in order."""
    return [stage.name for stage in STAGES.values() if stage.chain in chains]


def _line(report: dict[str, Any], sessions: SessionRange) -> str:
    """Return the one line of JSON that a scheduler reads; `as_of` tells it which session it was about."""
    return json.dumps({**report, "as_of": sessions.end, "start": sessions.start}, default=str, sort_keys=True)
