"""The record of stage runs: where the next run of a stage takes up."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from pipelines.contracts import OPS_STAGE_RUNS
from pipelines.io.lake import Lake, decode_versions
from pipelines.report import StageReport, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """What the last finished run of a stage consumed."""

    inputs: dict[str, int]
    definition: str

    def version_of(self, table: str, definition: str) -> int | None:
        """Return the consumed version, None if the stage now computes something else."""
        return self.inputs.get(table) if definition == self.definition else None


NOTHING_YET = LastRun(inputs={}, definition="")


class Journal:
    """Reads and appends `ops.stage_runs`, whose row is the last commit of every stage."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._last: dict[str, LastRun] | None = None

    def last(self, stage: str) -> LastRun:
        """Return the last finished run of `stage`, or an empty one."""
        if self._last is None:
            self._last = self._load()
        return self._last.get(stage, NOTHING_YET)

    def _load(self) -> dict[str, LastRun]:
        runs = self._lake.read(OPS_STAGE_RUNS).selectExpr(
            "stage",
            "inputs",
            "definition",
            "row_number() over (partition by stage order by finished_at desc, run_id desc) as place",
        )
        latest = runs.where("place = 1").collect()
        return {
            row["stage"]: LastRun(inputs=decode_versions(row["inputs"]), definition=row["definition"])
            for row in latest
        }

    def record(
        self, report: StageReport, window: Window, *, started_at: datetime, finished_at: datetime
    ) -> None:
        """Append the run as the stage's last commit."""
        row = {
            "run_id": str(uuid.uuid4()),
            "stage": report.stage,
            "as_of": window.end,
            "window_start": window.start,
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
            "details": json.dumps(dict(report.details), default=str, sort_keys=True),
        }
        frame = pl.DataFrame([row], schema=dict(OPS_STAGE_RUNS.schema))
        self._lake.append(OPS_STAGE_RUNS, self._lake.from_polars(frame, OPS_STAGE_RUNS.schema))
        if self._last is not None:
            self._last[report.stage] = LastRun(inputs=dict(report.inputs), definition=report.definition)
