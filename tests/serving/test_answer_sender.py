"""What becomes of an answer that is large, or that memory has no room for."""

from __future__ import annotations

import asyncio

from starlette.responses import Response
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from serving.middleware import MiddlewareConfig, RequestMiddleware
from serving.request_context import RequestContext
from serving.transport.logins import Login
from tests.serving.hostile import JSON
from tests.serving.parts import PARAMS
from tests.serving.test_middleware import GOOD, LOOPBACK


def test_an_answer_that_memory_has_no_room_for_is_refused() -> None:
    contexts: list[RequestContext] = []

    async def talkative(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(b"x" * 2_000)(scope, receive, send)

    config = MiddlewareConfig(PARAMS, Login(), (), contexts.append)
    client = TestClient(
        RequestMiddleware(talkative, config=lambda: config, in_flight={"/forecast": 1_000}), LOOPBACK
    )
    for _ in range(3):  # and nothing stays counted
        answer = client.post("/forecast", json=GOOD)
        assert (answer.status_code, answer.json()["error"]) == (503, "busy")
        assert answer.headers["retry-after"] == "2"
    assert [context.status for context in contexts] == [503] * 3
    larger = client.post("/forecast", content=b" " * 1_001, headers={"Content-Type": JSON})
    assert (larger.status_code, larger.json()["error"]) == (503, "busy")


def test_a_large_answer_is_waited_for_until_it_is_taken() -> None:
    """The place is free meanwhile; the bytes count until the caller has them."""

    async def run() -> tuple[list[int], list[str]]:
        events: list[str] = []
        taken = asyncio.Event()

        async def large(scope: Scope, receive: Receive, send: Send) -> None:
            await Response(b"x" * 100_000)(scope, receive, send)
            events.append("answered")

        async def receive() -> Message:
            return {"type": "http.request", "body": b'{"symbols": ["A"]}', "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body" and not message["body"]:
                await taken.wait()

        statuses: list[int] = []

        async def send_small(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        config = MiddlewareConfig(PARAMS, Login(), (), lambda _: None)
        middleware = RequestMiddleware(large, config=lambda: config, in_flight={"/forecast": 150_000})
        headers = [(b"host", b"localhost"), (b"content-type", JSON.encode())]
        scope = {"type": "http", "method": "POST", "path": "/forecast", "headers": headers}
        slow = [asyncio.create_task(middleware(dict(scope), receive, send))]
        await asyncio.sleep(0)
        await middleware(dict(scope), receive, send_small)
        taken.set()
        await asyncio.gather(*slow)
        await middleware(dict(scope), receive, send_small)
        return statuses, events

    statuses, events = asyncio.run(run())
    assert statuses == [503, 200]
    assert len(events) == 3
