"""What every DAG keeps, whoever writes it."""

from __future__ import annotations

import ast
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.sdk import DAG

from dags.lib.alerts import on_failure, on_late
from dags.lib.dags_file import ROOT
from dags.lib.spec import STAGES, load_spec

FILES = sorted(path for path in (ROOT / "dags").glob("*.py") if path.stem != "__init__")
HEAVY = (
    "pyspark",
    "delta",
    "mlflow",
    "feast",
    "bentoml",
    "evidently",
    "pandas",
    "polars",
    "numpy",
    "kubernetes",
)
OWN = {"pipelines", "features", "models", "simulation", "serving", "feature_repo"}
ZONES = {"XNYS": "America/New_York"}
"""Zones of the exchanges whose calendar may be the default: this environment has no calendars."""
CONTROL_TASKS = {"start_train_weekly", "approve"}
DAILY_CHAIN = {
    "ingest_daily": ("silver", ["ingest_to_curate"]),
    "features_daily": ("features", ["score_text_to_materialize"]),
    "forecast_daily": ("forecasts", ["forecast"]),
    "monitor_daily": (None, ["monitor", "start_train_weekly"]),
    "train_weekly": ("champion", ["curate_to_evaluate", "promote"]),
    "package_on_promotion": (None, ["install"]),
    "load_history": ("features", ["ingest_to_materialize"]),
    "maintain_weekly": (None, ["maintain"]),
}


@pytest.fixture(scope="module")
def dags() -> dict[str, DAG]:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(ROOT / "dags")
    assert bag.import_errors == {}
    return dict(bag.dags)


def test_every_file_holds_the_dag_of_its_name(dags: dict[str, DAG]) -> None:
    assert sorted(dags) == [path.stem for path in FILES]
    for path in FILES:
        assert Path(dags[path.stem].fileloc) == path


def test_every_dag_of_the_settings_has_a_file() -> None:
    listed = yaml.safe_load((ROOT / "conf/dags.yaml").read_text(encoding="utf-8"))["dags"]
    assert sorted(listed) == [path.stem for path in FILES]


def test_tasks_and_assets_are_those_of_the_design(dags: dict[str, DAG]) -> None:
    found = {}
    for name, dag in dags.items():
        outlets = [asset.name for task in dag.tasks for asset in task.outlets]
        found[name] = (outlets[0] if outlets else None, [task.task_id for task in dag.topological_sort()])
    assert found == DAILY_CHAIN


@pytest.mark.parametrize("name", [path.stem for path in FILES])
class TestEveryDag:
    def test_says_how_to_operate_it(self, dags: dict[str, DAG], name: str) -> None:
        for heading in ("Purpose", "Inputs", "Outputs", "Parameters", "Safe to clear", "When it is red"):
            assert f"**{heading}:**" in (dags[name].doc_md or "")

    def test_has_one_tier_tag(self, dags: dict[str, DAG], name: str) -> None:
        assert len([tag for tag in dags[name].tags if tag in {"tier-1", "tier-2", "tier-3"}]) == 1

    def test_catches_up_with_nothing_and_runs_once_at_a_time(self, dags: dict[str, DAG], name: str) -> None:
        assert dags[name].catchup is False
        assert dags[name].max_active_runs == 1
        assert dags[name].start_date is None

    def test_reports_lateness(self, dags: dict[str, DAG], name: str) -> None:
        (deadline,) = dags[name].deadline
        assert deadline.interval > timedelta(0)
        assert deadline.callback.path == f"{on_late.__module__}.{on_late.__name__}"

    def test_tasks_have_owner_retries_timeout_and_callback(self, dags: dict[str, DAG], name: str) -> None:
        for task in dags[name].tasks:
            assert task.owner not in ("", "airflow")
            assert task.retries >= 1
            assert task.task_id == "approve" or task.execution_timeout > timedelta(0)
            assert list(task.on_failure_callback) == [on_failure]

    def test_tasks_are_named_after_stages(self, dags: dict[str, DAG], name: str) -> None:
        for task in dags[name].tasks:
            assert task.task_id in CONTROL_TASKS or set(task.task_id.split("_to_")) <= set(STAGES)


def settings(section: str) -> dict[str, Any]:
    text = (ROOT / "conf" / "base" / f"{section}.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text)[section])


def test_the_evening_starts_at_the_cut_every_day() -> None:
    """A run that starts before the cut would wait for it, one that starts later is later than it need be."""
    calendar = settings("calendar")
    hour, minute = map(int, calendar["cutoff_local"].split(":"))
    schedule = load_spec("ingest_daily").schedule
    assert schedule["cron"] == f"{minute} {hour} * * *"
    assert schedule["timezone"] == ZONES[calendar["name"]]


@pytest.mark.parametrize("name", ["ingest_daily", "train_weekly"])
def test_late_bars_are_waited_for_until_they_count_as_missing(name: str) -> None:
    spec = load_spec(name)
    assert not spec.retry_exponential_backoff
    tried = timedelta(seconds=spec.retries * spec.retry_delay_seconds)
    assert tried >= timedelta(minutes=settings("completeness")["grace_minutes"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_dag_files_import_airflow_and_the_library_only(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    assert all(module.startswith(("airflow.", "dags.lib.")) for module in modules)
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 40


def test_parsing_loads_no_heavy_module_and_nothing_of_ours() -> None:
    names = ", ".join(f"dags.{path.stem}" for path in FILES)
    report = f"import sys, {names}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", report], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert loaded & set(HEAVY) == set()
    assert loaded & OWN == set()


def test_the_list_of_stages_is_that_of_the_work_environment() -> None:
    folders = {path.parent.name for path in (ROOT / "pipelines" / "stages").glob("*/job.py")}
    assert folders == set(STAGES)
