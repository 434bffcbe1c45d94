"""MLflow's page in process, behind the guard that the stack puts before it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from pipelines.io.mlflow_pages import ACTING, READS, mlflow_pages
from serving.transport.logins import Login
from serving.transport.page_guard import OWN_SCRIPTS, PageGuard, PageRules

API = "/ajax-api/2.0/mlflow"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("mlflow")
    before = dict(os.environ)
    try:
        pages = mlflow_pages(folder / "mlflow.db", folder / "artifacts")
        rules = PageRules(policy=OWN_SCRIPTS, posts=READS, closed=ACTING)
        guarded = PageGuard(pages, rules, allowed_hosts=(), login=Login())
        yield TestClient(guarded, "http://localhost:5000")
    finally:
        os.environ.clear()
        os.environ.update(before)


def test_what_its_pages_ask_is_answered(client: TestClient) -> None:
    assert client.get("/").status_code == 200
    found = client.post(f"{API}/experiments/search", json={"max_results": 5}).json()
    assert [one["name"] for one in found["experiments"]] == ["Default"]
    assert client.post(f"{API}/runs/search", json={"experiment_ids": ["0"]}).status_code == 200
    assert client.get(f"{API}/registered-models/search").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/2.0/mlflow/registered-models/create"),
        ("POST", f"{API}/model-versions/create"),
        ("POST", f"{API}/runs/create"),
        ("POST", f"{API}/registered-models/alias"),
        ("DELETE", f"{API}/registered-models/delete"),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/x"),
        ("POST", f"{API}/experiments/search/"),
        ("POST", f"/{API}/experiments/search"),
    ],
)
def test_nothing_is_written_through_it(client: TestClient, method: str, path: str) -> None:
    assert client.request(method, path, json={"name": "forged"}).status_code in {404, 405}
    assert client.get(f"{API}/registered-models/search").json() == {}


@pytest.mark.parametrize(
    "path",
    [
        "/ajax-api/3.0/mlflow/assistant/providers/claude_code/health",
        "/ajax-api/3.0/mlflow/assistant/providers/ollama/models?base_url=http://127.0.0.1:9",
        "/ajax-api/3.0/mlflow/gateway/endpoints/list",
        "/ajax-api/3.0/mlflow/jobs/1",
    ],
)
def test_what_runs_programs_or_asks_elsewhere_is_closed(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.text) == (404, "not part of this page\n")


def test_every_search_that_is_let_through_is_a_route_of_this_mlflow(client: TestClient) -> None:
    """Else a new release would have renamed it, and a page would stay empty without a word."""
    told = {path: client.post(path, json={}).status_code for path in sorted(READS)}
    assert [path for path, status in told.items() if status in {404, 405}] == []
