"""What the stages ask of the record of runs; `pipelines.io.run_log` answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from pipelines.base.report import SessionRange, StageReport

DEFINITIONS = "definitions"
"""Where the details of a run name the definition digest of each part of what its stage makes, by the part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """What the last finished run of a stage consumed: table versions, under which definition digest."""

    inputs: dict[str, int]
    definition: str

    def version_of(self, table: str, definition: str) -> int | None:
        """Return the consumed version, None if the stage now computes something else."""
        return self.inputs.get(table) if definition == self.definition else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredCalendar:
    """The calendar of the sessions that a run of a stage left stored.

    Attributes
    ----------
    first, last : date
        First and last session stored.
    digest : str
        `features.sessions.SessionCalendar.digest` of these.
    epoch : str
        Empty; after the calendar came to see stored sessions otherwise, the digest that differed.
    """

    first: date
    last: date
    digest: str
    epoch: str = ""


class RunLog(Protocol):
    """Where the next run of a stage takes up."""

    def last(self, stage: str, part: str = "") -> LastRun:
        """Return the last finished run of `stage`, or an empty one.

        With `part` its definition is that of one part of what the stage makes, empty where it told none.
        """
        ...

    def last_calendar(self, stage: str) -> CoveredCalendar | None:
        """Return the calendar that the last finished run of `stage` covered, None where it covered none."""
        ...

    def last_as_of(self, stage: str, as_of: date) -> date | None:
        """Return the latest as-of, not after `as_of`, that `stage` was run for; None before the first."""
        ...

    def last_details(self, stage: str, as_of: date) -> Mapping[str, Any] | None:
        """Return what the last run of `stage` that has found or made its outcome told, None without any.

        Runs for an as-of later than `as_of` do not count.
        """
        ...

    def last_done(self, stages: Collection[str]) -> date | None:
        """Return the latest as-of whose outcome one of `stages` has found or made; None without any."""
        ...

    def numbers(self, stage: str) -> set[int]:
        """Return the numbers of the finished runs of a stage."""
        ...

    def ran_since(self, stage: str, as_of: date, instant: datetime) -> bool:
        """Tell whether a finished run of a stage, for an as-of or a later one, was begun since an instant."""
        ...

    def last_seq(self) -> int:
        """Return the number of the last finished run, 0 before the first; never taken from a clock."""
        ...

    def record(
        self,
        report: StageReport,
        sessions: SessionRange,
        *,
        started_at: datetime,
        finished_at: datetime,
        calendar: CoveredCalendar | None = None,
    ) -> None:
        """Append the run as the stage's last commit."""
        ...
