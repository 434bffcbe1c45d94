from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from prometheus_client.values import MultiProcessValue

from pipelines.stack.run_metrics import render_metrics

RUNS = pl.DataFrame(
    {
        "stage": ["curate", "ingest", "curate"],
        "finished_at": [datetime(2026, 1, day, tzinfo=UTC) for day in (6, 5, 5)],
        "as_of": [date(2026, 1, 2), date(2026, 1, 5), date(2026, 1, 5)],
        "seconds": [2.5, 9.0, 7.0],
        "rows_in": [10, 1, 5],
        "rows_out": [8, 1, 5],
        "rows_refused": [2, 0, 1],
    }
)


def values(text: bytes, stage: str) -> dict[str, float]:
    lines = [line for line in text.decode().splitlines() if f'{{stage="{stage}"}}' in line]
    return {line.partition("{")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_one_series_a_stage() -> None:
    assert values(render_metrics(RUNS), "curate") == {
        "bellwether_stage_last_finished_timestamp_seconds": datetime(2026, 1, 6, tzinfo=UTC).timestamp(),
        "bellwether_stage_last_session_timestamp_seconds": datetime(2026, 1, 5, tzinfo=UTC).timestamp(),
        "bellwether_stage_last_duration_seconds": 2.5,
        "bellwether_stage_runs": 2.0,
        "bellwether_stage_rows_in": 15.0,
        "bellwether_stage_rows_out": 13.0,
        "bellwether_stage_rows_refused": 3.0,
    }


def test_they_need_no_folder_of_counters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Feast points Prometheus' client to a folder that it removes when its own process ends."""
    monkeypatch.setattr("prometheus_client.values.ValueClass", MultiProcessValue())
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "removed"))
    assert values(render_metrics(RUNS), "ingest")["bellwether_stage_runs"] == 1.0


def test_no_runs_give_names_without_values() -> None:
    text = render_metrics(RUNS.clear()).decode()
    assert "# TYPE bellwether_stage_runs gauge" in text
    assert "{" not in text
