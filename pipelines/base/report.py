"""What a stage hands back, and the range of sessions it was asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Literal

Status = Literal["done", "nothing_to_do"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRange:
    """The sessions that a run is asked for, both ends included.

    `end` is the as-of session: nothing decided later than it is looked at.
    """

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.start > self.end:
            msg = f"start={self.start} must not be after end={self.end}; swap them or give --as-of alone"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class StageReport:
    """The outcome of one stage run.

    Attributes
    ----------
    rows_in, rows_out, rows_refused, sessions_touched : int
        Rows read, rows inserted or changed, rows sent to quarantine, sessions written.
    inputs, outputs : mapping of table to Delta version
        Versions consumed, and versions after the run, of the tables concerned.
    definition : str
        Digest of what the stage computes; another digest makes the next run compare in full.
    details : mapping
        Whatever else a reader wants to know; JSON values only.
    """

    stage: str
    status: Status = "done"
    rows_in: int = 0
    rows_out: int = 0
    rows_refused: int = 0
    sessions_touched: int = 0
    inputs: Mapping[str, int] = field(default_factory=dict)
    versions_before: Mapping[str, int | None] = field(default_factory=dict)
    outputs: Mapping[str, int] = field(default_factory=dict)
    definition: str = ""
    seconds: float = 0.0
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the report as one line of JSON."""
        return json.dumps(asdict(self), default=str, sort_keys=True)


def standing(versions: Mapping[str, int | None]) -> dict[str, int]:
    """Return the versions of the tables that exist."""
    return {name: version for name, version in versions.items() if version is not None}
