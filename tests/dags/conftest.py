"""An Airflow home of its own for the DAG tests, set before Airflow is first imported."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.dags.receiver import Receiver, receiving

os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-tests-")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(Path(__file__).parents[2] / "dags" / "lib" / "plugins")
os.environ["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] = "False"
for name in ("BELLWETHER_DAGS", "BELLWETHER_WEBHOOK_URL"):
    os.environ.pop(name, None)


class RecordedEvents(dict[Any, set[str]]):
    """Stands where Airflow keeps the events of a task: asset to partition keys."""

    def __missing__(self, asset: Any) -> Any:
        keys: set[str] = set()
        self[asset] = keys
        return SimpleNamespace(add_partitions=keys.add)


@pytest.fixture
def context() -> dict[str, Any]:
    """The parts of Airflow's context that the operators read, of a keyed run's first try."""
    return {
        "ti": SimpleNamespace(dag_id="ingest_daily", task_id="ingest", run_id="r1", try_number=1),
        "dag_run": SimpleNamespace(partition_key="2026-11-10"),
        "outlet_events": RecordedEvents(),
    }


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Receives the alerts of the test."""
    with receiving() as server:
        monkeypatch.setenv("BELLWETHER_WEBHOOK_URL", server.address)
        yield server


@pytest.fixture
def settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A `dags.yaml` that the test may fill; it is in force while the test runs."""
    path = tmp_path / "dags.yaml"
    monkeypatch.setenv("BELLWETHER_DAGS", str(path))
    return path
