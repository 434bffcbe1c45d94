"""Serves Feast's own pages over a home's registry, which is made first where there is none yet."""

from __future__ import annotations

import click

from pipelines.cli.options import Request, common, open_request


@click.command()
@click.argument("host")
@click.argument("port", type=int)
@common
def main(request: Request, host: str, port: int) -> None:
    """Serve at HOST and PORT until ended: to look at, not to write through."""
    from pipelines.io.feast_pages import RE_READ, feast_pages
    from pipelines.io.feature_store import open_feature_store
    from pipelines.stack.page_guards import guard_page
    from serving.transport.http_server import run_app
    from serving.transport.page_guard import OWN_SCRIPTS, PageRules

    context = open_request(request)
    open_feature_store(context).apply()
    pages = feast_pages(context.home.feast)
    rules = PageRules(policy=OWN_SCRIPTS, posts=frozenset({RE_READ}))
    run_app(guard_page(pages, rules, context.settings, context.home), host=host, port=port)


if __name__ == "__main__":
    main()
