"""Connections by the byte: raw sockets against the real server on a free port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send

from serving.transport.http_server import make_server
from serving.transport.protocol import ConnectionLimits

SHORT = {"head_seconds": 0.2, "body_seconds": 0.2, "answer_seconds": 0.2, "idle_seconds": 0.2}
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the size of the body; ``/early`` does so before it has read any."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    size = 0
    while scope["path"] != "/early":
        message = await receive()
        size += len(message.get("body", b""))
        if message["type"] == "http.disconnect":
            return
        if not message.get("more_body"):
            break
    body = b"x" * 20_000_000 if scope["path"] == "/large" else b"%d" % size
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(limits: ConnectionLimits, app=echo) -> AsyncIterator[tuple[int, uvicorn.Server]]:
    """The server in this loop, its port, and its end."""
    server = make_server(app, host="127.0.0.1", port=0, limits=limits)
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    yield server.servers[0].sockets[0].getsockname()[1], server
    await server.shutdown()


def against(limits: ConnectionLimits, talk: Callable[[int], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(30), serving(limits) as (port, _):
            await talk(port)

    asyncio.run(run())


async def say(port: int, *parts: bytes) -> bytes:
    """Send the parts, and return all that comes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
    said = b""
    try:
        said = await reader.read(1_000_000)
        while more := await reader.read(1_000_000):
            said += more
    except ConnectionError:
        pass  # aborted: what it said before counts
    writer.close()
    return said


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([b""], b""),
        ([b"\r\n"], b""),
        ([b"GET / HTTP/1.1\r\nHo"], b"HTTP/1.1 408 "),
        ([b"G"], b"HTTP/1.1 408 "),
        ([b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"], b""),
        ([b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nx"], b""),
        ([b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"], b"HTTP/1.1 200 "),
        ([GET], b"HTTP/1.1 200 "),
        ([GET, GET[:-2]], b"HTTP/1.1 200 "),
        ([b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"], b"HTTP/1.1 200 "),
    ],
    ids=["nothing", "a blank line", "half a head", "a letter", "half a body", "half a chunk",
         "half a body after the answer", "idle", "half a second head", "whole"],
)  # fmt: skip
def test_a_caller_who_stops_half_way_is_let_go(parts: list[bytes], told: bytes) -> None:
    async def talk(port: int) -> None:
        assert (await say(port, *parts)).startswith(told)

    against(ConnectionLimits(**SHORT), talk)


@pytest.mark.parametrize(
    "begin",
    [b"GET / HTTP/1.1\r\nX: ", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n",
     b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n", b"\r\n"],
    ids=["head", "body", "body after the answer", "blank lines"],
)  # fmt: skip
def test_a_byte_now_and_then_buys_no_time(begin: bytes) -> None:
    """Whoever drips is cut off however long he goes on: the loop below ends by the server's doing alone."""

    async def talk(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(begin)
        try:
            while not reader.at_eof():
                writer.write(b"\r\n" if begin == b"\r\n" else b"x")
                await writer.drain()
                try:
                    await asyncio.wait_for(reader.read(4096), 0.02)
                except TimeoutError:
                    continue
        except ConnectionError:
            pass
        writer.close()

    against(ConnectionLimits(**SHORT), talk)


def test_an_answer_that_is_not_taken_is_cut_off() -> None:
    async def talk(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        while True:  # ends when the server has gone: what is written meets a reset
            writer.write(b"\r\n")
            try:
                await asyncio.wait_for(writer.drain(), 1)
                await asyncio.wait_for(asyncio.shield(writer.wait_closed()), 0.05)
            except TimeoutError:
                continue
            except ConnectionError:
                break
            break
        del reader

    against(ConnectionLimits(**SHORT), talk)


@pytest.mark.parametrize(
    "head",
    [b"GET /" + b"a" * 5_000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 5_000 + b"\r\n\r\n",
     b"GET / HTTP/1.1\r\nX: " + b"a" * 5_000, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20 + b"\r\n"],
    ids=["line", "header", "endless header", "many headers"],
)  # fmt: skip
def test_a_large_head_is_refused(head: bytes) -> None:
    async def talk(port: int) -> None:
        said = await say(port, head)
        assert said.startswith(b"HTTP/1.1 431 ")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)  # and so it is after another
        assert (await reader.readuntil(b"\r\n\r\n0")).startswith(b"HTTP/1.1 200 ")
        writer.write(head)
        assert (await reader.read()).startswith(b"HTTP/1.1 431 ")
        assert b'"error": "head_too_large"' in said

    against(ConnectionLimits(head_bytes=4_000, headers=16), talk)


@pytest.mark.parametrize(
    "said",
    [b"\x16\x03\x01\x02\x00", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
     b"NONSENSE\r\n\r\n", b"GET \xff HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nA b: c\r\n\r\n",
     b"GET / HTTP/1.1\r\nA : c\r\n\r\n",
     b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
     b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"],
)  # fmt: skip
def test_what_is_no_http_is_refused(said: bytes) -> None:
    async def talk(port: int) -> None:
        assert (await say(port, said)).startswith(b"HTTP/1.1 400 ")

    against(ConnectionLimits(**SHORT), talk)


def test_a_broken_chunk_ends_the_connection() -> None:
    """The application waits for the body then; whatever it would answer is cut off with it."""

    async def talk(port: int) -> None:
        said = await say(port, b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        assert said.startswith(b"HTTP/1.1 400 ")

    against(ConnectionLimits(**SHORT), talk)


def test_one_too_many_costs_the_longest_idle_its_place() -> None:
    async def talk(port: int) -> None:
        first, _w1 = await asyncio.open_connection("127.0.0.1", port)
        second, w2 = await asyncio.open_connection("127.0.0.1", port)
        w2.write(GET)
        assert (await second.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
        third, w3 = await asyncio.open_connection("127.0.0.1", port)
        w3.write(GET)
        assert (await third.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
        assert await first.read() == b""
        w2.write(GET)
        assert b"HTTP/1.1 200" in await second.readuntil(b"HTTP/1.1 200")

    against(ConnectionLimits(connections=2), talk)


def test_where_all_are_busy_the_newcomer_is_asked_to_come_again() -> None:
    async def talk(port: int) -> None:
        reader, busy = await asyncio.open_connection("127.0.0.1", port)
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
        busy.write(head)
        assert (await reader.readline()).startswith(b"HTTP/1.1 100 ")  # its head has been read
        said = await say(port, GET)
        assert said.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 2\r\n" in said
        busy.close()

    against(ConnectionLimits(connections=1), talk)


async def flood_with(writer: asyncio.StreamWriter, part: bytes) -> None:
    """Write on; by the server's doing alone it ends."""
    while True:
        writer.write(part)
        await writer.drain()


@pytest.mark.parametrize(
    "flood",
    [b"a: b\r\n", b"a" * 1_000],
    ids=["trailers", "a trailer that does not end"],
)
def test_trailers_are_nobodys_and_bounded(flood: bytes) -> None:
    async def talk(port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        writer.write(b"" if flood[1:2] == b":" else b"a: ")
        with pytest.raises(ConnectionError):
            await flood_with(writer, flood * 100)

    against(ConnectionLimits(body_seconds=60), talk)


def test_a_trailer_does_not_change_what_the_application_sees() -> None:
    seen: list[list[tuple[bytes, bytes]]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await echo(scope, receive, send)
        if scope["type"] == "http":
            seen.append(list(scope["headers"]))

    async def run() -> None:
        async with asyncio.timeout(30), serving(ConnectionLimits(), app) as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"1\r\nx\r\n0\r\nAuthorization: Bearer x\r\n\r\n"
            )
            assert (await reader.readuntil(b"\r\n\r\n1")).startswith(b"HTTP/1.1 200 ")
            writer.close()

    asyncio.run(run())
    assert [[name for name, _ in headers] for headers in seen] == [[b"host", b"transfer-encoding"]]


def test_small_chunks_are_taken() -> None:
    async def talk(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n50000")).startswith(b"HTTP/1.1 200 ")
        writer.close()

    against(ConnectionLimits(), talk)


def test_requests_on_one_connection_are_taken_one_after_the_other() -> None:
    async def talk(port: int) -> None:
        said = await say(port, GET * 2)
        assert said.count(b"HTTP/1.1 200 ") == 2
        # A hundred at once are kept by nobody.
        assert (await say(port, GET * 100)).count(b"HTTP/1.1 200 ") < 3

    against(ConnectionLimits(idle_seconds=0.2), talk)


def test_a_fault_in_the_next_request_does_not_stand_in_the_answer_to_this_one() -> None:
    """Nor in its place: whoever reads on would take the one for the other."""
    going_on = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await echo(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        await going_on.wait()

    async def run() -> None:
        async with asyncio.timeout(30), serving(ConnectionLimits(), app) as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GET + b"\x16\x03\x01")
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readuntil(b"HTTP/1.1 400")
            going_on.set()

    asyncio.run(run())


def test_after_an_early_answer_to_who_waits_for_leave_the_connection_ends() -> None:
    """The body may come or not: what comes next must not be taken for it."""

    async def talk(port: int) -> None:
        head = b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\nExpect: 100-continue\r\n\r\n"
        said = await say(port, head)
        assert said.startswith(b"HTTP/1.1 200 ")

    against(ConnectionLimits(body_seconds=60, idle_seconds=60), talk)


def test_every_request_of_a_caller_who_has_gone_is_told() -> None:
    told: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await echo(scope, receive, send)
            return
        await receive()
        told.append((await receive())["type"])

    async def run() -> None:
        async with asyncio.timeout(30), serving(ConnectionLimits(), app) as (port, server):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GET * 2)
            await writer.drain()
            while not server.server_state.tasks:
                await asyncio.sleep(0)
            writer.transport.abort()
            while server.server_state.tasks:
                await asyncio.sleep(0)

    asyncio.run(run())
    assert told == ["http.disconnect"]


def test_the_end_waits_for_requests_under_way_and_for_nobody_else() -> None:
    """SIGTERM's way: what is under way is answered, what idles is closed, the lifespan ends last."""
    ended: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def noting(message: Message) -> None:
            ended.append(message["type"])
            await send(message)

        await echo(scope, receive, noting)

    async def run() -> None:
        async with asyncio.timeout(30), serving(ConnectionLimits(), app) as (port, _):
            idle, _w = await asyncio.open_connection("127.0.0.1", port)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx")
            await writer.drain()
            await say_get(port)  # by now the server has read the head above

            async def finish() -> bytes:
                assert await idle.read() == b""  # the end has begun
                writer.write(b"y")
                return await reader.read()

            finishing = asyncio.create_task(finish())
        assert (await finishing).endswith(b"\r\n\r\n2")
        assert ended[-1] == "lifespan.shutdown.complete"

    asyncio.run(run())


async def say_get(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET)
    await reader.readuntil(b"\r\n\r\n0")
    writer.close()
