"""Serves a home's reports folder, and its runs and gaps as Prometheus metrics at `/metrics`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pipelines.base.home import Home
from pipelines.io.delta_folder import DeltaFolder
from pipelines.stack.run_metrics import COLUMNS, render_metrics
from pipelines.tables.contracts import OPS_STAGE_RUNS
from pipelines.tables.feed_gaps import Watch, find_gaps
from pipelines.tables.queries import rows_of

RUNS = rows_of(OPS_STAGE_RUNS, COLUMNS, "true")


class ReportsHandler(SimpleHTTPRequestHandler):
    """Static files below the reports folder; `/metrics` is computed."""

    def __init__(self, *args: Any, home: Home, watch: Callable[[], Watch], **kwargs: Any) -> None:
        self.home, self.watch = home, watch
        super().__init__(*args, directory=str(home.reports), **kwargs)

    def do_GET(self) -> None:
        """Answer a request."""
        if self.path.partition("?")[0] != "/metrics":
            super().do_GET()
            return
        collect = DeltaFolder(self.home.lake).collect_query
        body = render_metrics(collect(RUNS, [OPS_STAGE_RUNS]), find_gaps(collect, self.watch()))
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def reports_server(host: str, port: int, home: Home, watch: Callable[[], Watch]) -> ThreadingHTTPServer:
    """Return the server, listening; port 0 takes a free one.

    Parameters
    ----------
    watch : callable
        Returns by what gaps are judged, at each look.
    """
    home.reports.mkdir(parents=True, exist_ok=True)
    return ThreadingHTTPServer((host, port), partial(ReportsHandler, home=home, watch=watch))
