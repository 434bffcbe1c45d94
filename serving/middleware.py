"""What every request passes first: who calls, identity, limits and places, and its one log line.

BentoML would answer a body that it cannot read with a trace in its log and, now and then, a 500; here
a message is read and judged before BentoML sees the request.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import anyio.to_thread
import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.answer_sender import LARGE, AnswerSender
from serving.messages import decode_batch
from serving.params import ServingParams
from serving.parquet_rows import ParquetRows
from serving.parsing import JSON, MULTIPART, check_headers, parse_forecast, parse_parquet
from serving.refusals import Refusal
from serving.request_context import CONTEXT, RequestContext, problem
from serving.transport.hosts import PROBES, why_foreign
from serving.transport.logins import LOG_IN, Login
from serving.transport.page_guard import with_headers
from serving.transport.slots import BytesInFlight, Slots

log = logging.getLogger(__name__)

FORECAST = "/forecast"
FORECAST_BATCH = "/forecast_batch"
HOW_TO_LOG_IN = (
    "send the header Authorization: Bearer with a token of serving.token_file, or, where services.login is "
    "set, Airflow's user and password as Basic"
)
WITHOUT_LOGIN = PROBES | {"/champion"}
"""What `install` and orchestrators ask: which version answers, and whether it does."""
SYMBOLS_BYTES = 64 * 1024
BYTES_A_SYMBOL = 40
ROWS_BYTES = 4 * 1024 * 1024
FORECASTS_AT_ONCE = 4
BATCHES_AT_ONCE = 2
"""Slots of the two routes; each has its own, so that costly batches leave the others their threads."""
IN_FLIGHT_BYTES = {FORECAST: 16 * 1024 * 1024, FORECAST_BATCH: 64 * 1024 * 1024}
BODY_SECONDS = 25.0
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# The Swagger page that BentoML ships loads a tag manager; the browser is told not to.
_PAGE_POLICY = "default-src 'self' data: 'unsafe-inline'; frame-src 'none'; object-src 'none'"


OnRequest = Callable[[RequestContext], None]


@dataclass(frozen=True, slots=True)
class MiddlewareConfig:
    """Limits, who may call, and who is told of each request.

    Attributes
    ----------
    params : ServingParams
    login : Login
    allowed_hosts : tuple of str
        Names under which the service may be called beside those of loopback.
    on_request : callable
    """

    params: ServingParams
    login: Login
    allowed_hosts: tuple[str, ...]
    on_request: OnRequest


class RequestMiddleware:
    """ASGI middleware around the service.

    Parameters
    ----------
    app : ASGI application
    config : callable
        Returns the `MiddlewareConfig`; called at each request, because the service is set up after its
        middleware.
    in_flight : mapping of str to int
        Bytes that the bodies and answers of each route may take together.
    body_seconds : float
        From a request's head to the end of its body.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        config: Callable[[], MiddlewareConfig],
        in_flight: Mapping[str, int] = IN_FLIGHT_BYTES,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._app = app
        self._config = config
        self._in_flight = {route: BytesInFlight(limit) for route, limit in in_flight.items()}
        self._body_seconds = body_seconds
        self._slots = {
            FORECAST: Slots(at_once=FORECASTS_AT_ONCE, waiting=64, seconds=5.0),
            FORECAST_BATCH: Slots(at_once=BATCHES_AT_ONCE, waiting=6, seconds=5.0),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer refusals here; pass everything else on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] == "POST" and scope["path"] in self._slots:
            await self._judge(scope, receive, send)
        else:
            await self._show(scope, receive, send)

    async def _show(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a page, a probe, or why it is not shown."""
        config, headers, path = self._config(), Headers(scope=scope), scope["path"]
        if foreign := why_foreign(path, headers, config.allowed_hosts):
            await problem(Refusal(403, "foreign_page", foreign), "")(scope, receive, send)
        elif config.login.has_pages and path not in WITHOUT_LOGIN and not config.login.admits(headers):
            asked = {"WWW-Authenticate": config.login.challenge()}
            await Response(LOG_IN, 401, asked)(scope, receive, send)
        else:
            await self._app(scope, receive, with_headers(send, {"Content-Security-Policy": _PAGE_POLICY}))

    async def _judge(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        headers, config = Headers(scope=scope), self._config()
        own = headers.get("x-request-id", "")  # the caller's, if it is short and plain
        request_id = own if _REQUEST_ID.fullmatch(own) else uuid.uuid4().hex
        context = RequestContext(request_id=request_id, route=scope["path"])
        scope[CONTEXT] = context
        sender = AnswerSender(send, context, self._in_flight[scope["path"]])
        try:
            media_type = _admit(scope["path"], headers, config)
            limit = largest_body(scope["path"], media_type, config.params)
            body = await self._read_body(headers, receive, limit, sender)
            sender.slot = await self._slots[scope["path"]].take()
            context.message = await _parse(scope, body, media_type, config.params)
            del body
        except Refusal as refusal:
            context.notes["error"] = refusal.error
            await problem(refusal, request_id)(scope, receive, sender.send)
            sender.end()
        except BaseException:
            sender.end()
            raise
        else:
            await self._answer(scope, receive, sender)
        finally:
            context.seconds = time.perf_counter() - began
            config.on_request(context)

    async def _answer(self, scope: Scope, receive: Receive, sender: AnswerSender) -> None:
        """Have the service answer; its slot is free when its thread is, whoever gave up waiting before.

        BentoML cancels a request after a minute, and the thread works on.
        """
        task = asyncio.ensure_future(self._app(scope, receive, sender.send))
        task.add_done_callback(lambda _: sender.end())
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            sender.drop()
            task.add_done_callback(_forget)
            raise

    async def _read_body(self, headers: Headers, receive: Receive, limit: int, sender: AnswerSender) -> bytes:
        """Return the body; stop as soon as it proves too large, or is too long in coming."""
        announced = headers.get("content-length", "")
        if announced.isascii() and announced.isdigit() and len(announced) < 20 and int(announced) > limit:
            raise _too_large(limit)
        body = bytearray()
        try:
            async with asyncio.timeout(self._body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        msg = "the caller left before the body was complete; send it again"
                        raise Refusal(400, "disconnected", msg)
                    chunk = message.get("body", b"")
                    if len(body) + len(chunk) > limit:
                        raise _too_large(limit)
                    sender.hold(len(chunk))
                    body += chunk
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            msg = f"the body did not come within {self._body_seconds:g} s; send it again, or less of it"
            raise Refusal(408, "too_slow", msg) from None


def _admit(path: str, headers: Headers, config: MiddlewareConfig) -> str:
    """Return the media type of a request that may be read."""
    if foreign := why_foreign(path, headers, config.allowed_hosts):
        raise Refusal(403, "foreign_page", foreign)
    if not config.login.admits(headers):
        raise Refusal(401, "unauthorized", HOW_TO_LOG_IN)
    return check_headers(headers, (JSON,) if path == FORECAST else (JSON, MULTIPART))


async def _parse(
    scope: Scope, body: bytes, media_type: str, params: ServingParams
) -> msgspec.Struct | ParquetRows:
    if media_type == MULTIPART:
        return await parse_parquet(scope, body, max_bytes=params.max_body_bytes)
    if scope["path"] == FORECAST:
        return parse_forecast(body, max_symbols=params.max_symbols)
    if len(body) > LARGE:  # seconds of parsing must not hold up the other requests
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


def _too_large(limit: int) -> Refusal:
    return Refusal(
        413,
        "body_too_large",
        f"the body is larger than {limit} bytes; split the request, or send rows as Parquet",
    )


def _forget(task: asyncio.Task[None]) -> None:
    """Take note of how a task ended that nobody waits for any more."""
    if not task.cancelled() and task.exception() is not None:
        log.warning("a request that had been given up ended with %r", task.exception())
