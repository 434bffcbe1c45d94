"""Requests that must be refused, as they go over the wire: made once from a seed, a thousand or so."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from serving.middleware import ROWS_BYTES, SYMBOLS_BYTES
from tests.serving.hostile import FORM, JSON, Body, by_hand, form_of
from tests.serving.test_upload_reader import bomb

MEAN_BYTES = 64 * 1024
AT_THE_LIMIT = 0.02
SLOW = 0.06
"""Share of requests that stop half way or go on byte by byte."""

How = Literal["whole", "half", "drip", "many"]


@dataclass(frozen=True, slots=True)
class Attack:
    """What is sent on one connection: a request, whole, half of it and no more, or byte by byte, or many."""

    kind: str
    wire: bytes
    how: How = "whole"


def wire_of(body: Body, *, host: str = "localhost", extra: str = "") -> bytes:
    """Return a request as it is sent."""
    kind = f"Content-Type: {body.content_type}\r\n" if body.content_type else ""
    size = f"Content-Length: {len(body.content)}\r\n"
    head = f"POST {body.route} HTTP/1.1\r\nHost: {host}\r\n{kind}{extra}{size}\r\n"
    return head.encode("latin-1", "replace") + body.content


def attacks(names: Sequence[str], count: int, *, seed: int) -> list[Attack]:
    """Return that many requests, drawn from all kinds.

    Parameters
    ----------
    names : sequence of str
        The champion's features.
    """
    draw = random.Random(seed)
    kinds = list(_kinds(names))
    # What is small by its nature counts too: the others are drawn larger, so that the mean comes out.
    fixed = sum(len(make(draw, 0).wire) for make in kinds) / len(kinds)
    # Half of the kinds cannot grow, or not so far.
    mean = max(1_024.0, 2.3 * (MEAN_BYTES - fixed - AT_THE_LIMIT * 0.2 * ROWS_BYTES))
    found = []
    for number in range(count):
        size = int(draw.expovariate(1 / mean))
        if number % 50 == 0:  # two in a hundred, by turns at the limit of either route
            size = ROWS_BYTES if number % 250 == 0 else SYMBOLS_BYTES
            found.append(Attack("at the limit", wire_of(_filled(draw, size, number % 250 == 0))))
            continue
        attack = kinds[number % len(kinds)](draw, size)
        if draw.random() < SLOW:
            attack = Attack(attack.kind, attack.wire, draw.choice(["half", "drip"]))
        found.append(attack)
    draw.shuffle(found)
    return found


def _filled(draw: random.Random, size: int, rows: bool) -> Body:
    """A body of exactly so many bytes, of the kind that takes most work: many members, the last one wrong."""
    route, key = ("/forecast_batch", "rows") if rows else ("/forecast", "symbols")
    member = '{"symbol":"A%06d","session":"2018-02-07","features":{"x":1}}' if rows else '"A%06d"'
    start, end = f'{{"{key}":[', ",0]}"
    text, number = [start], draw.randrange(1_000)
    length = len(start) + len(end)
    while length + len(member) + 8 < size:
        part = (("," if len(text) > 1 else "") + member) % (number % 1_000_000)
        text.append(part)
        length, number = length + len(part), number + 1
    content = "".join(text) + " " * (size - length) + end
    return Body("at the limit", route, content.encode())


Make = Callable[[random.Random, int], Attack]


def _kinds(names: Sequence[str]) -> Iterator[Make]:
    for body in by_hand():
        yield _padded(body)
    yield from _json_kinds()
    for kind, content in _parquet_kinds(names).items():
        body = Body(kind, "/forecast_batch", form_of(content), FORM)
        yield lambda _, __, body=body: Attack(body.name, wire_of(body))  # type: ignore[misc]
    yield from _wire_kinds()


def _padded(body: Body) -> Make:
    """The body with white space before it, which no bound but its size sees."""

    def make(_: random.Random, size: int) -> Attack:
        room = max(0, min(size, SYMBOLS_BYTES) - len(body.content))
        pad = b" " * room if body.content_type == JSON else b""
        return Attack(body.name, wire_of(Body(body.name, body.route, pad + body.content, body.content_type)))

    return make


def _json_kinds() -> Iterator[Make]:
    def grown(kind: str, route: str, start: str, part: str, end: str) -> Make:
        def make(_: random.Random, size: int) -> Attack:
            times = max(1, (size - len(start) - len(end)) // len(part))
            content = (start + part * times + end).encode()
            return Attack(kind, wire_of(Body(kind, route, content)))

        return make

    rows = "/forecast_batch"
    yield grown("nested arrays", rows, '{"rows":', "[", "")
    yield grown("nested objects", rows, '{"rows":', '{"a":', "1")
    yield grown("repeated keys", rows, "{", '"rows":1,', '"rows":[]}')
    yield grown("unknown keys", rows, '{"rows":[{', '"k":0,', '"z":0}]}')
    yield grown("long number", rows, '{"rows":[', "9", "]}")
    yield grown("long fraction", rows, '{"rows":[{"features":{"a":0.', "1", "}}]}")
    yield grown("escapes", rows, '{"rows":["', "\\u0041", '"]}')
    yield grown("surrogates", rows, '{"rows":["', "\\ud800", '"]}')
    yield grown("empty rows", rows, '{"rows":[', "{},", "{}]}")
    yield grown("nulls", rows, '{"rows":[', "null,", "null]}")
    yield grown("half a text", rows, '{"rows":["', "x", "")
    yield grown("symbols of one sign", "/forecast", '{"symbols":[', '"A",', '"A"]}')
    yield grown("two documents", "/forecast", '{"symbols":["A"]}', " {}", "")


def _parquet_kinds(names: Sequence[str]) -> dict[str, bytes]:
    honest = bomb(names)
    return {
        "honest bomb": honest,
        "forged size": honest.replace(len(honest).to_bytes(4, "little"), b"\x01\x00\x00\x00"),
        "damaged footer": honest[:-60] + bytes(40) + honest[-20:],
        "delta byte array": _parquet(
            names, 20_000, text="2018-02-07" + " " * 30_000, encoding="DELTA_BYTE_ARRAY"
        ),
        "plain bomb": _parquet(names, 2_000, text="2018-02-07" + " " * 100_000, encoding="PLAIN"),
        "wide": _wide(2_000),
        "many row groups": _parquet(names[:3], 5_000, groups=200),
        "too many rows": _parquet(names[:1], 25_000),
    }


def _parquet(
    names: Sequence[str], rows: int, *, text: str = "2018-02-07", encoding: str | None = None, groups: int = 1
) -> bytes:
    columns = {"symbol": [f"S{row}" for row in range(rows)], "session": [text] * rows}
    table = pa.table({**columns, **{name: pa.array([0.5] * rows) for name in names}})
    file = BytesIO()
    encodings = {"session": encoding} if encoding else None
    pq.write_table(
        table, file, compression="zstd", row_group_size=max(1, rows // groups),
        use_dictionary=encoding is None, column_encoding=encodings,
    )  # fmt: skip
    return file.getvalue()


def _wide(columns: int) -> bytes:
    file = BytesIO()
    pq.write_table(pa.table({f"c{number}": [0.5] for number in range(columns)}), file)
    return file.getvalue()


def _wire_kinds() -> Iterator[Make]:
    good = Body("good", "/forecast", json.dumps({"symbols": ["S000"]}).encode())

    def always(kind: str, wire: bytes, how: How = "whole") -> Make:
        return lambda _, __: Attack(kind, wire, how)

    yield always("foreign host", wire_of(good, host="rebound.example"))
    yield always("foreign origin", wire_of(good, extra="Origin: http://evil.example\r\n"))
    yield always("compressed", wire_of(good, extra="Content-Encoding: gzip\r\n"))
    yield always("many headers", wire_of(good, extra="X: y\r\n" * 200))
    yield always("large header", wire_of(good, extra=f"X: {'y' * 30_000}\r\n"))
    yield always("two lengths", wire_of(good, extra="Content-Length: 1\r\n"))
    yield always("length and chunks", wire_of(good, extra="Transfer-Encoding: chunked\r\n"))
    yield always("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20)
    chunked = b"POST /forecast HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    chunked += b"Transfer-Encoding: chunked\r\n\r\n"
    yield always("bad chunk", chunked + b"zz\r\n")
    yield always("endless trailers", chunked + b"0\r\n" + b"a: b\r\n" * 40_000)
    yield always("pipelined", wire_of(Body("x", "/forecast", b"{")) * 2_000, "many")
    yield always(
        "announced too large", wire_of(good).replace(b"Content-Length: ", b"Content-Length: 9999999")
    )
    yield always("nothing", b"", "half")
    yield always("half a head", wire_of(good), "half")
    yield always("dripping head", wire_of(good), "drip")
    yield always("dripping body", wire_of(Body("x", "/forecast_batch", b" " * 4_000)), "drip")
