"""Airflow's REST API: keyed runs started, waited for and read back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from pipelines.base.errors import TerminalError, UnavailableError

ENDED = frozenset({"success", "failed"})
SECONDS_BETWEEN_LOOKS = 1.0

Row = dict[str, Any]
Tell = Callable[[str], None]


def _say_nothing(_: str) -> None:
    """Ignore the state of a wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DagRun:
    """One run: its DAG, identity, session (partition key) and state."""

    dag_id: str
    run_id: str
    session: str | None
    state: str


class AirflowApi:
    """Client of one Airflow.

    Parameters
    ----------
    address : str
        Base address, such as ``http://127.0.0.1:8080``.
    user, password : str
        The login; a token is fetched at the first request.
    seconds : float
        How long one request may take.
    """

    def __init__(self, address: str, user: str, password: str, seconds: float = 20.0) -> None:
        self._login = {"username": user, "password": password}
        self._client = httpx.Client(base_url=address, timeout=seconds)

    def dags(self) -> list[Row]:
        """Return all DAGs that Airflow has read."""
        return list(self._get("/api/v2/dags", limit=100)["dags"])

    def import_errors(self) -> list[Row]:
        """Return the DAG files that Airflow could not read."""
        return list(self._get("/api/v2/importErrors")["import_errors"])

    def start(
        self, dag_id: str, *, session: str | None = None, conf: Mapping[str, Any] | None = None
    ) -> DagRun:
        """Start a run.

        Parameters
        ----------
        session : str, optional
            Partition key of a run of the daily chain.
        conf : mapping, optional
            Parameters of a DAG without a schedule by session, such as start and end.
        """
        body: Row = {"logical_date": None, "conf": dict(conf or {})}
        if session:
            body["partition_key"] = session
        return _run(self._send("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body))

    def clear(self, run: DagRun) -> None:
        """Have the tasks of a run that failed run again, and whatever follows them."""
        body = {"dry_run": False, "dag_run_id": run.run_id, "only_failed": True, "reset_dag_runs": True}
        self._send("POST", f"/api/v2/dags/{run.dag_id}/clearTaskInstances", json=body)

    def runs(self, dag_id: str = "~") -> list[DagRun]:
        """Return the runs of a DAG, or of all of them, oldest first."""
        page = self._get(f"/api/v2/dags/{dag_id}/dagRuns", limit=100, order_by="run_after")
        return [_run(row) for row in page["dag_runs"]]

    def tasks(self, run: DagRun) -> list[Row]:
        """Return the task instances of a run."""
        path = f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances"
        return list(self._get(path)["task_instances"])

    def xcom(self, run: DagRun, task_id: str, key: str = "return_value") -> Any:
        """Return what a task handed over; None where it handed over nothing."""
        path = f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        answer = self._request("GET", path, params={"deserialize": True})
        return answer.json()["value"] if answer.is_success else None

    def links(self, run: DagRun, task_id: str) -> dict[str, str | None]:
        """Return the buttons of a task's page: name to address."""
        path = f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/{task_id}/links"
        return dict(self._get(path)["extra_links"])

    def log(self, run: DagRun, task_id: str, attempt: int = 1) -> str:
        """Return the log of one try of a task."""
        path = f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/{task_id}/logs/{attempt}"
        content = self._get(path)["content"]
        return "\n".join(
            str(line.get("event", line)) if isinstance(line, dict) else str(line) for line in content
        )

    def wait(
        self, find: Callable[[], DagRun | None], what: str, seconds: float, tell: Tell = _say_nothing
    ) -> DagRun:
        """Return the run that `find` finds, once it has ended.

        Parameters
        ----------
        tell : callable
            Receives the state, look by look.

        Raises
        ------
        UnavailableError
            If there is no such run, or it goes on, after `seconds`.
        TerminalError
            If it failed; the message holds the log of the failed task.
        """
        deadline = time.monotonic() + seconds
        while (run := self._look(find, deadline)) is None or run.state not in ENDED:
            tell(f"{what}: {run.state if run else 'not started'}")
            if time.monotonic() > deadline:
                state = run.state if run else "not there"
                msg = f"{what}: {state} after {seconds:.0f} s; look at Airflow's page and the scheduler's log"
                raise UnavailableError(msg)
            time.sleep(SECONDS_BETWEEN_LOOKS)
        tell(f"{what}: {run.state}")
        if run.state == "failed":
            raise TerminalError(self.describe_failure(run))
        return run

    def wait_for(self, run: DagRun, seconds: float, tell: Tell = _say_nothing) -> DagRun:
        """Return `run` once it has ended; raises as `wait`."""
        path = f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}"
        return self.wait(lambda: _run(self._get(path)), run.dag_id, seconds, tell)

    def wait_for_session(
        self, dag_id: str, session: str, seconds: float, tell: Tell = _say_nothing
    ) -> DagRun:
        """Return the newest run of `dag_id` for `session` once it has ended; raises as `wait`."""
        return self.wait(lambda: self.find(dag_id, session), f"{dag_id} for {session}", seconds, tell)

    def wait_until_idle(self, seconds: float) -> None:
        """Return once no run is queued or under way.

        Raises
        ------
        UnavailableError
            If one still is after `seconds`.
        """
        deadline = time.monotonic() + seconds
        while busy := [run for run in self.runs() if run.state not in ENDED]:
            if time.monotonic() > deadline:
                names = ", ".join(f"{run.dag_id} ({run.state})" for run in busy)
                msg = f"still at work after {seconds:.0f} s: {names}; see Airflow's page"
                raise UnavailableError(msg)
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def find(self, dag_id: str, session: str) -> DagRun | None:
        """Return the newest run of `dag_id` for `session`, or None."""
        found = [run for run in self.runs(dag_id) if run.session == session]
        return found[-1] if found else None

    def describe_failure(self, run: DagRun) -> str:
        """Return which tasks of a run failed, with the end of their logs."""
        failed = [task for task in self.tasks(run) if task["state"] == "failed"]
        texts = [
            f"{run.dag_id}.{task['task_id']} of {run.run_id} failed:\n"
            + self.log(run, task["task_id"], task["try_number"])[-4000:]
            for task in failed
        ]
        return "\n".join(texts) or f"{run.dag_id} {run.run_id} failed before a task started"

    def _look(self, find: Callable[[], DagRun | None], deadline: float) -> DagRun | None:
        """Return what `find` finds; an Airflow too busy to answer is asked again until `deadline`."""
        while True:
            try:
                return find()
            except UnavailableError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(SECONDS_BETWEEN_LOOKS)

    def _get(self, path: str, **params: Any) -> Row:
        return self._send("GET", path, params=params)

    def _send(self, method: str, path: str, **more: Any) -> Row:
        answer = self._request(method, path, **more)
        if not answer.is_success:
            msg = f"Airflow answered {answer.status_code} to {method} {path}: {answer.text[:500]}"
            raise UnavailableError(msg)
        return dict(answer.json())

    def _request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request; a token that is missing or has run out is fetched first."""
        try:
            answer = self._client.request(method, path, **more)
            if answer.status_code == httpx.codes.UNAUTHORIZED:
                token = self._client.post("/auth/token", json=self._login).raise_for_status().json()
                self._client.headers["Authorization"] = f"Bearer {token['access_token']}"
                answer = self._client.request(method, path, **more)
        except httpx.HTTPError as error:
            msg = (
                f"Airflow at {self._client.base_url} does not answer ({error}); is it up? see `bellwether up`"
            )
            raise UnavailableError(msg) from error
        return answer


def _run(row: Mapping[str, Any]) -> DagRun:
    return DagRun(
        dag_id=row["dag_id"],
        run_id=row["dag_run_id"],
        session=row.get("partition_key"),
        state=row["state"],
    )
