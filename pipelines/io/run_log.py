"""The record of stage runs: where the next run of a stage takes up."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

import polars as pl

from pipelines.base.lake import Lake
from pipelines.base.report import SessionRange, StageReport
from pipelines.base.run_log import DEFINITIONS, CoveredCalendar, LastRun
from pipelines.tables import queries
from pipelines.tables.contracts import OPS_STAGE_RUNS

CALENDAR = "calendar"
STOOD = pl.col("status").is_in(["done", "unchanged"])
"""Of runs whose outcome stands."""
REMEMBERED = (
    "run_id",
    "seq",
    "stage",
    "status",
    "as_of",
    "started_at",
    "finished_at",
    "inputs",
    "definition",
)


class RunLog:
    """Reads and appends `ops.stage_runs`, whose row is the last commit of every stage."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._runs: pl.DataFrame | None = None
        self._version: int | None = None
        self._details: dict[str, dict[str, Any]] = {}

    def last(self, stage: str, part: str = "") -> LastRun:
        """Return the last finished run of `stage`, or an empty one.

        With `part` its definition is that of one part of what the stage makes, empty where it told none.
        """
        runs = self._read().filter(pl.col("stage") == stage)
        if runs.is_empty():
            return LastRun(inputs={}, definition="")
        row = runs.row(-1, named=True)
        definition: str = row["definition"]
        if part:
            definition = self._read_details(row["run_id"]).get(DEFINITIONS, {}).get(part, "")
        return LastRun(inputs=decode_versions(row["inputs"]), definition=definition)

    def last_calendar(self, stage: str) -> CoveredCalendar | None:
        """Return the calendar that the last finished run of `stage` covered, None where it covered none."""
        runs = self._read().filter(pl.col("stage") == stage)
        if runs.is_empty():
            return None
        return _parse_calendar(self._read_details(runs["run_id"][-1]).get(CALENDAR))

    def _read_details(self, run_id: str) -> dict[str, Any]:
        """Return what one run told: details are long, so they are read of one run and not of all."""
        if run_id not in self._details:
            own = queries.rows_of(OPS_STAGE_RUNS, ["details"], queries.equals("run_id", run_id))
            told = self._lake.collect_query(own, OPS_STAGE_RUNS)["details"][0]
            self._details[run_id] = json.loads(told or "{}")
        return self._details[run_id]

    def last_as_of(self, stage: str, as_of: date) -> date | None:
        """Return the latest as-of, not after `as_of`, that `stage` was run for; None before the first."""
        runs = self._read().filter((pl.col("stage") == stage) & (pl.col("as_of") <= as_of))
        newest: date | None = runs["as_of"].max()  # type: ignore[assignment]
        return newest

    def last_details(self, stage: str, as_of: date) -> dict[str, Any] | None:
        """Return what the last run of `stage` that has found or made its outcome told, None without any.

        Runs for an as-of later than `as_of` do not count.
        """
        runs = self._read().filter(STOOD & (pl.col("stage") == stage) & (pl.col("as_of") <= as_of))
        return None if runs.is_empty() else self._read_details(runs["run_id"][-1])

    def last_done(self, stages: Collection[str]) -> date | None:
        """Return the latest as-of whose outcome one of `stages` has found or made; None without any."""
        runs = self._read().filter(STOOD & pl.col("stage").is_in(list(stages)))
        newest: date | None = runs["as_of"].max()  # type: ignore[assignment]
        return newest

    def numbers(self, stage: str) -> set[int]:
        """Return the numbers of the finished runs of a stage."""
        return set(self._read().filter(stage=stage)["seq"])

    def ran_since(self, stage: str, as_of: date, instant: datetime) -> bool:
        """Tell whether a finished run of a stage, for an as-of or a later one, was begun since an instant."""
        later = (pl.col("as_of") >= as_of) & (pl.col("started_at") >= instant)
        return not self._read().filter(later, stage=stage).is_empty()

    def last_seq(self) -> int:
        """Return the number of the last finished run, 0 before the first; never taken from a clock."""
        runs = self._read()
        return int(runs["seq"][-1]) if runs.height else 0

    def _read(self) -> pl.DataFrame:
        """Return all runs in the order in which they were written: a dozen short rows a day.

        Runs that an earlier version wrote have no number; they come first, in the order of their clock.
        Another writer may have run since they were read, before this one got the lock: the version tells.
        """
        version = self._lake.version(OPS_STAGE_RUNS)
        if self._runs is None or version != self._version:
            self._version = version
            runs = self._lake.collect_query(
                queries.rows_of(OPS_STAGE_RUNS, REMEMBERED, "true"), OPS_STAGE_RUNS
            ).sort(pl.col("seq").fill_null(0), "finished_at", "run_id")
            self._runs = runs.with_columns(pl.coalesce("seq", pl.int_range(1, pl.len() + 1)))
        return self._runs

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
        details = {**report.details, CALENDAR: asdict(calendar)} if calendar else dict(report.details)
        row = {
            "run_id": str(uuid.uuid4()),
            "seq": self.last_seq() + 1,
            "stage": report.stage,
            "as_of": sessions.end,
            "window_start": sessions.start,
            "status": report.status,
            "started_at": started_at,
            "finished_at": finished_at,
            "seconds": report.seconds,
            "rows_in": report.rows_in,
            "rows_out": report.rows_out,
            "rows_refused": report.rows_refused,
            "sessions_touched": report.sessions_touched,
            "inputs": json.dumps(dict(report.inputs), sort_keys=True),
            "outputs": json.dumps(dict(report.outputs), sort_keys=True),
            "definition": report.definition,
            "details": json.dumps(details, default=str, sort_keys=True),
        }
        frame = pl.DataFrame([row], schema=dict(OPS_STAGE_RUNS.schema))
        self._lake.append(OPS_STAGE_RUNS, frame)


def _parse_calendar(covered: dict[str, str] | None) -> CoveredCalendar | None:
    if covered is None:
        return None
    return CoveredCalendar(
        first=date.fromisoformat(covered["first"]),
        last=date.fromisoformat(covered["last"]),
        digest=covered["digest"],
        epoch=covered["epoch"],
    )


def decode_versions(text: str | None) -> dict[str, int]:
    """Return the table versions that a stage run recorded as JSON."""
    return json.loads(text) if text else {}
