"""The options that name the source, and the settings that they stand for."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable
from typing import Any

import click

from pipelines.base.errors import SettingsError
from pipelines.cli.options import Request


def sourced(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that name the source."""
    for option in (
        click.option("--texts", help="File, folder or glob of texts, of the source files or the one named."),
        click.option("--bars", help="File, folder or glob of bars, of the source files or the one named."),
        click.option("--source", help="Source of bars and texts, by its name in the settings."),
    ):
        command = option(command)
    return command


def with_source(request: Request, *, source: str | None, bars: str | None, texts: str | None) -> Request:
    """Return the request with the source written as overrides.

    A source that is named, or bars alone, deliver both kinds of record; texts alone leave the bars where they
    come from.

    Raises
    ------
    SettingsError
        If a local path or glob names nothing: said before anything is started for it.
    """
    name = source or "files"
    return request.overriding(
        {
            "feeds.bars": name if source or bars else None,
            "feeds.texts": name if source or bars or texts else None,
            f"sources.{name}.bars": _find(bars, "--bars"),
            f"sources.{name}.texts": _find(texts, "--texts"),
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
