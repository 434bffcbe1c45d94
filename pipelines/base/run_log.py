"""What the stages ask of the record of runs; `pipelines.io.run_log` answers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from pipelines.base.report import SessionRange, StageReport


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """What the last finished run of a stage consumed: table versions, under which definition digest."""

    inputs: dict[str, int]
    definition: str

    def version_of(self, table: str, definition: str) -> int | None:
        """Return the consumed version, None if the stage now computes something else."""
        return self.inputs.get(table) if definition == self.definition else None


class RunLog(Protocol):
    """Where the next run of a stage takes up."""

    def last(self, stage: str) -> LastRun:
        """Return the last finished run of `stage`, or an empty one."""
        ...

    def last_as_of(self, stage: str, as_of: date) -> date | None:
        """Return the latest as-of, not after `as_of`, that `stage` was run for; None before the first."""
        ...

    def last_done(self, stages: Collection[str]) -> date | None:
        """Return the latest as-of whose outcome one of `stages` has found or made; None without any."""
        ...

    def numbers(self, stage: str) -> set[int]:
        """Return the numbers of the finished runs of a stage."""
        ...

    def last_seq(self) -> int:
        """Return the number of the last finished run, 0 before the first; never taken from a clock."""
        ...

    def record(
        self, report: StageReport, sessions: SessionRange, *, started_at: datetime, finished_at: datetime
    ) -> None:
        """Append the run as the stage's last commit."""
        ...
