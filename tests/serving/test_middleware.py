"""Every malformed or hostile body gets a clear 4xx, and every request one line."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from serving.batch import batch_frame
from serving.messages import BatchMessage, ForecastMessage
from serving.middleware import (
    CONTEXT,
    MiddlewareConfig,
    RequestContext,
    RequestMiddleware,
    largest_body,
)
from serving.parquet_rows import BatchLimits, ParquetRows
from serving.refusals import Refusal
from tests.serving.hostile import FORM, JSON, Body, by_hand, form_of, good_frame, mutated, parquet_of
from tests.serving.parts import NAMES, PARAMS

GOOD = {"symbols": ["AAPL"]}


@dataclass
class Inside:
    """The middleware with a plain application behind it that answers what the middleware has read."""

    token: str = ""
    contexts: list[RequestContext] = field(default_factory=list)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = scope.get(CONTEXT)
        kind = type(context.message).__name__ if context else "page"
        await JSONResponse({"kind": kind})(scope, receive, send)

    def client(self, **params: Any) -> TestClient:
        config = MiddlewareConfig(replace(PARAMS, **params), self.token, self.contexts.append)
        return TestClient(RequestMiddleware(self.app, config=lambda: config))


def send(client: TestClient, body: Body) -> Any:
    return client.post(body.route, content=body.content, headers={"Content-Type": body.content_type})


def still_refused(context: RequestContext) -> bool:
    """Whether a batch that passed the middleware is refused when its rows are read."""
    if not isinstance(context.message, BatchMessage | ParquetRows):
        return False
    try:
        batch_frame(context.message, NAMES, BatchLimits(rows=20_000, bytes=2**20))
    except Refusal as refusal:
        return 400 <= refusal.status < 500
    return False


@pytest.mark.parametrize("body", by_hand(), ids=lambda body: body.name)
def test_a_hostile_body_gets_a_clear_refusal(body: Body) -> None:
    inside = Inside()
    answer = send(inside.client(), body)
    if answer.status_code == 200:
        overflow = body.name == "batch 32-bit overflow"  # the model itself refuses that one
        assert overflow or still_refused(inside.contexts[0])
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
    for context in inside.contexts:
        if context.status == 200:
            still_refused(context)


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
    assert isinstance(inside.contexts[0].message, ForecastMessage)
    assert inside.contexts[0].message.symbols == ["AAPL"]


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
def test_a_token_is_asked_for_where_there_is_one(header: dict[str, str], status: int) -> None:
    answer = Inside(token="s3cret").client().post("/forecast", json=GOOD, headers=header)
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

    config = MiddlewareConfig(PARAMS, "", contexts.append)
    client = TestClient(RequestMiddleware(failing, config=lambda: config))
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
