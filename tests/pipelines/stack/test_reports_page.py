from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import httpx
import polars as pl
import pytest
from deltalake import write_deltalake

from features.sessions import SessionCalendar
from pipelines.base.home import Home
from pipelines.stack.reports_page import reports_server
from pipelines.tables.contracts import GOLD_FORECASTS, OPS_POLLS, OPS_STAGE_RUNS
from pipelines.tables.feed_gaps import Watch
from tests.pipelines.table_rows import rows_of

WATCH = Watch(
    calendar=SessionCalendar(), now=datetime(2026, 1, 8, 12, tzinfo=UTC), grace=timedelta(minutes=20)
)
"""The last session that was due is that of 7 January."""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    server = reports_server("127.0.0.1", 0, Home(tmp_path), lambda: WATCH)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_reports_are_served(address: str, tmp_path: Path) -> None:
    (tmp_path / "reports" / "index.html").write_text("<p>drift</p>", encoding="utf-8")
    assert httpx.get(address).text == "<p>drift</p>"


def test_metrics_answer_before_any_run(address: str) -> None:
    answer = httpx.get(f"{address}/metrics?x=1")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "bellwether_stage_rows_refused" in answer.text


def test_metrics_tell_what_has_been_recorded_so_far(address: str, tmp_path: Path) -> None:
    for session, rows_out in ((date(2026, 1, 5), 7), (date(2026, 1, 6), 5)):
        record_run(tmp_path, session, rows_out)
        answer = httpx.get(f"{address}/metrics").text
    assert 'bellwether_stage_rows_out{stage="curate"} 12.0' in answer
    assert 'bellwether_stage_runs{stage="curate"} 2.0' in answer


def test_metrics_tell_what_is_missing_against_the_calendar(address: str, tmp_path: Path) -> None:
    first, second = date(2026, 1, 5), date(2026, 1, 6)
    polls = {"source": ["files"] * 2, "kind": ["bars"] * 2, "session": [first, second]}
    found = rows_of(OPS_POLLS, polls | {"complete": [True, False], "run_seq": [1, 2]})
    write_deltalake(str(tmp_path / "lake" / "ops" / "polls"), found)
    issued = rows_of(GOLD_FORECASTS, {"session": [first], "month": ["2026-01"]})
    write_deltalake(str(tmp_path / "lake" / "gold" / "forecasts"), issued)
    answer = httpx.get(f"{address}/metrics").text
    assert 'bellwether_feed_incomplete_sessions{kind="bars",source="files"} 2.0' in answer
    assert "bellwether_missed_sessions 2.0" in answer


def record_run(home: Path, session: date, rows_out: int) -> None:
    """Append one run of curate as a commit of its own."""
    finished_at = datetime.combine(session, time(22), tzinfo=UTC)
    said = {
        "stage": "curate", "status": "done", "as_of": session, "window_start": session,
        "finished_at": finished_at,
        "seconds": 2.5, "rows_in": 9, "rows_out": rows_out, "rows_refused": 0,
    }  # fmt: skip
    row = pl.DataFrame([{name: said.get(name) for name in OPS_STAGE_RUNS.schema}], OPS_STAGE_RUNS.schema)
    write_deltalake(str(home / "lake" / "ops" / "stage_runs"), row, mode="append")


def test_nothing_above_the_folder_is_served(address: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x", encoding="utf-8")
    assert httpx.get(f"{address}/%2e%2e/secret").status_code == httpx.codes.NOT_FOUND
