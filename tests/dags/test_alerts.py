"""Alerts against a receiver on loopback."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dags.lib.alerts import on_failure, on_late, post_alert
from dags.lib.stage_outcome import post_notices
from tests.dags.receiver import Receiver

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


@pytest.mark.parametrize("status", [200, 500])
def test_the_address_of_a_webhook_is_told_to_nobody(
    receiver: Receiver,
    context: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    """It is a secret in itself: whoever has it may post there."""
    receiver.status = status
    caplog.set_level("DEBUG")
    monkeypatch.setenv("BELLWETHER_WEBHOOK_URL", f"{receiver.address}/canary-hook")
    post_notices(SPOKE, context)
    assert len(receiver.messages) == 2
    assert "canary" not in caplog.text + str(receiver.messages)


@pytest.mark.parametrize(
    "address", ["http://ann:canary@127.0.0.1:9/x", "ftp://canary", "http://127.0.0.1:9/canary"]
)
def test_a_webhook_that_cannot_be_used_is_not_quoted(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELLWETHER_WEBHOOK_URL", address)
    with pytest.raises(OSError, match=r"without a login|refused") as failed:
        post_alert({"kind": "late"})
    assert "canary" not in str(failed.value)


SPOKE = {
    "stages": [
        {"stage": "ingest", "details": {"alerts": ["bars of 2026-11-10 came twice", "texts are late"]}},
        {"stage": "curate", "details": {}},
    ]
}


def test_what_stages_want_read_is_posted_text_by_text(receiver: Receiver, context: dict[str, Any]) -> None:
    post_notices(SPOKE, context)
    assert [message["text"] for message in receiver.messages] == [
        "ingest_daily.ingest: bars of 2026-11-10 came twice",
        "ingest_daily.ingest: texts are late",
    ]
    assert receiver.messages[0] == {
        "kind": "notice",
        "text": "ingest_daily.ingest: bars of 2026-11-10 came twice",
        "dag_id": "ingest_daily",
        "task_id": "ingest",
        "run_id": "r1",
        "partition_key": "2026-11-10",
    }


def test_a_notice_that_is_not_taken_fails_nothing(
    receiver: Receiver, context: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    receiver.status = 500
    post_notices(SPOKE, context)
    assert "texts are late" in caplog.text
    assert "The notice could not be posted: HTTP Error 500" in caplog.text
