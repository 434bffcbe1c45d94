"""What has run and what is missing as Prometheus metrics: freshness, refusals, durations, gaps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Any

import polars as pl
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pipelines.tables.feed_gaps import FeedGaps

GAUGES = {
    "finished": ("bellwether_stage_last_finished_timestamp_seconds", "When the stage last finished"),
    "session": (
        "bellwether_stage_last_session_timestamp_seconds",
        "Midnight UTC of the newest session it ran for and got",
    ),
    "seconds": ("bellwether_stage_last_duration_seconds", "How long the last run took"),
    "runs": ("bellwether_stage_runs", "Runs recorded"),
    "rows_in": ("bellwether_stage_rows_in", "Rows read, all recorded runs together"),
    "rows_out": ("bellwether_stage_rows_out", "Rows written, all recorded runs together"),
    "rows_refused": ("bellwether_stage_rows_refused", "Rows sent to quarantine, all recorded runs together"),
}
FEED = ("source", "kind")
NOT_THERE = ("waiting", "short")
"""How a run ends that has not got its session."""
COLUMNS = ("seq", "stage", "status", "finished_at", "as_of", "seconds", "rows_in", "rows_out", "rows_refused")


def render_metrics(stage_runs: pl.DataFrame, gaps: FeedGaps) -> bytes:
    """Return the metrics in Prometheus' text format, one series a stage or feed.

    Parameters
    ----------
    stage_runs : pl.DataFrame
        `COLUMNS` of `ops.stage_runs` [run]; without rows it gives the names without values.
    gaps : FeedGaps
    """
    registry = CollectorRegistry()
    registry.register(_StageRuns(stage_runs))
    registry.register(_Gaps(gaps))
    return generate_latest(registry)


class _StageRuns(Collector):
    """Metrics made on demand: none of the files in which Prometheus' client counts for many processes."""

    def __init__(self, stage_runs: pl.DataFrame) -> None:
        self._rows = (
            stage_runs.sort(pl.col("seq").fill_null(0), "finished_at")
            .group_by("stage", maintain_order=True)
            .agg(
                pl.col("finished_at").last().alias("finished"),
                pl.col("as_of").filter(~pl.col("status").is_in(NOT_THERE)).max().alias("session"),
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
                if row[key] is not None:
                    gauge.add_metric([str(row["stage"])], _number(row[key]))
            yield gauge


class _Gaps(Collector):
    """What is missing, made on demand like the rest."""

    def __init__(self, gaps: FeedGaps) -> None:
        self._gaps = gaps

    def collect(self) -> Iterator[Metric]:
        last = GaugeMetricFamily(
            "bellwether_feed_last_complete_session_timestamp_seconds",
            "Midnight UTC of the feed's last complete session",
            labels=FEED,
        )
        incomplete = GaugeMetricFamily(
            "bellwether_feed_incomplete_sessions",
            "Sessions since the first one asked for that are not complete",
            labels=FEED,
        )
        not_taken = GaugeMetricFamily(
            "bellwether_feed_deliveries_not_taken",
            "Deliveries refused or not readable as they are",
            labels=FEED,
        )
        for feed in self._gaps.feeds:
            names = [feed.source, feed.kind]
            if feed.last_complete is not None:
                last.add_metric(names, _number(feed.last_complete))
            incomplete.add_metric(names, len(feed.incomplete))
            not_taken.add_metric(names, len(feed.not_taken))
        missed = "Sessions since the first issue whose time passed without a forecast"
        yield from (last, incomplete, not_taken)
        yield GaugeMetricFamily("bellwether_missed_sessions", missed, value=len(self._gaps.missed))


def _number(value: Any) -> float:
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).timestamp()
    if isinstance(value, date):
        return datetime.combine(value, time(), tzinfo=UTC).timestamp()
    return float(value)
