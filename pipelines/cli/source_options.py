"""The options that name the source, for every command that reads one."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable
from typing import Any, get_args

import click

from pipelines.base.errors import SettingsError
from pipelines.cli.options import Request
from pipelines.io.sources.params import SourceName


def sourced(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that name the source."""
    for option in (
        click.option("--texts", help="File, folder or glob of texts for --source files."),
        click.option("--bars", help="File, folder or glob of bars for --source files."),
        click.option("--source", type=click.Choice(sorted(get_args(SourceName))), help="Kind of source."),
    ):
        command = option(command)
    return command


def with_source(request: Request, *, source: str | None, bars: str | None, texts: str | None) -> Request:
    """Return the request with the source written as overrides.

    Raises
    ------
    SettingsError
        If a local path or glob names nothing: said before anything is started for it.
    """
    return request.overriding(
        {
            "source.name": source or ("files" if bars else None),
            "source.files.bars": _find(bars, "--bars"),
            "source.files.texts": _find(texts, "--texts"),
        }
    )


def _find(place: str | None, option: str) -> str | None:
    """Return a local place as an absolute path, which services see alike; other file systems are Spark's."""
    if place is None or "://" in place:
        return place
    if not glob.glob(place):
        msg = f"{option} {place}: there is no such file or folder, and no file of this pattern"
        raise SettingsError(msg)
    return os.path.abspath(place)
