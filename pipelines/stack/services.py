"""The services of the local stack: command, environment, address and sign of life of each."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.base.home import Home
from pipelines.stack.airflow_home import airflow_command, airflow_environment
from pipelines.stack.params import ServicesParams

BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One process of the stack.

    Attributes
    ----------
    name : str
        Names the record and the log file.
    title : str
        What a person calls it.
    command : sequence of str
        Started in a session of its own.
    probe : str
        Address that answers with a 2xx status once the service works.
    healthy : tuple of str
        Parts of the probe's JSON answer whose status must be ``healthy``.
    address : str
        The page to open; empty for a part without one.
    """

    name: str
    title: str
    command: Sequence[str]
    probe: str
    healthy: tuple[str, ...] = ()
    address: str = ""
    environment: dict[str, str] = field(default_factory=dict)


def list_services(params: ServicesParams, home: Home, arguments: Sequence[str]) -> list[Service]:
    """Return all services in the order in which they are started.

    Parameters
    ----------
    arguments : sequence of str
        Options that every stage and the forecast service get, such as ``--env`` and ``--set``.
    """
    return [*_airflow(params, home, arguments), *_own(params, home, arguments)]


def _airflow(params: ServicesParams, home: Home, arguments: Sequence[str]) -> list[Service]:
    command, address = airflow_command(params), params.address("airflow_port")
    links = {"reports": params.address("reports_port"), "mlflow": params.address("mlflow_port")}
    environment = {
        **airflow_environment(params, home.airflow),
        # What `dags/lib` needs to know of this home.
        "BELLWETHER_HOME": str(home.root),
        "BELLWETHER_COMMAND": str(BIN / "bellwether"),
        "BELLWETHER_ARGUMENTS": json.dumps(list(arguments)),
        "BELLWETHER_LINKS": json.dumps(links),
    }
    health = f"{address}/api/v2/monitor/health"
    api = ["api-server", "--host", params.host, "--port", str(params.airflow_port), "--workers", "1"]
    parts = {
        "airflow-api": ("Airflow", api, ("metadatabase",), address),
        "airflow-scheduler": ("Airflow scheduler", ["scheduler", "--skip-serve-logs"], ("scheduler",), ""),
        "airflow-dags": ("Airflow DAG processor", ["dag-processor"], ("dag_processor",), ""),
    }
    return [
        Service(name=name, title=title, command=[command, *words], probe=health, healthy=healthy,
                address=page, environment=environment)
        for name, (title, words, healthy, page) in parts.items()
    ]  # fmt: skip


def _own(params: ServicesParams, home: Home, arguments: Sequence[str]) -> list[Service]:
    place = ["--home", str(home.root), *arguments]
    mlflow, forecasts = params.address("mlflow_port"), params.address("forecasts_port")
    feast, reports = params.address("feast_port"), params.address("reports_port")
    return [
        Service(name="mlflow", title="MLflow", probe=f"{mlflow}/livez", address=mlflow,
                command=_page("mlflow_page", params.host, params.mlflow_port, place)),
        Service(name="forecasts", title="Forecast service", probe=f"{forecasts}/livez", address=forecasts,
                command=[str(BIN / "bellwether"), "serve", "--port", str(params.forecasts_port), *place]),
        Service(name="feast", title="Feast", probe=f"{feast}/livez", address=feast,
                command=_page("feast_page", params.host, params.feast_port, place)),
        Service(name="reports", title="Reports, metrics", probe=f"{reports}/livez", address=reports,
                command=_page("reports_service", params.host, params.reports_port, place)),
    ]  # fmt: skip


def _page(module: str, host: str, port: int, place: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", f"pipelines.cli.{module}", host, str(port), *place]
