"""The BentoML service in one process: a home before anything was trained, and Swagger's page."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import time, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pipelines.app.settings import load_settings
from pipelines.base.home import Home
from pipelines.stack.forecast_service import serve_command, service_settings, write_settings
from serving.setup import ServiceArguments, resolve_settings


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh home."""
    return tmp_path_factory.mktemp("home")


LOOPBACK = "http://localhost:3000"


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[TestClient]:
    """The service on a fresh home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_DO_NOT_TRACK", "True")
        patch.setenv("BENTOML_HOME", str(home / "bento"))
        patch.setenv("PROMETHEUS_MULTIPROC_DIR", str(home))
        from serving import service

        place = Home(home)
        handed_on = write_settings(service_settings(load_settings()[0], place), place)
        patch.setattr(service, "_arguments", ServiceArguments(settings=str(handed_on)))
        with TestClient(
            service.BellwetherService.to_asgi(), LOOPBACK, raise_server_exceptions=False
        ) as client:
            yield client


def test_it_lives_but_is_not_ready_before_there_is_a_champion(client: TestClient) -> None:
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 503
    answer = client.post("/forecast", json={"symbols": ["AAPL"]})
    assert (answer.status_code, answer.json()["error"]) == (503, "no_champion")
    assert "run `bellwether install`" in answer.json()["message"]


def test_a_malformed_body_is_the_callers_mistake_even_then(client: TestClient) -> None:
    answer = client.post("/forecast", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (400, "malformed_json")


def test_pickles_are_refused(client: TestClient) -> None:
    headers = {"Content-Type": "application/vnd.bentoml+pickle"}
    assert client.post("/forecast_batch", content=b"\x80\x04.", headers=headers).status_code == 415


def test_other_methods_and_paths_are_refused(client: TestClient) -> None:
    assert client.get("/forecast").status_code == 405
    assert client.post("/nothing").status_code == 404


def test_the_swagger_page_shows_both_routes_with_their_limits(client: TestClient) -> None:
    page = client.get("/")
    assert "swagger-ui" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    specification = client.get("/docs.json").json()
    assert {"/forecast", "/forecast_batch", "/readyz", "/livez", "/metrics"} <= set(specification["paths"])
    operation = specification["paths"]["/forecast"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["symbols"]["maxItems"] == 5_000
    refused = operation["responses"]["422"]["content"]["application/json"]["schema"]
    assert refused == {"$ref": "#/components/schemas/Problem"}
    assert "request_id" in specification["components"]["schemas"]["Problem"]["properties"]


def test_the_page_is_about_this_service_and_nobody_else(client: TestClient) -> None:
    page, document = client.get("/"), client.get("/docs.json")
    info = document.json()["info"]
    assert (info["title"], info["version"]) == ("Bellwether", version("bellwether"))
    assert info["description"].startswith("Forecasts of the current champion")
    assert "<title>Bellwether</title>" in page.text
    for text in (page.text, document.text):
        assert "BentoML" not in text
        assert "http" not in text.replace("http://www.w3.org", "")


def test_the_page_loads_nothing_that_it_does_not_bring(client: TestClient) -> None:
    assert client.get("/static_content/swagger-ui-bundle.js").status_code == 200
    assert client.get("/static_content/swagger-ui.css").status_code == 200


def test_each_request_is_one_line_of_json(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("serving.requests")
    logger.addHandler(caplog.handler)
    client.post("/forecast", json={"symbols": ["AAPL"]}, headers={"X-Request-ID": "abc"})
    client.get("/livez")
    logger.removeHandler(caplog.handler)
    lines = [json.loads(record.message) for record in caplog.records if record.name == "serving.requests"]
    assert [(line["request_id"], line["route"], line["status"]) for line in lines] == [
        ("abc", "/forecast", 503)
    ]
    assert lines[0]["milliseconds"] > 0


def test_it_is_told_its_settings_in_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEAST_REDIS_CONNECTION", "host:1,password=x")
    overrides = ["serving.max_symbols=7"]
    overrides += ["calendar.cutoff_local=23:15", "calendar.issue_minutes=45"]
    settings = load_settings(overrides=overrides)[0]
    path = write_settings(service_settings(settings, Home(tmp_path)), Home(tmp_path))
    assert path.stat().st_mode & 0o077 == 0
    read = resolve_settings(ServiceArguments(settings=str(path)))
    assert (read.serving, read.calendar_name) == (settings.serving, settings.calendar.name)
    assert read.decision_lead_minutes == settings.calendar.decision_lead_minutes
    calendar = read.session_calendar()
    assert (calendar.name, calendar.decision_lead) == ("XNYS", timedelta(minutes=60))
    assert (calendar.cutoff_local, calendar.issue_time) == (time(23, 15), timedelta(minutes=45))
    assert (read.feast_folder, read.bento_folder) == (tmp_path / "feast", tmp_path / "bento")
    assert read.feature_store.connection.get_secret_value() == "host:1,password=x"
    assert set(json.loads(path.read_text())) == {
        "serving", "calendar_name", "decision_lead_minutes", "cutoff_local", "issue_minutes", "feature_store",
        "feast_folder", "bento_folder", "allowed_hosts", "passwords_file",
    }  # fmt: skip
    assert serve_command(settings.services, port=3999)[-2:] == ["127.0.0.1", "3999"]


def test_a_checkout_has_no_settings_of_its_own() -> None:
    with pytest.raises(ValueError, match="outside of a Bento the service needs --arg settings=FILE"):
        resolve_settings(ServiceArguments(home="var"))
