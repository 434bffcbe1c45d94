from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from pipelines.base.errors import TerminalError, UnavailableError
from pipelines.stack import airflow_api
from pipelines.stack.airflow_api import AirflowApi, DagRun
from tests.pipelines.stack.answers import answering


def row(state: str, *, session: str | None = "2026-11-10", run_id: str = "r1") -> dict[str, Any]:
    return {"dag_id": "ingest_daily", "dag_run_id": run_id, "partition_key": session, "state": state}


RUN = DagRun(dag_id="ingest_daily", run_id="r1", session="2026-11-10", state="queued")


class FakeAirflow:
    """Answers as Airflow does: a token is asked for, states follow one another."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.states = iter(["queued", "running", "success"])

    def __call__(self, method: str, path: str, body: Any, token: str) -> tuple[int, Any]:
        self.asked.append((method, path, body))
        if path == "/auth/token":
            return (201, {"access_token": "T"}) if body["password"] == "right" else (401, {})
        if token != "Bearer T":
            return 401, {"detail": "no token"}
        answers = {
            "/api/v2/dags/ingest_daily/dagRuns/r1/taskInstances": {
                "task_instances": [{"task_id": "ingest", "state": "failed", "try_number": 2}]
            },
            "/api/v2/dags/ingest_daily/dagRuns/r1/taskInstances/ingest/logs/2": {
                "content": [{"event": "reading"}, {"event": "Exit 65"}]
            },
        }
        if path in answers:
            return 200, answers[path]
        return self._runs(method, path, body)

    def _runs(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if path == "/api/v2/dags/ingest_daily/dagRuns/r1":
            return 200, row(next(self.states))
        if method == "POST":
            return 200, row("queued", session=body.get("partition_key"))
        if path.startswith("/api/v2/dags/ingest_daily/dagRuns?"):
            return 200, {
                "dag_runs": [row("failed", run_id="r0"), row("running"), row("queued", session=None)]
            }
        return 404, {"detail": "unknown"}


@pytest.fixture
def airflow() -> FakeAirflow:
    return FakeAirflow()


@pytest.fixture
def api(airflow: FakeAirflow, monkeypatch: pytest.MonkeyPatch) -> Iterator[AirflowApi]:
    monkeypatch.setattr(airflow_api, "SECONDS_BETWEEN_LOOKS", 0.0)
    with answering(airflow) as address:
        yield AirflowApi(address, "admin", "right")


def test_a_keyed_run_is_started_as_the_api_wants_it(api: AirflowApi, airflow: FakeAirflow) -> None:
    assert api.start("ingest_daily", session="2026-11-10") == RUN
    body = {"logical_date": None, "conf": {}, "partition_key": "2026-11-10"}
    assert airflow.asked[-1] == ("POST", "/api/v2/dags/ingest_daily/dagRuns", body)


def test_a_run_without_a_session_has_no_key(api: AirflowApi, airflow: FakeAirflow) -> None:
    api.start("load_history", conf={"start": "2026-01-02"})
    assert airflow.asked[-1][2] == {"logical_date": None, "conf": {"start": "2026-01-02"}}


def test_the_failed_tasks_of_a_run_are_cleared(api: AirflowApi, airflow: FakeAirflow) -> None:
    api.clear(RUN)
    body = {"dry_run": False, "dag_run_id": "r1", "only_failed": True, "reset_dag_runs": True}
    assert airflow.asked[-1] == ("POST", "/api/v2/dags/ingest_daily/clearTaskInstances", body)


def test_the_newest_run_of_a_session_is_found(api: AirflowApi) -> None:
    found = api.find("ingest_daily", "2026-11-10")
    assert found is not None
    assert (found.run_id, found.state) == ("r1", "running")
    assert api.find("ingest_daily", "2026-11-11") is None


def test_waiting_tells_each_state(api: AirflowApi) -> None:
    told: list[str] = []
    assert api.wait_for(RUN, 10, told.append).state == "success"
    assert told == ["ingest_daily: queued", "ingest_daily: running", "ingest_daily: success"]


def test_an_airflow_too_busy_to_answer_is_asked_again(
    api: AirflowApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([UnavailableError("busy"), replace(RUN, state="success")])

    def find() -> DagRun:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert api.wait(find, "it", 10).state == "success"


def test_a_failed_run_brings_its_log(api: AirflowApi, airflow: FakeAirflow) -> None:
    airflow.states = iter(["failed"])
    with pytest.raises(TerminalError, match=r"(?s)ingest_daily\.ingest of r1 failed:.*reading.*Exit 65"):
        api.wait_for(RUN, 10)


def test_a_run_that_goes_on_is_named(api: AirflowApi) -> None:
    with pytest.raises(UnavailableError, match="ingest_daily for 2026-11-10: running after 0 s"):
        api.wait_for_session("ingest_daily", "2026-11-10", 0)


def test_a_refusal_shows_airflows_words(api: AirflowApi) -> None:
    with pytest.raises(UnavailableError, match=r"Airflow answered 404 to GET /api/v2/dags: .*unknown"):
        api.dags()


def test_a_wrong_password_is_reported(airflow: FakeAirflow) -> None:
    with answering(airflow) as address, pytest.raises(UnavailableError, match=r"does not answer .*401"):
        AirflowApi(address, "admin", "wrong").dags()


def test_nobody_there_is_reported() -> None:
    with pytest.raises(UnavailableError, match="is it up"):
        AirflowApi("http://127.0.0.1:9", "admin", "x").dags()


def test_the_log_is_one_text(api: AirflowApi) -> None:
    assert api.log(RUN, "ingest", 2) == "reading\nExit 65"
