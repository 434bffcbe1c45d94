"""What every stage is handed: settings, places, clock, calendar, lake and run log."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from features.sessions import SessionCalendar
from pipelines.base.home import Home
from pipelines.base.lake import Lake
from pipelines.base.run_log import RunLog

Clock = Callable[[], datetime]
Section = TypeVar("Section")


class Sections(Protocol):
    """Settings as those see them who own a part of them: by the type of the part."""

    def section(self, kind: type[Section]) -> Section:
        """Return the section whose parameters are of type `kind`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything that a stage may use; it reads no environment and no clock of its own.

    `writing` holds the lake's writer lock for its block, `installing` the home's lock of promotions,
    rollbacks and installations, `training` that of whatever fits models. Each may be entered again within
    itself, and the first within the others, not the other way round. ``writing(seconds=…)`` waits so long
    instead of ``lake.lock_timeout_seconds``.
    """

    settings: Sections
    home: Home
    clock: Clock
    calendar: SessionCalendar
    lake: Lake
    run_log: RunLog
    writing: Callable[..., AbstractContextManager[None]]
    installing: Callable[[], AbstractContextManager[None]]
    training: Callable[[], AbstractContextManager[None]]

    def params(self, kind: type[Section]) -> Section:
        """Return the settings of one kind, such as ``context.params(CurateParams)``."""
        return self.settings.section(kind)
