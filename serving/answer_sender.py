"""An answer on its way to the caller."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

from serving.refusals import Refusal
from serving.request_context import RequestContext, problem
from serving.transport.slots import BytesInFlight, Slot

LARGE = 64 * 1024


class AnswerSender:
    """One request's way out: notes its status, and gives back what it held once it is answered.

    A caller that takes its answer slowly keeps no slot, but what waits for it counts as bytes in flight.

    Parameters
    ----------
    send : ASGI callable
    context : RequestContext
    in_flight : BytesInFlight
    """

    def __init__(self, send: Send, context: RequestContext, in_flight: BytesInFlight) -> None:
        self._send = send
        self._context = context
        self._in_flight = in_flight
        self._held = 0
        self._dropped = False
        self.slot: Slot | None = None

    def hold(self, size: int) -> None:
        """Count bytes until the request has ended; raises as `BytesInFlight.hold`."""
        self._in_flight.hold(size)
        self._held += size

    def end(self) -> None:
        """Give everything back; again, it does nothing."""
        if self.slot is not None:
            self.slot.release()
        self._in_flight.release(self._held)
        self._held = 0

    def drop(self) -> None:
        """Send nothing from now on: somebody else has answered."""
        self._dropped = True

    async def send(self, message: Message) -> None:
        """Send a part of the answer; in place of one that memory has no room for, a refusal."""
        if self._dropped:
            return
        if message["type"] == "http.response.start":
            self.end()
            self._context.message = None  # a slow caller shall not keep what he sent
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._context.request_id
            try:
                self.hold(int(headers.get("content-length", "0")))
            except Refusal as refusal:
                self._dropped = True
                self._context.status, self._context.notes["error"] = refusal.status, refusal.error
                await problem(refusal, self._context.request_id)({"type": "http"}, _nothing, self._send)
                return
            self._context.status = message["status"]
        elif len(message.get("body", b"")) > LARGE and not message.get("more_body"):
            # Uvicorn waits for what is written only when more is: this returns once the caller has taken it.
            await self._send({**message, "more_body": True})
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
