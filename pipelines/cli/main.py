"""The `bellwether` command: one sub-command a stage, and the views an operator needs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from typing import Any, get_args

import click

from models.params import TRAINABLE
from pipelines.base.errors import EXIT_NOTHING_TO_DO
from pipelines.base.report import SessionRange, StageReport
from pipelines.cli import stack_commands, views
from pipelines.cli.options import Request, check_local, common, open_request, parse_session, resolve_sessions
from pipelines.io.sources.params import SourceName

CHAIN_BEFORE = ("ingest", "curate", "score_text", "build_features", "materialize")
CHAIN_TRAIN = ("train", "evaluate", "promote")
STAGE_HELP = {
    "ingest": "Land the source's records of the window in bronze, as sent.",
    "curate": "Turn bronze records into clean bitemporal tables.",
    "score_text": "Score the sentiment of texts not scored yet.",
    "build_features": "Build features and labels of the sessions whose inputs changed.",
    "materialize": "Publish the newest known features to the online store.",
    "train": "Train and register a challenger.",
    "evaluate": "Judge the challenger beside the baselines.",
    "promote": "Make the challenger champion if it has earned it.",
    "forecast": "Issue the champion's forecasts.",
    "monitor": "Report drift and give a verdict.",
    "package": "Build the champion's Bento and switch the service to it.",
    "maintain": "Join small files, remove what has outlived its retention.",
}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Batch MLOps for market forecasting: bars in, honest forecasts out."""


def windowed(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that name sessions and the source."""
    for option in (
        click.option("--as-of", callback=parse_session, help="The one session to run for."),
        click.option("--start", callback=parse_session, help="First session of a bulk run."),
        click.option("--end", callback=parse_session, help="Last session of a bulk run."),
        click.option("--source", type=click.Choice(sorted(get_args(SourceName))), help="Kind of source."),
        click.option("--bars", help="File, folder or glob of bars for --source files."),
        click.option("--texts", help="File, folder or glob of texts for --source files."),
        click.option("--model", type=click.Choice(TRAINABLE), help="Family to train."),
    ):
        command = option(command)
    return command


def with_source(request: Request, source: str | None, bars: str | None, texts: str | None, model: str | None) -> Request:  # fmt: skip  # noqa: E501
    """Return the request with the shortcuts written as overrides."""
    from dataclasses import replace

    pairs = {
        "source.name": source or ("files" if bars else None),
        "source.files.bars": bars,
        "source.files.texts": texts,
        "models.family": model,
    }
    for option, place in (("--bars", bars), ("--texts", texts)):
        if place is not None:
            check_local(place, option)
    extra = tuple(f"{key}={json.dumps(value)}" for key, value in pairs.items() if value is not None)
    return replace(request, overrides=request.overrides + extra)


def _stage_command(stage: str) -> click.Command:
    @main.command(name=stage, help=STAGE_HELP[stage])
    @windowed
    @common
    def command(
        request: Request, as_of: date | None, start: date | None, end: date | None, **shortcuts: Any
    ) -> None:
        context = open_request(with_source(request, **shortcuts))
        window = resolve_sessions(context, as_of, start, end)
        report = _run_stages(context, [stage], window)[0]
        click.echo(_line(asdict(report), window))
        if report.status == "nothing_to_do":
            sys.exit(EXIT_NOTHING_TO_DO)

    return command


for _stage in STAGE_HELP:
    _stage_command(_stage)


def _run_stages(context: Any, stages: list[str], window: SessionRange) -> list[StageReport]:
    from pipelines.app.runner import load_ahead, one_writer, run_stage

    with one_writer(context):
        load_ahead(stages)
        return [run_stage(context, stage, window) for stage in stages]


@main.command()
@click.option(
    "--train/--no-train", default=None, help="Train a challenger (default: only without a champion)."
)
@click.option("--stages", help="Comma-separated stages to run instead of the whole chain.")
@windowed
@common
def run(
    request: Request,
    train: bool | None,
    stages: str | None,
    **asked: Any,
) -> None:
    """Run the whole chain in one process and one Spark session."""
    days = {name: asked.pop(name) for name in ("as_of", "start", "end")}
    context = open_request(with_source(request, **asked))
    window = resolve_sessions(context, **days)
    if stages:
        reports = _run_stages(context, _named(stages), window)
    else:
        reports = _run_chain(context, window, train=train)
    click.echo(_line(_summary(reports), window))
    if stages and all(report.status == "nothing_to_do" for report in reports):
        sys.exit(EXIT_NOTHING_TO_DO)


def _named(stages: str) -> list[str]:
    names = [name.strip() for name in stages.split(",")]
    unknown = [name for name in names if name not in STAGE_HELP]
    if unknown:
        msg = f"--stages names {', '.join(unknown)}; allowed: {', '.join(STAGE_HELP)}"
        raise click.BadParameter(msg)
    return names


def _run_chain(context: Any, window: SessionRange, *, train: bool | None) -> list[StageReport]:
    from pipelines.app.runner import load_ahead, one_writer, run_stage
    from pipelines.io.bento import BentoShelf
    from pipelines.registry.champion import champion_at

    with one_writer(context):
        load_ahead([*CHAIN_BEFORE, "forecast", "monitor"])
        reports = [run_stage(context, stage, window) for stage in CHAIN_BEFORE]
        wanted = train if train is not None else champion_at(context, window.end) is None
        if wanted:
            reports += [run_stage(context, stage, window) for stage in CHAIN_TRAIN]
        reports.append(run_stage(context, "forecast", window))
        if wanted or BentoShelf(context.home.bento).current() is None:
            reports.append(run_stage(context, "package", window))
        reports.append(run_stage(context, "monitor", window))
    return reports


def _summary(reports: list[StageReport]) -> dict[str, Any]:
    totals = {
        name: sum(getattr(report, name) for report in reports)
        for name in ("rows_in", "rows_out", "rows_refused", "sessions_touched")
    }
    seconds = round(sum(report.seconds for report in reports), 3)
    return {"stage": "run", **totals, "seconds": seconds, "stages": [asdict(report) for report in reports]}


def _line(report: dict[str, Any], window: SessionRange) -> str:
    """Return the one line of JSON that a scheduler reads; `as_of` tells it which session it was about."""
    return json.dumps({**report, "as_of": window.end, "start": window.start}, default=str, sort_keys=True)


views.register(main)
stack_commands.register(main)
