"""HTTP connections with limits: uvicorn's own protocol, but nobody holds one for ever or fills it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

CLOSING_SECONDS = 5.0
MANY = "too many connections are open; send it again"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What one connection may take, and how many there may be.

    Attributes
    ----------
    connections : int
        Open at a time. For one more the longest waiting goes, one that sends no request just now.
    head_bytes, headers : int
        Size of a request's line and headers together, and their number.
    head_seconds, body_seconds, answer_seconds : float
        From the first byte of a request, or the connection's begin, to the end of its head; from there to the
        end of its body; from there until its answer has been taken.
    idle_seconds : float
        Between an answer and the next request.
    """

    connections: int = 256
    head_bytes: int = 16 * 1024
    headers: int = 64
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    answer_seconds: float = 90.0
    idle_seconds: float = 30.0


class ConnectionTable:
    """The limits of a server, and which of its connections wait for a request, the longest first."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._waiting: dict[BoundedProtocol, None] = {}

    def wait(self, connection: BoundedProtocol) -> None:
        """Note that a connection waits from now on."""
        self._waiting.pop(connection, None)
        self._waiting[connection] = None

    def leave(self, connection: BoundedProtocol) -> None:
        """Note that a connection has a request to answer, or is gone."""
        self._waiting.pop(connection, None)

    def pop_longest_waiting(self) -> BoundedProtocol | None:
        """Return the connection that has waited longest, no longer listed."""
        longest = next(iter(self._waiting), None)
        if longest is not None:
            self.leave(longest)
        return longest


class BoundedProtocol(HttpToolsProtocol):
    """One connection.

    Deadlines run from the beginning of a phase, not from the last byte: uvicorn's own timer starts afresh
    with every byte, and one byte a second holds a connection for ever.
    """

    def __init__(self, *args: Any, table: ConnectionTable, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._table = table
        self._limits = table.limits
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head = True
        self._in_message = False
        self._head_bytes = 0
        self._body_bytes = 0
        self._other_bytes = 0
        self._awaits_continue = False
        self._earlier: RequestResponseCycle | None = None
        self._fault = (400, "malformed_request", "the request is no valid HTTP; send it again")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Admit the connection, at the cost of the one that has waited longest if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            longest = self._table.pop_longest_waiting()
            if longest is None:
                self._refuse(503, "busy", MANY)
                return
            longest.close()
        self._table.wait(self)
        self._expect(self._limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._table.leave(self)
        if self._deadline is not None:
            self._deadline.cancel()
        for cycle in self._unanswered():
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has come, unless what is no body has grown too large without an end."""
        if self._in_head:
            self._head_bytes += len(data)
        else:
            self._other_bytes += len(data)
        super().data_received(data)
        if not self.transport.is_closing() and self._is_swollen():
            self._refuse(*self._large_head())

    def _is_swollen(self) -> bool:
        if self._in_head:
            return self._head_bytes > self._limits.head_bytes
        # Chunks of one byte have five around them; a trailer that does not end has no body at all.
        return self._other_bytes > self._limits.head_bytes + 8 * self._body_bytes

    def on_message_begin(self) -> None:
        """Begin a request: its head must come in time."""
        super().on_message_begin()
        self._in_message = True
        self._expect(self._limits.head_seconds)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; those that come after the body, as trailers, are nobody's."""
        if self._in_head:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Hand on a part of the body."""
        self._body_bytes += len(body)
        self._other_bytes -= len(body)
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Judge the head and hand the request on: its body must come in time."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self._limits.head_bytes or len(self.headers) > self._limits.headers:
            self._fault = self._large_head()
            # The parser stops and the answer is written by `send_400_response`.
            raise ValueError(self._fault[2])
        unanswered = self._unanswered()
        if len(unanswered) > 1:
            # One may follow before the last byte of an answer is out; more would be kept without an end.
            self._fault = (400, "too_many_at_once", "send the next request when the last one is answered")
            raise ValueError(self._fault[2])
        self._earlier = next(iter(unanswered), None)
        self._in_head = False
        self._body_bytes = self._other_bytes = 0
        self._awaits_continue = self.expect_100_continue
        self._table.leave(self)
        super().on_headers_complete()
        self._expect(self._limits.body_seconds)

    def on_message_complete(self) -> None:
        """End a request: its answer must be taken in time."""
        super().on_message_complete()
        self._in_head, self._in_message, self._head_bytes = True, False, 0
        if self.cycle.response_complete:
            self._wait()
        else:
            self._expect(self._limits.answer_seconds)

    def on_response_complete(self) -> None:
        """Wait for the next request, unless this one is still being sent."""
        super().on_response_complete()
        if self.transport.is_closing() or not self.cycle.response_complete:
            return
        if not self._in_message:
            self._wait()
        elif self._awaits_continue:
            # Nobody knows whether the body will come: what came next would be read as one.
            self.close()

    def send_400_response(self, msg: str) -> None:
        """Answer a request that cannot be parsed, in the shape of our other refusals."""
        del msg
        self._refuse(*self._fault)

    def close(self) -> None:
        """Send what is written and close, or abort if the caller does not take it soon."""
        self.transport.close()
        self._expect(CLOSING_SECONDS)

    def _wait(self) -> None:
        self._table.wait(self)
        taken = self.transport.get_write_buffer_size() == 0
        self._expect(self._limits.idle_seconds if taken else self._limits.answer_seconds)

    def _large_head(self) -> tuple[int, str, str]:
        limits = self._limits
        msg = f"a request's line and headers may have {limits.head_bytes} bytes and {limits.headers} headers"
        return 431, "head_too_large", msg

    def _expect(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self._expire)

    def _expire(self) -> None:
        if self.transport.is_closing() or self.transport.get_write_buffer_size():
            self.transport.abort()  # an answer that is not taken would keep a mere close waiting
        elif self._in_message and self._in_head:
            self._refuse(408, "too_slow", "the head of the request did not come in time; send it again")
        elif self.cycle is None or (self.cycle.response_complete and not self._in_message):
            self.close()
        else:
            self.transport.abort()

    def _unanswered(self) -> list[RequestResponseCycle]:
        """Return the requests under way or queued, the oldest first."""
        cycles = (self._earlier, self.cycle)
        return [cycle for cycle in cycles if cycle is not None and not cycle.response_complete]

    def _is_own_fault(self, unanswered: list[RequestResponseCycle]) -> bool:
        """Tell whether the fault lies in the body of the one request under way, not answered yet."""
        in_body = self._in_message and not self._in_head
        return in_body and unanswered == [self.cycle] and not self.cycle.response_started

    def _refuse(self, status: int, error: str, message: str) -> None:
        """Answer in place of the application, and close."""
        unanswered = self._unanswered()
        if unanswered and not self._is_own_fault(unanswered):
            self.transport.abort()  # the bytes would stand in the middle of another answer, or for it
            return
        for cycle in unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
        body = json.dumps({"error": error, "message": message, "request_id": "", "details": []}).encode()
        self.transport.write(
            STATUS_LINE[status]
            + b"content-type: application/json\r\nconnection: close\r\nretry-after: 2\r\n"
            + b"content-length: %d\r\n\r\n" % len(body)
            + body
        )
        self.close()
