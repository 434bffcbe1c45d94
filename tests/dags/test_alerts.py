"""Alerts against a receiver on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from dags.lib.alerts import on_failure, on_late, post_alert

FAILED = {
    "ti": SimpleNamespace(
        dag_id="ingest_daily", task_id="ingest", run_id="r1", try_number=3, log_url="http://x/log"
    ),
    "dag_run": SimpleNamespace(partition_key="2026-11-10"),
    "exception": RuntimeError("Exit 75"),
}
LATE = {
    "dag_run": {
        "dag_id": "ingest_daily",
        "dag_run_id": "r1",
        "partition_key": "2026-11-10",
        "state": "running",
    },
    "deadline": {"id": "1", "deadline_time": "2026-11-11 05:00:00+00:00"},
}


class Receiver(HTTPServer):
    """Keeps what it was sent and answers with `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Take)
        self.messages: list[dict[str, Any]] = []
        self.status = 200

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class Take(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.messages.append(json.loads(body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("BELLWETHER_WEBHOOK_URL", server.address)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_failure_names_task_session_error_and_log(receiver: Receiver) -> None:
    on_failure(FAILED)
    assert receiver.messages == [
        {
            "kind": "failure",
            "text": "ingest_daily.ingest failed: Exit 75",
            "dag_id": "ingest_daily",
            "task_id": "ingest",
            "run_id": "r1",
            "partition_key": "2026-11-10",
            "try_number": 3,
            "error": "Exit 75",
            "log_url": "http://x/log",
        }
    ]


def test_a_late_run_names_run_session_and_deadline(receiver: Receiver) -> None:
    on_late(LATE)
    assert receiver.messages == [
        {
            "kind": "late",
            "text": "ingest_daily is late: r1 was due by 2026-11-11 05:00:00+00:00",
            "dag_id": "ingest_daily",
            "run_id": "r1",
            "partition_key": "2026-11-10",
            "state": "running",
            "deadline": "2026-11-11 05:00:00+00:00",
        }
    ]


def test_a_receiver_that_refuses_is_reported(receiver: Receiver) -> None:
    receiver.status = 500
    with pytest.raises(OSError, match="HTTP Error 500"):
        on_failure(FAILED)


def test_without_a_webhook_the_alert_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    on_late(LATE)
    assert "No webhook is set, so this alert stays here" in caplog.text
    assert "ingest_daily is late" in caplog.text


def test_another_scheme_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELLWETHER_WEBHOOK_URL", "file:///etc/passwd")
    with pytest.raises(OSError, match="must be an http:// or https:// address"):
        post_alert({"kind": "late"})
