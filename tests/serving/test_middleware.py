"""Every malformed or hostile body gets a clear 4xx, and every request one line."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from serving.batch import batch_frame
from serving.messages import BatchMessage, ForecastMessage
from serving.middleware import (
    FORECASTS_AT_ONCE,
    MiddlewareConfig,
    RequestMiddleware,
    largest_body,
)
from serving.parquet_rows import BatchLimits, ParquetRows
from serving.refusals import Refusal
from serving.request_context import CONTEXT, RequestContext
from serving.transport.logins import Login
from tests.serving.hostile import FORM, JSON, Body, by_hand, form_of, good_frame, mutated, parquet_of
from tests.serving.parts import NAMES, PARAMS

LOOPBACK = "http://localhost:3000"
GOOD = {"symbols": ["AAPL"]}


@dataclass
class Inside:
    """The middleware with a plain application behind it that answers what the middleware has read."""

    login: Login = field(default_factory=Login)
    contexts: list[RequestContext] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = scope.get(CONTEXT)
        kind = "page"
        if context:
            kind = type(context.message).__name__
            self.messages.append(context.message)
        await JSONResponse({"kind": kind})(scope, receive, send)

    def client(self, **params: Any) -> TestClient:
        config = MiddlewareConfig(replace(PARAMS, **params), self.login, (), self.contexts.append)
        return TestClient(RequestMiddleware(self.app, config=lambda: config), base_url=LOOPBACK)


def send(client: TestClient, body: Body) -> Any:
    return client.post(body.route, content=body.content, headers={"Content-Type": body.content_type})


def still_refused(message: object) -> bool:
    """Whether a batch that passed the middleware is refused when its rows are read."""
    if not isinstance(message, BatchMessage | ParquetRows):
        return False
    try:
        batch_frame(message, NAMES, BatchLimits(rows=20_000, bytes=2**20))
    except Refusal as refusal:
        return 400 <= refusal.status < 500
    return False


@pytest.mark.parametrize("body", by_hand(), ids=lambda body: body.name)
def test_a_hostile_body_gets_a_clear_refusal(body: Body) -> None:
    inside = Inside()
    answer = send(inside.client(), body)
    if answer.status_code == 200:
        overflow = body.name == "batch 32-bit overflow"  # the model itself refuses that one
        assert overflow or still_refused(inside.messages[0])
        return
    problem = answer.json()
    assert 400 <= answer.status_code < 500
    assert set(problem) == {"error", "message", "request_id", "details"}
    assert 10 < len(problem["message"]) <= 303
    assert answer.headers["content-type"] == JSON


def test_mutated_bodies_never_break_it() -> None:
    inside = Inside()
    client = inside.client()
    codes = [send(client, body).status_code for body in mutated(600, seed=20_261)]
    assert {code for code in codes if code != 200} <= {400, 413, 415, 422}
    assert codes.count(400) > 100
    for message in inside.messages:
        still_refused(message)


@pytest.mark.parametrize(
    ("name", "status", "error"),
    [
        ("empty", 400, "malformed_json"),
        ("invalid utf-8", 400, "malformed_json"),
        ("deep arrays", 422, "invalid_message"),
        ("nested arrays", 422, "invalid_message"),
        ("repeated", 422, "invalid_message"),
        ("too many", 422, "too_many_symbols"),
        ("too large", 413, "body_too_large"),
        ("type 'text/plain'", 415, "unsupported_media_type"),
        ("form no parts", 422, "invalid_message"),
        ("form garbage", 400, "malformed_form"),
        ("form address", 422, "invalid_message"),
    ],
)
def test_the_refusal_says_what_is_wrong(name: str, status: int, error: str) -> None:
    body = next(body for body in by_hand() if body.name == name)
    answer = send(Inside().client(), body)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_the_place_of_a_fault_is_named() -> None:
    answer = Inside().client().post("/forecast", json={"symbols": ["AAPL", 7]})
    assert answer.json()["details"] == ["Expected `str`, got `int` - at `$.symbols[1]`"]


def test_good_messages_are_read_and_handed_on() -> None:
    inside = Inside()
    client = inside.client()
    assert client.post("/forecast", json=GOOD).json() == {"kind": "ForecastMessage"}
    form = form_of(parquet_of(good_frame()))
    assert client.post("/forecast_batch", content=form, headers={"Content-Type": FORM}).json() == {
        "kind": "ParquetRows"
    }
    assert isinstance(inside.messages[0], ForecastMessage)
    assert inside.messages[0].symbols == ["AAPL"]


def test_a_large_batch_is_read_beside_the_event_loop() -> None:
    rows = [{"symbol": f"S{k}", "session": "2018-02-07", "features": {"a": 1.0}} for k in range(2_000)]
    assert Inside().client().post("/forecast_batch", json={"rows": rows}).json() == {"kind": "BatchMessage"}


def test_an_announced_size_is_enough_to_be_refused() -> None:
    headers = {"Content-Type": JSON, "Content-Length": "1000000000000"}
    assert Inside().client().post("/forecast", content=b"{}", headers=headers).status_code == 413


def test_a_compressed_body_is_refused() -> None:
    answer = Inside().client().post("/forecast", json=GOOD, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["error"]) == (415, "unsupported_encoding")


@pytest.mark.parametrize(
    ("given", "kept"), [("run-7.a_b", True), ("a" * 65, False), ("x y", False), ("", False)]
)
def test_the_callers_request_id_is_kept_if_it_is_plain(given: str, kept: bool) -> None:
    answer = Inside().client().post("/forecast", json=GOOD, headers={"X-Request-ID": given})
    assert (answer.headers["x-request-id"] == given) is kept
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("header", "status"),
    [({"Authorization": "Bearer s3cret"}, 200), ({"Authorization": "Bearer S3cret"}, 401), ({}, 401)],
)
def test_a_token_is_asked_for_where_there_is_one(header: dict[str, str], status: int, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    login = Login(token_file=str(tmp_path / "token"))
    answer = Inside(login=login).client().post("/forecast", json=GOOD, headers=header)
    assert answer.status_code == status


def test_each_request_is_told_once_with_its_outcome() -> None:
    inside = Inside()
    client = inside.client()
    client.post("/forecast", json=GOOD)
    client.post("/forecast", content=b"{", headers={"Content-Type": JSON})
    client.get("/livez")
    assert [(context.route, context.status, context.notes) for context in inside.contexts] == [
        ("/forecast", 200, {}),
        ("/forecast", 400, {"error": "malformed_json"}),
    ]


def test_pages_are_told_to_load_nothing_from_elsewhere() -> None:
    policy = Inside().client().get("/").headers["content-security-policy"]
    assert policy.startswith("default-src 'self'")


def test_a_failure_behind_it_is_told_as_500() -> None:
    contexts: list[RequestContext] = []

    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        del receive, send
        msg = f"no answer to {Request(scope).url.path}"
        raise RuntimeError(msg)

    config = MiddlewareConfig(PARAMS, Login(), (), contexts.append)
    client = TestClient(RequestMiddleware(failing, config=lambda: config), base_url=LOOPBACK)
    with pytest.raises(RuntimeError, match="no answer to /forecast"):
        client.post("/forecast", json=GOOD)
    assert [context.status for context in contexts] == [500]


@pytest.mark.parametrize(
    ("route", "kind", "largest"),
    [("/forecast", JSON, 2**16), ("/forecast_batch", JSON, 2**22), ("/forecast_batch", FORM, 2**25)],
)
def test_each_kind_of_body_has_its_own_bound(route: str, kind: str, largest: int) -> None:
    client = Inside().client(max_body_bytes=2**25)
    headers = {"Content-Type": kind}
    within = client.post(route, content=b" " * largest, headers=headers)
    assert within.status_code in {400, 422}
    beyond = client.post(route, content=b" " * (largest + 1), headers=headers)
    assert (beyond.status_code, beyond.json()["error"]) == (413, "body_too_large")
    assert largest_body("/forecast", JSON, replace(PARAMS, max_symbols=5_000)) == 200_000


@pytest.mark.parametrize("route", ["/forecast", "/forecast_batch", "/docs.json", "/champion", "/metrics"])
@pytest.mark.parametrize(
    "headers", [{"Host": "rebound.example:3000"}, {"Origin": "http://evil.example"}, {"Origin": "null"}]
)
def test_a_page_of_another_site_gets_nothing(route: str, headers: dict[str, str]) -> None:
    client = Inside().client()
    asked = client.post if route.startswith("/forecast") else client.get
    answer = asked(route, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (403, "foreign_page")


def test_probes_may_come_under_any_name() -> None:
    assert Inside().client().get("/livez", headers={"Host": "10.0.0.7:3000"}).status_code == 200


def test_a_body_that_does_not_come_is_given_up() -> None:
    async def run() -> list[Message]:
        told: list[Message] = []

        async def never() -> Message:
            return await asyncio.Event().wait()  # type: ignore[return-value]

        async def send(message: Message) -> None:
            told.append(message)

        config = MiddlewareConfig(PARAMS, Login(), (), lambda _: None)
        middleware = RequestMiddleware(Inside().app, config=lambda: config, body_seconds=0.01)
        headers = [(b"host", b"localhost"), (b"content-type", JSON.encode())]
        scope = {"type": "http", "method": "POST", "path": "/forecast", "headers": headers}
        await middleware(scope, never, send)
        return told

    assert asyncio.run(run())[0]["status"] == 408


def test_with_a_login_pages_are_shown_to_those_who_have_it(tmp_path: Path) -> None:
    (tmp_path / "passwords.json").write_text('{"admin": "x"}')
    client = Inside(login=Login(passwords=tmp_path / "passwords.json")).client()
    assert [client.get(path).status_code for path in ("/", "/docs.json", "/metrics")] == [401] * 3
    assert [client.get(path).status_code for path in ("/livez", "/readyz", "/champion")] == [200] * 3
    assert client.post("/forecast", json=GOOD).status_code == 401
    assert client.get("/", auth=("admin", "x")).status_code == 200
    assert client.post("/forecast", json=GOOD, auth=("admin", "x")).status_code == 200


@pytest.mark.parametrize("path", ["/forecast%0A", "/forecast_batch%0A"])
def test_a_route_with_another_end_is_no_way_round_the_token(path: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    inside = Inside(login=Login(token_file=str(tmp_path / "token")))
    assert inside.client().post(path, json=GOOD).status_code == 403


def test_bodies_of_batches_leave_the_other_route_its_memory() -> None:
    async def run() -> list[int]:
        statuses: list[int] = []
        begun, go_on = asyncio.Event(), asyncio.Event()
        parts = iter([b"x" * 900])

        async def slowly() -> Message:
            part = next(parts, None)
            if part is None:
                begun.set()
                await go_on.wait()
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": part, "more_body": True}

        async def whole() -> Message:
            return {"type": "http.request", "body": b'{"symbols": ["A"]}', "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        config = MiddlewareConfig(PARAMS, Login(), (), lambda _: None)
        bounds = {"/forecast": 1_000, "/forecast_batch": 1_000}
        middleware = RequestMiddleware(Inside().app, config=lambda: config, in_flight=bounds)
        headers = [(b"host", b"localhost"), (b"content-type", JSON.encode())]
        scope = {"type": "http", "method": "POST", "headers": headers}
        batch = asyncio.create_task(middleware({**scope, "path": "/forecast_batch"}, slowly, send))
        await begun.wait()
        await middleware({**scope, "path": "/forecast"}, whole, send)
        go_on.set()
        await batch
        return statuses

    assert asyncio.run(run()) == [200, 400]


def test_a_slot_is_free_when_the_work_has_ended_not_when_somebody_gave_up() -> None:
    async def run() -> None:
        go_on, begun = asyncio.Event(), asyncio.Semaphore(0)
        statuses: list[int] = []

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            begun.release()
            await go_on.wait()
            await Response(b"late")(scope, receive, send)

        async def receive() -> Message:
            return {"type": "http.request", "body": b'{"symbols": ["A"]}', "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        config = MiddlewareConfig(PARAMS, Login(), (), lambda _: None)
        middleware = RequestMiddleware(slow, config=lambda: config)
        headers = [(b"host", b"localhost"), (b"content-type", JSON.encode())]
        scope = {"type": "http", "method": "POST", "path": "/forecast", "headers": headers}

        def ask() -> asyncio.Task[None]:
            return asyncio.create_task(middleware(dict(scope), receive, send))

        given_up = [ask() for _ in range(FORECASTS_AT_ONCE)]
        for _ in given_up:
            await begun.acquire()
        for task in given_up:
            task.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        waiting = ask()
        await asyncio.sleep(0)
        assert begun.locked()  # the threads work on: nobody else gets their slots
        go_on.set()
        await waiting
        assert statuses == [200]  # the late answers are nobody's

    asyncio.run(run())
