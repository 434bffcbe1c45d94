from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import httpx
import polars as pl
import pytest
from deltalake import write_deltalake
from starlette.testclient import TestClient

from features.sessions import SessionCalendar
from pipelines.app.settings import load_settings
from pipelines.base.home import Home
from pipelines.stack.page_guards import guard_page
from pipelines.stack.reports_page import reports_app
from pipelines.tables.contracts import GOLD_FORECASTS, OPS_POLLS, OPS_STAGE_RUNS
from pipelines.tables.feed_gaps import Watch
from serving.transport.page_guard import SANDBOX, PageRules
from tests.pipelines.table_rows import rows_of

WATCH = Watch(
    calendar=SessionCalendar(), now=datetime(2026, 1, 8, 12, tzinfo=UTC), grace=timedelta(minutes=20)
)
"""The last session that was due is that of 7 January."""


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    page = reports_app(Home(tmp_path), lambda: WATCH)
    guarded = guard_page(page, PageRules(policy=SANDBOX), load_settings()[0], Home(tmp_path))
    return TestClient(guarded, "http://localhost:8800")


def test_reports_are_served(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "reports" / "index.html").write_text("<p>drift</p>", encoding="utf-8")
    assert client.get("/").text == "<p>drift</p>"


def test_metrics_answer_before_any_run(client: TestClient) -> None:
    answer = client.get("/metrics?x=1")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "bellwether_stage_rows_refused" in answer.text


def test_metrics_tell_what_has_been_recorded_so_far(client: TestClient, tmp_path: Path) -> None:
    for session, rows_out in ((date(2026, 1, 5), 7), (date(2026, 1, 6), 5)):
        record_run(tmp_path, session, rows_out)
        answer = client.get("/metrics").text
    assert 'bellwether_stage_rows_out{stage="curate"} 12.0' in answer
    assert 'bellwether_stage_runs{stage="curate"} 2.0' in answer


def test_metrics_tell_what_is_missing_against_the_calendar(client: TestClient, tmp_path: Path) -> None:
    first, second = date(2026, 1, 5), date(2026, 1, 6)
    polls = {"source": ["files"] * 2, "kind": ["bars"] * 2, "session": [first, second]}
    found = rows_of(OPS_POLLS, polls | {"complete": [True, False], "run_seq": [1, 2]})
    write_deltalake(str(tmp_path / "lake" / "ops" / "polls"), found)
    issued = rows_of(GOLD_FORECASTS, {"session": [first], "month": ["2026-01"]})
    write_deltalake(str(tmp_path / "lake" / "gold" / "forecasts"), issued)
    answer = client.get("/metrics").text
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


def test_nothing_above_the_folder_is_served(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x", encoding="utf-8")
    assert client.get("/%2e%2e/secret").status_code == httpx.codes.NOT_FOUND


def test_before_the_first_report_the_page_says_so(client: TestClient) -> None:
    answer = client.get("/")
    assert (answer.status_code, "no drift report yet" in answer.text) == (404, True)


def test_a_report_runs_in_a_sandbox_and_is_shown_to_nobody_else(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "reports" / "2026-01-05.html").write_text("<script>1</script>", encoding="utf-8")
    answer = client.get("/2026-01-05.html")
    assert answer.headers["content-security-policy"].startswith("sandbox allow-scripts; default-src 'none'")
    assert "connect-src" not in answer.headers["content-security-policy"]  # default-src: nobody is asked
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get("/2026-01-05.html", headers={"Host": "rebound.example"}).status_code == 403
    assert client.get("/metrics", headers={"Origin": "http://evil.example"}).status_code == 403
    assert client.put("/2026-01-05.html", content=b"x").status_code == 405
