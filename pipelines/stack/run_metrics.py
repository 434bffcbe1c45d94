"""`ops.stage_runs` as Prometheus metrics: freshness, refusals, durations."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Any

import polars as pl
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

GAUGES = {
    "finished": ("bellwether_stage_last_finished_timestamp_seconds", "When the stage last finished"),
    "session": (
        "bellwether_stage_last_session_timestamp_seconds",
        "Midnight UTC of the newest session it ran for",
    ),
    "seconds": ("bellwether_stage_last_duration_seconds", "How long the last run took"),
    "runs": ("bellwether_stage_runs", "Runs recorded"),
    "rows_in": ("bellwether_stage_rows_in", "Rows read, all recorded runs together"),
    "rows_out": ("bellwether_stage_rows_out", "Rows written, all recorded runs together"),
    "rows_refused": ("bellwether_stage_rows_refused", "Rows sent to quarantine, all recorded runs together"),
}
COLUMNS = ("stage", "finished_at", "as_of", "seconds", "rows_in", "rows_out", "rows_refused")


def render_metrics(stage_runs: pl.DataFrame) -> bytes:
    """Return the metrics in Prometheus' text format, one series a stage.

    Parameters
    ----------
    stage_runs : pl.DataFrame
        `COLUMNS` of `ops.stage_runs` [run]; without rows it gives the names without values.
    """
    registry = CollectorRegistry()
    registry.register(_StageRuns(stage_runs))
    return generate_latest(registry)


class _StageRuns(Collector):
    """Metrics made on demand: none of the files in which Prometheus' client counts for many processes."""

    def __init__(self, stage_runs: pl.DataFrame) -> None:
        self._rows = (
            stage_runs.sort("finished_at")
            .group_by("stage", maintain_order=True)
            .agg(
                pl.col("finished_at").last().alias("finished"),
                pl.col("as_of").max().alias("session"),
                pl.col("seconds").last(),
                pl.len().alias("runs"),
                pl.col("rows_in", "rows_out", "rows_refused").sum(),
            )
            .to_dicts()
        )

    def collect(self) -> Iterator[Metric]:
        for key, (name, text) in GAUGES.items():
            gauge = GaugeMetricFamily(name, text, labels=["stage"])
            for row in self._rows:
                gauge.add_metric([str(row["stage"])], _number(row[key]))
            yield gauge


def _number(value: Any) -> float:
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).timestamp()
    if isinstance(value, date):
        return datetime.combine(value, time(), tzinfo=UTC).timestamp()
    return float(value)
