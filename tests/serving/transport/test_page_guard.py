from __future__ import annotations

from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from serving.transport.logins import Login
from serving.transport.page_guard import BODY_BYTES, OWN_SCRIPTS, PageGuard, PageRules

RULES = PageRules(policy=OWN_SCRIPTS, posts=frozenset({"/refresh", "/echo"}), closed=frozenset({"assistant"}))


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    said = b""
    if scope["path"] in {"/echo", "/body"}:
        said = (await receive())["body"]
    await PlainTextResponse(f"inside{said.decode()}")(scope, receive, send)


@pytest.fixture
def client() -> TestClient:
    guarded = PageGuard(page, RULES, allowed_hosts=["desk.example"], login=Login())
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
    guarded = PageGuard(page, RULES, allowed_hosts=(), login=login)
    client = TestClient(guarded, "http://localhost:8888")
    for answer in (client.get("/"), client.post("/refresh"), client.get("/", auth=("admin", "y"))):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic realm=")
    assert client.get("/livez").text == "\n"
    assert client.get("/", auth=("admin", "x")).text == "inside"
    assert client.post("/push", auth=("admin", "x")).status_code == 405


def test_what_would_act_on_a_mere_look_is_closed(client: TestClient) -> None:
    for path in ("/ajax-api/3.0/assistant/health", "/Assistant", "/x/%61ssistant/y"):
        assert client.get(path).status_code == 404
    assert client.get("/assistants").text == "inside"


def test_a_picture_of_another_page_gets_nothing_and_a_link_is_followed(client: TestClient) -> None:
    picture = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert client.get("/", headers=picture).status_code == 403
    frame = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
    assert client.get("/", headers=frame).status_code == 403
    link = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert client.get("/", headers=link).text == "inside"
    own = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    assert client.get("/", headers=own).text == "inside"


def test_a_body_is_read_before_and_bounded(client: TestClient) -> None:
    assert client.post("/echo", content=b"x").text == "insidex"
    assert client.post("/echo", content=b"x" * (BODY_BYTES + 1)).status_code == 413
    assert client.request("GET", "/body", content=b"x").text == "inside"


@pytest.mark.parametrize("path", ["/%0A", "/metrics%0A", "/%00", "/x%7F"])
def test_a_path_with_control_signs_is_nobodys(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 403
