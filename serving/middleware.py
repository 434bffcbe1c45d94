"""What every request passes first: identity, limits and media types, and its one log line.

BentoML would answer a body that it cannot read with a trace in its log and, now and then, a 500; here
a message is read and judged before BentoML sees the request.
"""

from __future__ import annotations

import hmac
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio.to_thread
import msgspec
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.messages import decode_batch
from serving.params import ServingParams
from serving.parquet_rows import ParquetRows
from serving.parsing import JSON, MULTIPART, check_headers, parse_forecast, parse_parquet
from serving.refusals import Refusal
from serving.schemas import Problem

CONTEXT = "bellwether.request"
FORECAST = "/forecast"
FORECAST_BATCH = "/forecast_batch"
_LARGE = 64 * 1024
SYMBOLS_BYTES = 64 * 1024
BYTES_A_SYMBOL = 40
ROWS_BYTES = 4 * 1024 * 1024
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# The Swagger page that BentoML ships loads a tag manager; the browser is told not to.
_PAGE_POLICY = "default-src 'self' data: 'unsafe-inline'; frame-src 'none'; object-src 'none'"


@dataclass(slots=True)
class RequestContext:
    """One request on its way through: its message, and what is to be logged of it."""

    request_id: str
    route: str
    message: msgspec.Struct | ParquetRows | None = None
    status: int = 500
    seconds: float = 0.0
    notes: dict[str, Any] = field(default_factory=dict)


OnRequest = Callable[[RequestContext], None]


@dataclass(frozen=True, slots=True)
class MiddlewareConfig:
    """Limits, the callers' token (empty for none) and who is told of each request."""

    params: ServingParams
    token: str
    on_request: OnRequest


class RequestMiddleware:
    """ASGI middleware around the service.

    Parameters
    ----------
    app : ASGI application
    config : callable
        Returns the `MiddlewareConfig`; called at each request, because the service is set up after its
        middleware.
    """

    def __init__(self, app: ASGIApp, *, config: Callable[[], MiddlewareConfig]) -> None:
        self._app = app
        self._config = config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer refusals here; pass everything else on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] == "POST" and scope["path"] in {FORECAST, FORECAST_BATCH}:
            await self._judge(scope, receive, send)
        else:
            await self._app(scope, receive, _with_headers(send, {"Content-Security-Policy": _PAGE_POLICY}))

    async def _judge(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        headers, config = Headers(scope=scope), self._config()
        own = headers.get("x-request-id", "")  # the caller's, if it is short and plain
        request_id = own if _REQUEST_ID.fullmatch(own) else uuid.uuid4().hex
        context = RequestContext(request_id=request_id, route=scope["path"])
        scope[CONTEXT] = context
        seen = _with_headers(send, {"X-Request-ID": request_id}, context)
        try:
            context.message = await _admit(scope, headers, receive, config)
        except Refusal as refusal:
            context.notes["error"] = refusal.error
            await problem(refusal, request_id)(scope, receive, seen)
        else:
            await self._app(scope, receive, seen)
        finally:
            context.seconds = time.perf_counter() - began
            config.on_request(context)


async def _admit(
    scope: Scope, headers: Headers, receive: Receive, config: MiddlewareConfig
) -> msgspec.Struct | ParquetRows:
    authorization = headers.get("authorization", "").encode()
    if config.token and not hmac.compare_digest(authorization, f"Bearer {config.token}".encode()):
        raise Refusal(401, "unauthorized", "send the header Authorization: Bearer with this service's token")
    allowed = (JSON,) if scope["path"] == FORECAST else (JSON, MULTIPART)
    given = check_headers(headers, allowed)
    body = await _read_body(headers, receive, largest_body(scope["path"], given, config.params))
    if given == MULTIPART:
        return await parse_parquet(scope, body, max_bytes=config.params.max_body_bytes)
    if scope["path"] == FORECAST:
        return parse_forecast(body, max_symbols=config.params.max_symbols)
    if len(body) > _LARGE:  # seconds of parsing must not hold up the other requests
        return await anyio.to_thread.run_sync(decode_batch, body)
    return decode_batch(body)


def largest_body(route: str, media_type: str, params: ServingParams) -> int:
    """Return how many bytes the body of a request may have.

    A list of symbols is short, and JSON takes many times its size once it is read; larger batches come as
    Parquet.
    """
    if route == FORECAST:
        return min(params.max_body_bytes, max(SYMBOLS_BYTES, params.max_symbols * BYTES_A_SYMBOL))
    return min(params.max_body_bytes, ROWS_BYTES) if media_type == JSON else params.max_body_bytes


async def _read_body(headers: Headers, receive: Receive, limit: int) -> bytes:
    """Return the body; stop as soon as it proves too large."""
    announced = headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and len(announced) < 20 and int(announced) > limit:
        raise _too_large(limit)
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "disconnected", "the caller left before the body was complete; send it again")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _too_large(limit: int) -> Refusal:
    return Refusal(
        413,
        "body_too_large",
        f"the body is larger than {limit} bytes; split the request, or send rows as Parquet",
    )


def problem(refusal: Refusal, request_id: str) -> Response:
    """Return the JSON answer of a refusal."""
    content = Problem(
        error=refusal.error, message=refusal.message, request_id=request_id, details=refusal.details
    )
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "2"}}.get(refusal.status)
    return Response(content.model_dump_json(), refusal.status, headers, media_type=JSON)


def _with_headers(send: Send, extra: dict[str, str], context: RequestContext | None = None) -> Send:
    """Add headers to the answer, and note its status in the context."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(extra)
            if context is not None:
                context.status = message["status"]
        await send(message)

    return sending
