"""The commands `up`, `down` and `demo`."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, get_args

import click

from pipelines.cli.options import Request, check_local, common
from pipelines.io.sources.params import SourceName

SOURCE_OPTIONS = (
    click.option("--source", type=click.Choice(sorted(get_args(SourceName))), help="Kind of source."),
    click.option("--bars", help="File, folder or glob of bars for --source files."),
    click.option("--texts", help="File, folder or glob of texts for --source files."),
)


def register(main: click.Group) -> None:
    """Add the commands to the command group."""
    for command in (up, down, demo):
        main.add_command(command)


def sourced(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that name the source."""
    for option in SOURCE_OPTIONS:
        command = option(command)
    return command


@click.command()
@sourced
@common
def up(request: Request, **source: str | None) -> None:
    """Start Airflow, MLflow, the forecast service, Feast and the reports page on loopback."""
    from pipelines.stack.lifecycle import render_addresses, start_stack

    request = with_sources(request, **source)
    settings, home = _open(request)
    announce_password(home)
    stack = start_stack(settings.services, home, stage_arguments(request))
    click.echo(render_addresses(settings.services, home, stack))


@click.command()
@common
def down(request: Request) -> None:
    """Stop exactly what `up` started."""
    from pipelines.stack.lifecycle import stop_stack

    settings, home = _open(request)
    stopped = stop_stack(settings.services, home)
    click.echo(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")


@click.command()
@sourced
@common
def demo(request: Request, **source: str | None) -> None:
    """Load a history and two more sessions through the real scheduler, and show what came of it."""
    from pipelines.cli.demo import run_demo

    end_like_an_interrupt()
    run_demo(with_sources(request, **source), click.echo)


def with_sources(request: Request, *, source: str | None, bars: str | None, texts: str | None) -> Request:
    """Return the request with the source written as overrides; places are made absolute for the services."""
    for option, place in (("--bars", bars), ("--texts", texts)):
        if place:
            check_local(place, option)
    pairs = {
        "source.name": source or ("files" if bars else None),
        "source.files.bars": os.path.abspath(bars) if bars else None,
        "source.files.texts": os.path.abspath(texts) if texts else None,
    }
    extra = tuple(f"{key}={json.dumps(value)}" for key, value in pairs.items() if value)
    return replace(request, overrides=request.overrides + extra)


def stage_arguments(request: Request) -> list[str]:
    """Return the options that every stage and the forecast service need to see the same settings."""
    return ["--env", request.env, *_each("--set", request.overrides)]


def announce_password(home: Any) -> None:
    """Say Airflow's login when it has just been made, and only then."""
    from pipelines.stack.airflow_home import USER, read_password

    password, fresh = read_password(home.airflow)
    if fresh:
        click.echo(
            f"Airflow login: {USER} / {password}  (shown once; kept in {home.airflow / 'passwords.json'})"
        )


def end_like_an_interrupt() -> None:
    """Treat an ordered end of this process like Ctrl-C, so that what it started is ended too."""
    signal.signal(signal.SIGTERM, _interrupt)


def _open(request: Request) -> tuple[Any, Any]:
    from pipelines.app.settings import load_settings
    from pipelines.base.home import Home

    return load_settings(request.env, overrides=request.overrides)[0], Home(request.home.resolve())


def _each(option: str, values: Sequence[str]) -> list[str]:
    return [part for value in values for part in (option, value)]


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
