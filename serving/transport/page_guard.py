"""What stands before every page: own names only, reading only, and a browser that is told its bounds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.refusals import Refusal
from serving.transport.hosts import why_foreign
from serving.transport.logins import LOG_IN, Login
from serving.transport.slots import Slots

ALIVE = "/livez"
"""Answered by the guard itself, for whoever waits until the page is there."""
AT_ONCE, WAITING = 8, 64
"""Requests that a page answers at a time: what is behind keeps whole answers in memory."""
BODY_BYTES = 256 * 1024
READING = frozenset({"GET", "HEAD"})
OWN_SCRIPTS = (
    "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; frame-ancestors 'self'; object-src 'none'"
)
"""For a program's own page; it may ask its own address and no other."""
SANDBOX = (
    "sandbox allow-scripts; default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src data:; "
    "worker-src blob:; frame-ancestors 'none'"
)
"""For a page that shows others' data: what it runs reads no other page, and asks no other address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRules:
    """What a page may do.

    Attributes
    ----------
    policy : str
        The Content-Security-Policy of every answer.
    posts : frozenset of str
        Paths that may be posted to, because the page's own reads do.
    closed : frozenset of str
        Parts of a path below which nothing is answered, in lower case.
    """

    policy: str
    posts: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()


class PageGuard:
    """ASGI middleware around a page.

    Parameters
    ----------
    app : ASGI application
    rules : PageRules
    allowed_hosts : collection of str
        Names under which it may be called beside those of loopback.
    login : Login
        Whom it is shown to; probes are answered to everyone.
    """

    def __init__(
        self, app: ASGIApp, rules: PageRules, *, allowed_hosts: Collection[str], login: Login
    ) -> None:
        self._app = app
        self._rules = rules
        self._allowed_hosts = allowed_hosts
        self._login = login
        self._slots = Slots(at_once=AT_ONCE, waiting=WAITING, seconds=10.0)
        self._headers = {
            "Content-Security-Policy": rules.policy,
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "SAMEORIGIN",
            "Referrer-Policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is not allowed; pass the rest on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._judge(scope, receive, send)

    async def _judge(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending, headers = with_headers(send, self._headers), Headers(scope=scope)
        foreign = why_foreign(scope["path"], headers, self._allowed_hosts)
        if foreign:
            await PlainTextResponse(foreign, 403)(scope, receive, sending)
        elif scope["path"] == ALIVE:
            await PlainTextResponse("\n")(scope, receive, sending)
        elif not self._login.admits(headers):
            asked = {"WWW-Authenticate": self._login.challenge()}
            await PlainTextResponse(LOG_IN, 401, asked)(scope, receive, sending)
        elif self._rules.closed & set(scope["path"].lower().split("/")):
            await PlainTextResponse("not part of this page\n", 404)(scope, receive, sending)
        elif scope["method"] in READING or (scope["method"] == "POST" and scope["path"] in self._rules.posts):
            await self._show(scope, receive, sending)
        else:
            msg = f"{scope['method']} is not taken here; the page shows, and commands change"
            await PlainTextResponse(msg, 405, {"Allow": "GET, HEAD"})(scope, receive, sending)

    async def _show(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the page answer, its body read before: what is behind would read without a bound."""
        try:
            body = b"" if scope["method"] in READING else await _read_small(receive)
            slot = await self._slots.take()
        except Refusal as refusal:
            asked = {"Retry-After": "2"} if refusal.status == 503 else None
            await PlainTextResponse(f"{refusal.message}\n", refusal.status, asked)(scope, receive, send)
            return
        told = False

        async def replay() -> Message:
            nonlocal told
            if told:
                return await receive()
            told = True
            return {"type": "http.request", "body": body, "more_body": False}

        try:
            await self._app(scope, replay, send)
        finally:
            slot.release()


def with_headers(send: Send, extra: Mapping[str, str]) -> Send:
    """Add headers to an answer."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(extra)
        await send(message)

    return sending


async def _read_small(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "disconnected", "the caller left before the body was complete")
        body += message.get("body", b"")
        if len(body) > BODY_BYTES:
            raise Refusal(413, "body_too_large", f"a question to a page has at most {BODY_BYTES} bytes")
        if not message.get("more_body", False):
            return bytes(body)
