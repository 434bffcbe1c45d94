"""What the tests of the real scheduler share: a stack on free ports, whose DAGs strike by no clock."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.app.settings import load_settings
from pipelines.base.home import Home
from pipelines.base.project import PROJECT_ROOT
from pipelines.cli.stack_commands import end_like_an_interrupt
from pipelines.stack.airflow_api import AirflowApi, DagRun
from pipelines.stack.airflow_home import USER, read_password
from pipelines.stack.lifecycle import Stack, start_stack, stop_stack
from pipelines.stack.params import ServicesParams

SECONDS = 1800.0
"""How long a run may take on a busy machine."""


@dataclass(frozen=True)
class Running:
    """A started stack and a client of its Airflow."""

    params: ServicesParams
    home: Home
    arguments: list[str]
    stack: Stack
    api: AirflowApi

    def states(self, run: DagRun) -> dict[str, str]:
        """Return the state of each task of a run."""
        return {task["task_id"]: task["state"] for task in self.api.tasks(run)}

    def question(self, run: DagRun) -> dict[str, Any]:
        """Return the page that asks for consent, once the run waits there for an answer."""
        ends = time.monotonic() + SECONDS
        while self.states(run)["approve"] not in {"awaiting_input", "deferred"}:
            assert time.monotonic() < ends, self.states(run)
            assert "failed" not in self.states(run).values(), self.api.describe_failure(run)
            time.sleep(1)
        return self.api._send("GET", self._consent_path(run))

    def answer(self, run: DagRun, choice: str, fields: Mapping[str, Any]) -> None:
        """Answer on that page, as its form does."""
        body = {"chosen_options": [choice], "params_input": dict(fields)}
        self.api._send("PATCH", self._consent_path(run), json=body)

    def mark(self, run: DagRun, task_id: str, state: str) -> None:
        """Set the state of a task by hand."""
        path = f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/{task_id}"
        self.api._send("PATCH", path, json={"new_state": state})

    def _consent_path(self, run: DagRun) -> str:
        return f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/approve/-1/hitlDetails"


@contextmanager
def running_stack(
    folder: Path,
    overrides: Sequence[str],
    *,
    clock: Path | None = None,
    webhook: str = "",
    consent: bool = False,
) -> Iterator[Running]:
    """Run a stack on a fresh home below `folder` while the block runs.

    Parameters
    ----------
    clock : Path, optional
        File that sets the clock of every stage.
    webhook : str
        Address that takes the alerts.
    consent : bool
        Whether a person is asked before a challenger is promoted.
    """
    settings, _ = load_settings(overrides=overrides)
    names = list(settings.services.ports())
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    params = replace(settings.services, **ports, start_timeout_seconds=900.0)
    home = Home(folder / "home")
    arguments = [part for pair in overrides for part in ("--set", pair)]
    arguments += ["--clock", f"@{clock}"] if clock else []
    end_like_an_interrupt()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BELLWETHER_DAGS", str(started_by_hand(folder, consent=consent)))
        environment.setenv("BELLWETHER_WEBHOOK_URL", webhook)
        try:
            stack = start_stack(params, home, arguments)
            password, _ = read_password(home.airflow)
            api = AirflowApi(params.address("airflow_port"), USER, password, 60.0)
            yield Running(params, home, arguments, stack, api)
        finally:
            stop_stack(params, home)


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listens at."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def started_by_hand(folder: Path, *, consent: bool = False) -> Path:
    """Write the DAGs' settings with clocks that strike on 29 February alone, and tries a second apart.

    The stages see Airflow's ``PYTHONPATH``, so that they are this checkout's wherever the command is from.
    """
    text = (PROJECT_ROOT / "conf/dags.yaml").read_text(encoding="utf-8")
    still, clocks = re.subn(r'cron: "[^"]+"', 'cron: "0 0 29 2 *"', text)
    quick, delays = re.subn(r"retry_delay_seconds: \d+", "retry_delay_seconds: 1", still)
    if consent:
        quick, asked = re.subn(r"require_approval: false", "require_approval: true", quick)
        assert asked
    seen, variables = re.subn(r"(\n +)- PATH\n", r"\1- PATH\1- PYTHONPATH\n", quick)
    assert clocks
    assert delays
    assert variables
    (folder / "dags.yaml").write_text(seen, encoding="utf-8")
    return folder / "dags.yaml"
