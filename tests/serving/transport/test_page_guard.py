from __future__ import annotations

from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from serving.transport.logins import Login
from serving.transport.page_guard import OWN_SCRIPTS, PageGuard


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("inside")(scope, receive, send)


@pytest.fixture
def client() -> TestClient:
    guarded = PageGuard(
        page, allowed_hosts=["desk.example"], login=Login(), policy=OWN_SCRIPTS, posts=["/refresh"]
    )
    return TestClient(guarded, "http://localhost:8888")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PUSH"])
def test_a_page_is_for_reading(client: TestClient, method: str) -> None:
    answer = client.request(method, "/api/v1/push")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_what_it_posts_to_read_is_let_through(client: TestClient) -> None:
    assert client.post("/refresh").text == "inside"
    assert client.post("/refresh/x").status_code == 405
    assert client.delete("/refresh").status_code == 405


def test_other_names_and_other_sites_get_nothing(client: TestClient) -> None:
    assert client.get("/", headers={"Host": "desk.example"}).text == "inside"
    assert client.get("/", headers={"Host": "rebound.example"}).status_code == 403
    assert client.post("/refresh", headers={"Origin": "http://localhost:3000"}).status_code == 403
    assert client.post("/refresh", headers={"Origin": "http://localhost:8888"}).text == "inside"


def test_the_browser_is_told_its_bounds(client: TestClient) -> None:
    for path in ("/", "/refresh"):
        headers = client.get(path).headers
        assert headers["content-security-policy"] == OWN_SCRIPTS
        assert headers["x-frame-options"] == "SAMEORIGIN"


def test_with_a_login_only_the_probe_is_for_everyone(tmp_path: Path) -> None:
    (tmp_path / "passwords.json").write_text('{"admin": "x"}')
    login = Login(passwords=tmp_path / "passwords.json")
    guarded = PageGuard(page, allowed_hosts=(), login=login, policy=OWN_SCRIPTS, posts=["/refresh"])
    client = TestClient(guarded, "http://localhost:8888")
    for answer in (client.get("/"), client.post("/refresh"), client.get("/", auth=("admin", "y"))):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic realm=")
    assert client.get("/livez").text == "\n"
    assert client.get("/", auth=("admin", "x")).text == "inside"
    assert client.post("/push", auth=("admin", "x")).status_code == 405
