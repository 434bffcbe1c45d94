"""The options that commands share, the source's among them, and the context they open."""

from __future__ import annotations

import functools
import glob
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.base.errors import BellwetherError, NothingToDo, SettingsError
from pipelines.base.home import OWNER_ALONE
from pipelines.base.masking import MaskingFormatter, mask_text
from pipelines.base.quiet_telemetry import QUIET_TELEMETRY
from pipelines.base.report import SessionRange
from pipelines.cli.clock import FileClock, FixedClock, named_instant, parse_clock

if TYPE_CHECKING:
    from pipelines.base.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the command line asked for, before settings are read."""

    home: Path
    env: str
    overrides: tuple[str, ...]
    clock: FixedClock | FileClock | None

    def overriding(self, settings: Mapping[str, str | None]) -> Request:
        """Return the request with one override more for each setting that has a value."""
        named = {key: value for key, value in settings.items() if value is not None}
        extra = tuple(f"{key}={json.dumps(value)}" for key, value in named.items())
        return replace(self, overrides=self.overrides + extra)

    def for_stages(self) -> list[str]:
        """Return the options with which every stage and the forecast service see the same settings.

        A clock that a file sets is theirs too; one that stands is not: days do not pass under it.
        """
        clock = ["--clock", f"@{self.clock.path}"] if isinstance(self.clock, FileClock) else []
        return ["--env", self.env, *(part for value in self.overrides for part in ("--set", value)), *clock]


def parse_session(_context: click.Context, _option: click.Parameter, text: str | None) -> date | None:
    """Return a session option as a date."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        msg = f"{text!r} is not a date; give YYYY-MM-DD, for example 2018-02-07"
        raise click.BadParameter(msg) from error


def parse_instant(_context: click.Context, _option: click.Parameter, text: str | None) -> datetime | None:
    """Return an instant option as an aware datetime; UTC where no offset is given."""
    return None if text is None else named_instant(text)


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of `Request` and turn known errors into exit codes."""

    @click.option("--home", type=click.Path(path_type=Path), default=Path("var"), show_default=True,
                  help="Folder that holds all that a run writes.")  # fmt: skip
    @click.option("--env", default="local", show_default=True, help="Overlay of conf/ to use.")
    @click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one setting.")
    @click.option(
        "--clock",
        callback=parse_clock,
        metavar="INSTANT|@FILE",
        help="Take this instant as the present (tests, replays), or the one that FILE holds at each look.",
    )
    @click.option("--verbose", is_flag=True, help="Log more.")
    @functools.wraps(command)
    def wrapped(
        *args: Any, home: Path, env: str, overrides: tuple[str, ...], clock: Any, verbose: bool, **more: Any
    ) -> Any:
        os.umask(OWNER_ALONE)
        request = Request(home=home, env=env, overrides=overrides, clock=clock)
        start_logging(verbose=verbose)
        with exit_codes(verbose=verbose):
            return command(*args, request=request, **more)

    return wrapped


def sourced(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that name the source."""
    for option in (
        click.option("--texts", help="File, folder or glob of texts, of the source files or the one named."),
        click.option("--actions", help="The same of splits and dividends, as records of their own."),
        click.option("--bars", help="File, folder or glob of bars, of the source files or the one named."),
        click.option("--source", help="Source of bars and texts, by its name in the settings."),
    ):
        command = option(command)
    return command


def with_source(
    request: Request, *, source: str | None, bars: str | None, actions: str | None, texts: str | None
) -> Request:
    """Return the request with the source written as overrides.

    A source that is named, or bars alone, deliver bars and texts; texts alone leave the bars where they come
    from. Actions come from the source, as records of their own, only where their place is named here.

    Raises
    ------
    SettingsError
        If a local path or glob names nothing: said before anything is started for it.
    """
    name = source or "files"
    return request.overriding(
        {
            "feeds.bars": name if source or bars else None,
            "feeds.actions": name if actions else None,
            "feeds.texts": name if source or bars or texts else None,
            f"sources.{name}.bars": _find(bars, "--bars"),
            f"sources.{name}.actions": _find(actions, "--actions"),
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


def start_logging(*, verbose: bool) -> None:
    """Log to stderr, and keep the libraries' telemetry off, and unless asked for their warnings too."""
    for name, value in QUIET_TELEMETRY.items():
        os.environ.setdefault(name, value)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(MaskingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("pipelines").setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.captureWarnings(capture=True)
    logging.getLogger("py.warnings").setLevel(logging.WARNING if verbose else logging.ERROR)


@contextmanager
def exit_codes(*, verbose: bool) -> Iterator[None]:
    """Leave the process with the exit code of the error raised."""
    try:
        yield
    except BellwetherError as error:
        if verbose:
            logging.getLogger("pipelines").exception("stopped")
        click.echo(mask_text(f"{type(error).__name__}: {error}"), err=True)
        sys.exit(error.exit_code)


def open_request(request: Request) -> Context:
    """Return the context of a request: settings read, nothing started yet."""
    from pipelines.app.runner import open_context, system_clock
    from pipelines.app.settings import load_settings

    settings, _ = load_settings(request.env, overrides=request.overrides)
    return open_context(settings, request.home, clock=request.clock or system_clock)


def open_home(request: Request) -> Context:
    """Return the context of a home that is there: what only looks has no use for another.

    Raises
    ------
    SettingsError
        If nothing has been run under it.
    """
    if not request.home.is_dir():
        msg = f"--home {request.home}: there is no such folder; nothing has been run under it"
        raise SettingsError(msg)
    return open_request(request)


def resolve_sessions(
    context: Context, as_of: date | None, start: date | None, end: date | None
) -> SessionRange:
    """Return the sessions asked for; the session of the last cut where none was named.

    Raises
    ------
    SettingsError
        If the dates contradict each other or name no session.
    NothingToDo
        If `as_of` is a day on which the exchange was closed: a scheduler that knows weekdays only meets them.
    """
    if as_of and (start or end):
        msg = f"--as-of {as_of} cannot stand beside --start/--end; give one or the other"
        raise SettingsError(msg)
    last = as_of or end or context.calendar.last_cut(context.clock())
    first = as_of or start or last
    if first > last:
        msg = f"--start {first} is after --end {last}; swap them"
        raise SettingsError(msg)
    sessions = context.calendar.sessions(first, last)
    known = context.calendar.last
    if last > known:
        msg = f"{last} is not known yet: the calendar {context.calendar.name} ends on {known}"
        raise SettingsError(msg)
    if as_of and not sessions:
        msg = f"{as_of} is no session of {context.calendar.name}: the market was closed"
        raise NothingToDo(msg)
    if not sessions:
        msg = f"no session of {context.calendar.name} lies in {first}..{last}; name a trading day"
        raise SettingsError(msg)
    return SessionRange(start=sessions[0], end=sessions[-1], history=bool(start or end))
