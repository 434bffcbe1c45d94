"""Runs an ASGI application in this process: one worker, bounded connections, an end that drains."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from serving.transport.protocol import BoundedProtocol, ConnectionLimits, ConnectionTable

DRAIN_SECONDS = 10
"""So long a request under way may take once the process is told to end; below the stack's own patience."""


def run_app(app: ASGIApp, *, host: str, port: int, limits: ConnectionLimits | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C; requests under way are answered first.

    Parameters
    ----------
    app : ASGI application
        Its lifespan is run: what it set up is closed before this returns.
    limits : ConnectionLimits, optional
    """
    make_server(app, host=host, port=port, limits=limits).run()


def make_server(
    app: ASGIApp, *, host: str, port: int, limits: ConnectionLimits | None = None
) -> uvicorn.Server:
    """Return the server, not running yet."""
    table = ConnectionTable(limits or ConnectionLimits())
    # A line for each malformed request would let any caller fill the disk.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    protocol: Any = partial(BoundedProtocol, table=table)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # Whoever connects would say where he comes from.
        proxy_headers=False,
        # The deadlines of the table are the ones that count; this one never comes first.
        timeout_keep_alive=int(table.limits.idle_seconds) + 60,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    return uvicorn.Server(config)
