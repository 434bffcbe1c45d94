"""Serves MLflow's own pages over a home's tracking database."""

from __future__ import annotations

import click

from pipelines.cli.options import Request, common


@click.command()
@click.argument("host")
@click.argument("port", type=int)
@common
def main(request: Request, host: str, port: int) -> None:
    """Serve at HOST and PORT until ended: to look at, not to write through.

    Stages write to the database itself; through the page nobody forges a version or deletes a run.
    """
    from pipelines.app.settings import load_settings
    from pipelines.base.home import Home
    from pipelines.io.mlflow_pages import ACTING, READS, mlflow_pages
    from pipelines.stack.page_guards import guard_page
    from serving.transport.http_server import run_app
    from serving.transport.page_guard import OWN_SCRIPTS, PageRules

    settings, _ = load_settings(request.env, overrides=request.overrides)
    home = Home(request.home.resolve())
    pages = mlflow_pages(home.mlflow / "mlflow.db", home.mlflow / "artifacts")
    rules = PageRules(policy=OWN_SCRIPTS, posts=READS, closed=ACTING)
    run_app(guard_page(pages, rules, settings, home), host=host, port=port)


if __name__ == "__main__":
    main()
