"""What a stage hands back, and the range of sessions it was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, TypedDict

from pipelines.base.errors import EXIT_BAD_DATA, EXIT_DONE, EXIT_NOTHING_TO_DO, EXIT_TRANSIENT

Status = Literal["done", "unchanged", "nothing_to_do", "waiting", "unfollowed", "short"]
EXIT_CODES: dict[Status, int] = {
    "done": EXIT_DONE,
    "unchanged": EXIT_DONE,
    "nothing_to_do": EXIT_NOTHING_TO_DO,
    "waiting": EXIT_TRANSIENT,
    "unfollowed": EXIT_TRANSIENT,
    "short": EXIT_BAD_DATA,
}
"""How a command ends after a stage: what stands, whoever made it, is 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRange:
    """The sessions that a run is asked for, both ends included.

    `end` is the as-of session: nothing known after its cut is looked at. `history` says that a bulk load
    was asked for (``--start/--end``), which fills what earlier runs left out and is never red for a gap.
    """

    start: date
    end: date
    history: bool = False

    def __post_init__(self) -> None:
        if self.start > self.end:
            msg = f"start={self.start} must not be after end={self.end}; swap them or give --as-of alone"
            raise ValueError(msg)


class Counts(TypedDict):
    """Totals of an outcome; see there."""

    rows_in: int
    rows_out: int
    rows_refused: int
    sessions_touched: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a stage's `run` hands back; the runner frames it as a `StageReport`.

    Attributes
    ----------
    status : {"done", "unchanged", "nothing_to_do", "waiting", "unfollowed", "short"}
        ``unchanged``: the outcome stood already. ``nothing_to_do``: there is none and will be none (no
        champion, not promoted, missed). ``waiting``: something expected is not there yet, a later try may
        find it. ``unfollowed``: what was decided stands, and the running service does not follow it yet;
        the stages after it do not wait for that. ``short``: it has not come in time; a person is asked.
    rows_in, rows_out, rows_refused, sessions_touched : int
        Rows read, rows inserted or changed, rows sent to quarantine, sessions written.
    details : mapping
        Whatever else a reader wants to know; JSON values only.
    inputs : mapping of table to Delta version
        Versions of the tables read, where the stage has pinned them; else the runner says which they were.
    """

    status: Status = "done"
    rows_in: int = 0
    rows_out: int = 0
    rows_refused: int = 0
    sessions_touched: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, int] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """Exit code of a command that ends with this outcome."""
        return EXIT_CODES[self.status]


def nothing_to_do(why: str, *, rows_in: int = 0) -> Outcome:
    """Return the outcome of a run that found nothing to do, with the reason that its report gives."""
    return Outcome(status="nothing_to_do", rows_in=rows_in, details={"why": why})


@dataclass(frozen=True, slots=True, kw_only=True)
class StageReport(Outcome):
    """The outcome of one stage run, framed.

    Attributes
    ----------
    inputs : mapping of table to Delta version
        Versions of the tables read: as pinned, or before the run.
    outputs : mapping of table to Delta version
        Versions after the run of the tables written.
    versions_before : mapping of table to Delta version
        Versions of the tables written before the run; None where there was no table yet.
    definition : str
        Digest of what the stage computes; another digest makes the next run compare in full.
    seconds : float
        Wall-clock time of the run.
    """

    stage: str
    versions_before: Mapping[str, int | None] = field(default_factory=dict)
    outputs: Mapping[str, int] = field(default_factory=dict)
    definition: str = ""
    seconds: float = 0.0


def existing(versions: Mapping[str, int | None]) -> dict[str, int]:
    """Return the versions of the tables that exist."""
    return {name: version for name, version in versions.items() if version is not None}
