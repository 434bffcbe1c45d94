"""Serves a home's reports page under the settings and the clock of the command line."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import click

from pipelines.cli.options import Request, common


@click.command()
@click.argument("host")
@click.argument("port", type=int)
@common
def main(request: Request, host: str, port: int) -> None:
    """Serve at HOST and PORT until ended."""
    from features.sessions import SessionCalendar
    from pipelines.app.settings import load_settings
    from pipelines.base.home import Home
    from pipelines.stack.page_guards import guard_page
    from pipelines.stack.reports_page import reports_app
    from pipelines.tables.feed_gaps import Watch
    from serving.transport.http_server import run_app
    from serving.transport.page_guard import SANDBOX, PageRules

    settings, _ = load_settings(request.env, overrides=request.overrides)
    calendar = SessionCalendar(**asdict(settings.calendar))

    def watch() -> Watch:
        now = request.clock() if request.clock else datetime.now(tz=UTC)
        return Watch(calendar=calendar, now=now, grace=settings.completeness.grace)

    home = Home(request.home.resolve())
    # Reports show what vendors sent.
    run_app(
        guard_page(reports_app(home, watch), PageRules(policy=SANDBOX), settings, home), host=host, port=port
    )


if __name__ == "__main__":
    main()
