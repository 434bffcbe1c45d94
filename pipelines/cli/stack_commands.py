"""The commands `up`, `down`, `demo` and `serve`."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import click

from pipelines.cli.options import Request, common, open_request, sourced, with_source

if TYPE_CHECKING:
    from pipelines.app.settings import Settings
    from pipelines.base.home import Home


@click.command()
@sourced
@common
def up(request: Request, **source: str | None) -> None:
    """Start Airflow, MLflow, the forecast service, Feast and the reports page on loopback.

    Then complete what the ledger says and the service does not do yet: see `install`.
    """
    from pipelines.registry.installation import install_if_published, raise_if_unfollowed
    from pipelines.stack.airflow_home import USER, announce_login, passwords_file
    from pipelines.stack.lifecycle import render_addresses, start_stack
    from pipelines.stack.page_guards import check_token_file
    from pipelines.stack.params import ServicesParams
    from serving.params import ServingParams

    request = with_source(request, **source)
    context = open_request(request)
    services, home = context.params(ServicesParams), context.home
    check_token_file(context.params(ServingParams).token_file)
    announce_login(home.airflow, click.echo)
    stack = start_stack(services, home, request.for_stages())
    click.echo(render_addresses(services, home, stack))
    click.echo(f"login: user {USER}, password in {passwords_file(home.airflow)}")
    raise_if_unfollowed(install_if_published(context))


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
    run_demo(with_source(request, **source), click.echo)


@click.command()
@click.option("--port", type=int, help="Port on loopback (default: from settings).")
@common
def serve(request: Request, port: int | None) -> None:
    """Start the prediction service in the foreground."""
    from pipelines.app.settings import load_settings
    from pipelines.stack.forecast_service import serve as launch

    launch(load_settings(request.env, overrides=request.overrides)[0], request.home, port=port)


COMMANDS = (up, down, demo, serve)


def end_like_an_interrupt() -> None:
    """Treat an ordered end of this process like Ctrl-C, so that what it started is ended too."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def _open(request: Request) -> tuple[Settings, Home]:
    from pipelines.app.settings import load_settings
    from pipelines.base.home import Home

    return load_settings(request.env, overrides=request.overrides)[0], Home(request.home.resolve())
