"""The record of stage runs: where the next run of a stage takes up."""

from __future__ import annotations

import json
import uuid
from datetime import date, datetime

import polars as pl

from pipelines.base.lake import Lake
from pipelines.base.report import SessionRange, StageReport
from pipelines.base.run_log import LastRun
from pipelines.io.lake import decode_versions
from pipelines.tables import queries
from pipelines.tables.contracts import OPS_STAGE_RUNS

REMEMBERED = ("run_id", "stage", "as_of", "finished_at", "inputs", "definition")


class RunLog:
    """Reads and appends `ops.stage_runs`, whose row is the last commit of every stage."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._runs: pl.DataFrame | None = None

    def last(self, stage: str) -> LastRun:
        """Return the last finished run of `stage`, or an empty one."""
        runs = self._read().filter(pl.col("stage") == stage)
        if runs.is_empty():
            return LastRun(inputs={}, definition="")
        row = runs.row(-1, named=True)
        return LastRun(inputs=decode_versions(row["inputs"]), definition=row["definition"])

    def last_as_of(self, stage: str, as_of: date) -> date | None:
        """Return the latest as-of, not after `as_of`, that `stage` was run for; None before the first."""
        runs = self._read().filter((pl.col("stage") == stage) & (pl.col("as_of") <= as_of))
        newest: date | None = runs["as_of"].max()  # type: ignore[assignment]
        return newest

    def _read(self) -> pl.DataFrame:
        """Return all runs in the order in which they finished: a dozen short rows a day."""
        if self._runs is None:
            self._runs = self._lake.collect_query(
                queries.rows_of(OPS_STAGE_RUNS, REMEMBERED, "true"), OPS_STAGE_RUNS
            )
        return self._runs.sort("finished_at", "run_id")

    def record(
        self, report: StageReport, sessions: SessionRange, *, started_at: datetime, finished_at: datetime
    ) -> None:
        """Append the run as the stage's last commit."""
        row = {
            "run_id": str(uuid.uuid4()),
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
            "details": json.dumps(dict(report.details), default=str, sort_keys=True),
        }
        frame = pl.DataFrame([row], schema=dict(OPS_STAGE_RUNS.schema))
        self._lake.append(OPS_STAGE_RUNS, frame)
        if self._runs is not None:
            self._runs = pl.concat([self._runs, frame.select(REMEMBERED)])
