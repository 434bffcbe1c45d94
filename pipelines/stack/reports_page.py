"""Serves a home's reports folder, and its runs and gaps as Prometheus metrics at `/metrics`."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from pipelines.base.home import Home
from pipelines.io.delta_folder import DeltaFolder
from pipelines.stack.run_metrics import COLUMNS, render_metrics
from pipelines.tables.contracts import OPS_STAGE_RUNS
from pipelines.tables.feed_gaps import Watch, find_gaps
from pipelines.tables.queries import rows_of

RUNS = rows_of(OPS_STAGE_RUNS, COLUMNS, "true")
NONE_YET = "There is no drift report yet; `bellwether monitor` writes the first.\n"


def reports_app(home: Home, watch: Callable[[], Watch]) -> ASGIApp:
    """Return the application, without its guard.

    Parameters
    ----------
    watch : callable
        Returns by what gaps are judged, at each look.
    """
    home.reports.mkdir(parents=True, exist_ok=True)

    def metrics(_: Request) -> Response:
        collect = DeltaFolder(home.lake).collect_query
        body = render_metrics(collect(RUNS, [OPS_STAGE_RUNS]), find_gaps(collect, watch()))
        return Response(body, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def none_yet(_: Request, __: Exception) -> Response:
        return PlainTextResponse(NONE_YET, 404)

    folder = StaticFiles(directory=home.reports, html=True)
    return Starlette(
        routes=[Route("/metrics", metrics), Mount("/", folder)], exception_handlers={404: none_yet}
    )
