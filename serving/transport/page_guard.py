"""What stands before every page: own names only, reading only, and a browser that is told its bounds."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.transport.hosts import why_foreign
from serving.transport.logins import Login

ALIVE = "/livez"
"""Answered by the guard itself, for whoever waits until the page is there."""
READING = frozenset({"GET", "HEAD"})
OWN_SCRIPTS = (
    "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; frame-ancestors 'self'; object-src 'none'"
)
"""For a program's own page; it may ask its own address and no other."""
SANDBOX = (
    "sandbox allow-scripts; default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "worker-src blob:; frame-ancestors 'none'"
)
"""For a page that shows others' data: what it runs reads no other page and asks nobody anything."""


class PageGuard:
    """ASGI middleware around a page.

    Parameters
    ----------
    app : ASGI application
    allowed_hosts : collection of str
        Names under which it may be called beside those of loopback.
    login : Login
        Whom it is shown to; probes are answered to everyone.
    policy : str
        The Content-Security-Policy of every answer.
    posts : collection of str
        Paths that may be posted to, because the page's own reads do.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        allowed_hosts: Collection[str],
        login: Login,
        policy: str,
        posts: Collection[str] = (),
    ) -> None:
        self._app = app
        self._allowed_hosts = allowed_hosts
        self._login = login
        self._headers = {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "SAMEORIGIN",
            "Referrer-Policy": "same-origin",
        }
        self._posts = frozenset(posts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is not allowed; pass the rest on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._judge(scope, receive, send)

    async def _judge(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        headers = Headers(scope=scope)
        foreign = why_foreign(scope["path"], headers, self._allowed_hosts)
        if foreign:
            await PlainTextResponse(foreign, 403)(scope, receive, sending)
        elif scope["path"] == ALIVE:
            await PlainTextResponse("\n")(scope, receive, sending)
        elif not self._login.admits(headers):
            asked = {"WWW-Authenticate": self._login.challenge()}
            await PlainTextResponse("log in to see this page\n", 401, asked)(scope, receive, sending)
        elif scope["method"] in READING or (scope["method"] == "POST" and scope["path"] in self._posts):
            await self._app(scope, receive, sending)
        else:
            msg = f"{scope['method']} is not taken here; the page shows, and commands change"
            await PlainTextResponse(msg, 405, {"Allow": "GET, HEAD"})(scope, receive, sending)
