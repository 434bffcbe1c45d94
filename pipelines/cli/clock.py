"""What ``--clock`` may say: one instant, or a file that is asked at each look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from pipelines.base.errors import SettingsError


@dataclass(frozen=True, slots=True)
class FixedClock:
    """A clock that stands."""

    instant: datetime

    def __call__(self) -> datetime:
        """Return the instant."""
        return self.instant


@dataclass(frozen=True, slots=True)
class FileClock:
    """A clock that a file sets: whoever writes the file moves the present of all commands that look at it."""

    path: Path

    def __call__(self) -> datetime:
        """Return the instant that the file holds now.

        Raises
        ------
        SettingsError
            If it cannot be read, or holds no instant.
        """
        try:
            return to_instant(self.path.read_text(encoding="utf-8").strip())
        except (OSError, ValueError) as error:
            msg = f"--clock @{self.path}: {error}; it must hold one instant, as 2018-02-08T03:00:00+00:00"
            raise SettingsError(msg) from error


def parse_clock(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> FixedClock | FileClock | None:
    """Return the clock that the option names."""
    if text is None:
        return None
    return FileClock(Path(text[1:]).absolute()) if text.startswith("@") else FixedClock(named_instant(text))


def named_instant(text: str) -> datetime:
    """Return an instant of the command line."""
    try:
        return to_instant(text)
    except ValueError as error:
        msg = f"{text!r} is not an instant; give ISO 8601, for example 2018-02-08T13:30:00+00:00"
        raise click.BadParameter(msg) from error


def to_instant(text: str) -> datetime:
    """Return an instant in ISO 8601 in UTC, which it is taken for where no offset is given."""
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
