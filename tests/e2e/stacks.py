"""What the tests of the real scheduler share: a stack on free ports, whose DAGs strike by no clock."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

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


@contextmanager
def running_stack(
    folder: Path, overrides: Sequence[str], *, clock: Path | None = None, webhook: str = ""
) -> Iterator[Running]:
    """Run a stack on a fresh home below `folder` while the block runs.

    Parameters
    ----------
    clock : Path, optional
        File that sets the clock of every stage.
    webhook : str
        Address that takes the alerts.
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
        environment.setenv("BELLWETHER_DAGS", str(started_by_hand(folder)))
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


def started_by_hand(folder: Path) -> Path:
    """Write the DAGs' settings with clocks that strike on 29 February alone, and tries a second apart.

    The stages see Airflow's ``PYTHONPATH``, so that they are this checkout's wherever the command is from.
    """
    text = (PROJECT_ROOT / "conf/dags.yaml").read_text(encoding="utf-8")
    still, clocks = re.subn(r'cron: "[^"]+"', 'cron: "0 0 29 2 *"', text)
    quick, delays = re.subn(r"retry_delay_seconds: \d+", "retry_delay_seconds: 1", still)
    seen, variables = re.subn(r"(\n +)- PATH\n", r"\1- PATH\1- PYTHONPATH\n", quick)
    assert clocks
    assert delays
    assert variables
    (folder / "dags.yaml").write_text(seen, encoding="utf-8")
    return folder / "dags.yaml"
