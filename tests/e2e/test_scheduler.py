"""The whole stack on a fresh home: every service, and the DAG chain through a real Airflow scheduler."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import date
from ipaddress import ip_address
from pathlib import Path

import httpx
import psutil
import pytest

from pipelines.app.runner import open_context
from pipelines.app.settings import load_settings
from pipelines.registry.ledger import read_ledger
from pipelines.stack.airflow_api import DagRun
from pipelines.stack.airflow_home import USER, read_password
from pipelines.stack.lifecycle import read_stack, start_stack, stop_stack
from pipelines.stack.processes import STACK_VARIABLE
from tests.e2e.stacks import SECONDS, Running, running_stack
from tests.e2e.strangers import NOBODY, TRIES, as_stranger, sockets_of

pytestmark = pytest.mark.scheduler

FIRST, LAST = date(2025, 1, 2), date(2025, 10, 31)
NEXT, CLOSED = date(2025, 11, 3), date(2025, 11, 27)
SMALL = (
    "sources.simulated.symbols=12",
    f"sources.simulated.start={FIRST}",
    "models.split.n_folds=1",
    "models.split.test_sessions=21",
    "models.split.validation_sessions=21",
    "models.split.min_train_sessions=42",
    "models.split.holdout_sessions=21",
    "models.split.min_holdout_sessions=5",
    "models.xgboost.max_rounds=20",
)
CHAIN = ("ingest_daily", "features_daily", "forecast_daily", "monitor_daily")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_stack(tmp_path_factory.mktemp("scheduler"), SMALL, consent=True) as stack:
        yield stack


@pytest.fixture(scope="module")
def under_way(running: Running) -> DagRun:
    return running.api.start("load_history", conf={"start": str(FIRST), "end": str(LAST)})


@pytest.fixture(scope="module")
def history(running: Running, under_way: DagRun) -> DagRun:
    return running.api.wait_for(under_way, SECONDS)


@pytest.fixture(scope="module")
def trained(running: Running, history: DagRun) -> DagRun:
    running.api.wait_for_session("forecast_daily", str(LAST), SECONDS)
    run = running.api.start("train_weekly", conf={"as_of": str(LAST)})
    asked = running.question(run)
    stages = {one["stage"]: one for one in running.api.xcom(run, "curate_to_evaluate")["stages"]}
    model = stages["train"]["details"]["model_key"]
    assert {name: field["value"] for name, field in asked["params"].items()} == {"model_key": model}
    assert running.states(run)["promote"] is None
    running.answer(run, "Approve", {"model_key": model})
    return running.api.wait_for(run, SECONDS)


@pytest.fixture(scope="module")
def packaged(running: Running, trained: DagRun) -> DagRun:
    return running.api.wait_for_session("package_on_promotion", str(LAST), SECONDS)


@pytest.fixture(scope="module")
def day(running: Running, packaged: DagRun) -> dict[str, DagRun]:
    running.api.start("ingest_daily", session=str(NEXT))
    return {dag_id: running.api.wait_for_session(dag_id, str(NEXT), SECONDS) for dag_id in CHAIN}


def test_airflow_reads_every_dag_and_starts_none_by_itself(running: Running) -> None:
    assert running.api.import_errors() == []
    assert {dag["dag_id"] for dag in running.api.dags()} >= {*CHAIN, "load_history", "train_weekly"}
    assert [run for run in running.api.runs() if run.run_id.startswith("scheduled")] == []


def test_a_second_up_keeps_every_process(running: Running) -> None:
    assert start_stack(running.params, running.home, running.arguments).started == running.stack.started


def test_the_stack_opens_its_ports_on_loopback_and_nothing_else(running: Running) -> None:
    expected = {("127.0.0.1", port) for port in running.params.ports().values()}
    assert {place for _, place in sockets_of(running.stack)} == expected


def test_a_stranger_on_the_machine_changes_nothing_while_a_stage_runs(
    running: Running, under_way: DagRun
) -> None:
    """Another account tries every socket; each of Spark's and Python's own asks for a secret."""
    names = set[str]()
    while "java" not in names:
        assert running.api.tasks(under_way)[0]["state"] not in {"success", "failed"}
        opened = sockets_of(running.stack)
        names = {name for name, _ in opened}
    ports = {port: name for name, port in running.params.ports().items()}
    others = {place for _, place in opened if place[1] not in ports}
    assert others
    assert [host for host, _ in others if not ip_address(host.removeprefix("::ffff:")).is_loopback] == []
    before = registry_of(running)
    told = as_stranger({ports[place[1]]: place for _, place in opened if place[1] in ports}, others)
    assert told.pop("uid") == NOBODY
    allowed = {"401", "403", "404", "405"}
    assert {key: said for key, said in told.items() if said not in allowed} == {}
    assert len(told) > len(TRIES)
    assert registry_of(running) == before


def test_the_password_is_private(running: Running) -> None:
    mode = (running.home.airflow / "passwords.json").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_history_loads_in_one_task_and_hands_on_its_last_session(running: Running, history: DagRun) -> None:
    assert running.states(history) == {"ingest_to_materialize": "success"}
    report = running.api.xcom(history, "ingest_to_materialize")
    assert report["as_of"] == str(LAST)
    assert [stage["stage"] for stage in report["stages"]] == [
        "ingest", "curate", "score_text", "build_features", "materialize",
    ]  # fmt: skip
    forecast = running.api.wait_for_session("forecast_daily", str(LAST), SECONDS)
    assert running.states(forecast) == {"forecast": "skipped"}
    assert running.api.find("monitor_daily", str(LAST)) is None


def test_the_first_model_becomes_champion_and_is_installed(
    running: Running, trained: DagRun, packaged: DagRun
) -> None:
    assert running.states(trained) == {
        "curate_to_evaluate": "success", "approve": "success", "promote": "success",
    }  # fmt: skip
    ledger = read_ledger(open_context(load_settings(overrides=SMALL)[0], running.home.root).lake)
    assert [(entry.kind, entry.who) for entry in ledger] == [("bootstrap", USER)]
    link = running.api.links(trained, "curate_to_evaluate")["Report or run"]
    assert (link or "").startswith(f"{running.params.address('mlflow_port')}/#/")
    assert running.states(packaged) == {"install": "success"}


def test_marked_as_successful_by_hand_nothing_is_promoted(running: Running, packaged: DagRun) -> None:
    run = running.api.start("train_weekly", conf={"as_of": str(LAST)})
    running.question(run)
    running.mark(run, "approve", "success")
    running.api.wait_for(run, SECONDS)
    assert running.states(run) == {
        "curate_to_evaluate": "success", "approve": "success", "promote": "skipped",
    }  # fmt: skip


def test_a_keyed_run_flows_down_the_chain(running: Running, day: dict[str, DagRun]) -> None:
    assert {dag_id: run.state for dag_id, run in day.items()} == dict.fromkeys(CHAIN, "success")
    assert running.states(day["ingest_daily"]) == {"ingest_to_curate": "success"}
    assert running.states(day["features_daily"]) == {"score_text_to_materialize": "success"}
    assert running.states(day["forecast_daily"]) == {"forecast": "success"}
    assert running.states(day["monitor_daily"])["monitor"] == "success"
    assert running.api.xcom(day["forecast_daily"], "forecast")["as_of"] == str(NEXT)


@pytest.mark.usefixtures("day")
def test_the_service_answers_for_the_session(running: Running) -> None:
    address = running.params.address("forecasts_port")
    with httpx.Client(base_url=address, timeout=60.0) as client:
        assert client.get("/readyz").status_code == httpx.codes.OK
        symbols = client.post("/forecast", json={"symbols": ["nobody"]}).json()
    assert symbols["forecasts"][0]["status"] == "unknown_symbol"


@pytest.mark.usefixtures("day")
def test_the_stage_runs_are_metrics(running: Running) -> None:
    text = httpx.get(f"{running.params.address('reports_port')}/metrics", timeout=60.0).text
    assert 'bellwether_stage_runs{stage="ingest"} 2.0' in text


@pytest.mark.usefixtures("day")
def test_a_day_without_a_session_is_skipped(running: Running) -> None:
    run = running.api.wait_for(running.api.start("ingest_daily", session=str(CLOSED)), SECONDS)
    assert running.states(run) == {"ingest_to_curate": "skipped"}
    assert running.api.find("features_daily", str(CLOSED)) is None


@pytest.mark.usefixtures("day")
def test_down_leaves_nothing_running(running: Running) -> None:
    names = stop_stack(running.params, running.home)
    assert sorted(names) == sorted(running.stack.started)
    left = [process for process in psutil.process_iter() if carries(process, running.stack.mark)]
    assert left == []
    assert read_stack(running.home).started == {}


def registry_of(running: Running) -> tuple[object, bytes]:
    """What MLflow has registered, and Feast's definitions."""
    address = running.params.address("mlflow_port")
    found = httpx.get(f"{address}/api/2.0/mlflow/registered-models/search", timeout=60.0).json()
    return found, (running.home.feast / "registry.db").read_bytes()


def carries(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(STACK_VARIABLE) == mark
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False


def test_homes_are_apart(tmp_path: Path) -> None:
    assert read_password(tmp_path / "one")[0] != read_password(tmp_path / "two")[0]
