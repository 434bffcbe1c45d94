from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from prometheus_client.values import MultiProcessValue

from pipelines.stack.run_metrics import render_metrics
from pipelines.tables.feed_gaps import FeedGaps, FeedState

RUNS = pl.DataFrame(
    {
        "seq": [3, 2, 1],
        "stage": ["curate", "ingest", "curate"],
        "status": ["done"] * 3,
        "finished_at": [datetime(2026, 1, day, tzinfo=UTC) for day in (6, 5, 5)],
        "as_of": [date(2026, 1, 2), date(2026, 1, 5), date(2026, 1, 5)],
        "seconds": [2.5, 9.0, 7.0],
        "rows_in": [10, 1, 5],
        "rows_out": [8, 1, 5],
        "rows_refused": [2, 0, 1],
    }
)


NO_GAPS = FeedGaps(feeds=[], missed=[])
BARS = FeedState(
    source="files",
    kind="bars",
    last_complete=date(2026, 1, 5),
    incomplete=[date(2026, 1, 6), date(2026, 1, 7)],
    not_taken=[{"name": "bars.csv", "outcome": "refused", "why": "no close"}],
)
TEXTS = FeedState(source="files", kind="texts", last_complete=None, incomplete=[], not_taken=[])
LAST_SESSION = "bellwether_stage_last_session_timestamp_seconds"


def values(text: bytes, stage: str) -> dict[str, float]:
    return labelled(text, f'stage="{stage}"')


def labelled(text: bytes, labels: str) -> dict[str, float]:
    lines = [line for line in text.decode().splitlines() if f"{{{labels}}}" in line]
    return {line.partition("{")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_one_series_a_stage() -> None:
    assert values(render_metrics(RUNS, NO_GAPS), "curate") == {
        "bellwether_stage_last_finished_timestamp_seconds": datetime(2026, 1, 6, tzinfo=UTC).timestamp(),
        "bellwether_stage_last_session_timestamp_seconds": datetime(2026, 1, 5, tzinfo=UTC).timestamp(),
        "bellwether_stage_last_duration_seconds": 2.5,
        "bellwether_stage_runs": 2.0,
        "bellwether_stage_rows_in": 15.0,
        "bellwether_stage_rows_out": 13.0,
        "bellwether_stage_rows_refused": 3.0,
    }


@pytest.mark.parametrize("status", ["waiting", "short"])
def test_a_session_that_has_not_come_was_not_run_for(status: str) -> None:
    late = RUNS.head(1).with_columns(
        seq=pl.lit(4, pl.Int64), stage=pl.lit("ingest"), status=pl.lit(status), as_of=date(2026, 1, 6)
    )
    told = values(render_metrics(pl.concat([RUNS, late]), NO_GAPS), "ingest")
    assert told[LAST_SESSION] == datetime(2026, 1, 5, tzinfo=UTC).timestamp()
    assert told["bellwether_stage_runs"] == 2.0
    assert LAST_SESSION not in values(render_metrics(late, NO_GAPS), "ingest")


def test_the_last_run_is_that_of_the_highest_number_whatever_its_clock() -> None:
    stepped_back = RUNS.with_columns(seq=pl.Series([1, 2, 3]))
    told = values(render_metrics(stepped_back, NO_GAPS), "curate")
    assert told["bellwether_stage_last_duration_seconds"] == 7.0


def test_gaps_are_told_by_feed() -> None:
    text = render_metrics(RUNS, FeedGaps(feeds=[BARS, TEXTS], missed=[date(2026, 1, 6)]))
    last = datetime(2026, 1, 5, tzinfo=UTC).timestamp()
    assert labelled(text, 'kind="bars",source="files"') == {
        "bellwether_feed_last_complete_session_timestamp_seconds": last,
        "bellwether_feed_incomplete_sessions": 2.0,
        "bellwether_feed_deliveries_not_taken": 1.0,
    }
    assert labelled(text, 'kind="texts",source="files"') == {
        "bellwether_feed_incomplete_sessions": 0.0,
        "bellwether_feed_deliveries_not_taken": 0.0,
    }
    assert "\nbellwether_missed_sessions 1.0\n" in text.decode()


def test_they_need_no_folder_of_counters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Feast points Prometheus' client to a folder that it removes when its own process ends."""
    monkeypatch.setattr("prometheus_client.values.ValueClass", MultiProcessValue())
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "removed"))
    assert values(render_metrics(RUNS, NO_GAPS), "ingest")["bellwether_stage_runs"] == 1.0


def test_no_runs_give_names_without_values() -> None:
    text = render_metrics(RUNS.clear(), NO_GAPS).decode()
    assert "# TYPE bellwether_stage_runs gauge" in text
    assert "# TYPE bellwether_feed_incomplete_sessions gauge" in text
    assert "{" not in text
