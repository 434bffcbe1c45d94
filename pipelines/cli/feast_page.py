"""Serves Feast's own pages over a home's registry, which is made first where there is none yet."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from pipelines.cli.options import Request, common, open_request


@click.command()
@click.argument("host")
@click.argument("port")
@common
def main(request: Request, host: str, port: str) -> None:
    """Replace this process by ``feast ui`` at HOST and PORT."""
    from pipelines.io.feature_store import open_feature_store

    context = open_request(request)
    open_feature_store(context).apply()
    command = Path(sys.executable).parent / "feast"
    words = [str(command), "-c", str(context.home.feast), "ui", "--host", host, "--port", port]
    os.execv(command, words)  # noqa: S606 - a list, no shell


if __name__ == "__main__":
    main()
