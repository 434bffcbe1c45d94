"""Serves a home's reports folder, and its stage runs as Prometheus metrics at `/metrics`."""

from __future__ import annotations

import sys
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pipelines.base.home import Home
from pipelines.io.delta_folder import DeltaFolder
from pipelines.stack.run_metrics import COLUMNS, render_metrics
from pipelines.tables.contracts import OPS_STAGE_RUNS
from pipelines.tables.queries import rows_of

RUNS = rows_of(OPS_STAGE_RUNS, COLUMNS, "true")


class ReportsHandler(SimpleHTTPRequestHandler):
    """Static files below the reports folder; `/metrics` is computed."""

    def __init__(self, *args: Any, home: Home, **kwargs: Any) -> None:
        self.home = home
        super().__init__(*args, directory=str(home.reports), **kwargs)

    def do_GET(self) -> None:
        """Answer a request."""
        if self.path.partition("?")[0] != "/metrics":
            super().do_GET()
            return
        body = render_metrics(DeltaFolder(self.home.lake).collect_query(RUNS, [OPS_STAGE_RUNS]))
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def reports_server(host: str, port: int, home: Home) -> ThreadingHTTPServer:
    """Return the server, listening; port 0 takes a free one."""
    home.reports.mkdir(parents=True, exist_ok=True)
    return ThreadingHTTPServer((host, port), partial(ReportsHandler, home=home))


def main(arguments: list[str]) -> None:
    """Serve until ended: arguments are host, port and home."""
    host, port, root = arguments
    reports_server(host, int(port), Home(Path(root))).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
