"""Malformed and hostile bodies: by hand, and by seeded mutation of good ones."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from io import BytesIO

import polars as pl

JSON = "application/json"
BOUNDARY = "b0unDary"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


@dataclass(frozen=True)
class Body:
    """One request body that must be refused with a 4xx."""

    name: str
    route: str
    content: bytes
    content_type: str = JSON


def form_of(content: bytes, *, field: str = "rows") -> bytes:
    """A multipart body with one file."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="rows.parquet"\r\n\r\n'
    return head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def parquet_of(frame: pl.DataFrame) -> bytes:
    """The frame as a Parquet file."""
    file = BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


FORECAST_TEXTS = {
    "empty": "",
    "blank": " ",
    "null": "null",
    "number": "1",
    "text": '"AAPL"',
    "array": '["AAPL"]',
    "no key": "{}",
    "other key": '{"symbol": ["AAPL"]}',
    "extra key": '{"symbols": ["AAPL"], "horizon": 5}',
    "no symbols": '{"symbols": []}',
    "symbols is text": '{"symbols": "AAPL"}',
    "symbols is object": '{"symbols": {"AAPL": 1}}',
    "nested arrays": '{"symbols": [["AAPL"]]}',
    "deep arrays": '{"symbols": ' + "[" * 5_000 + "]" * 5_000 + "}",
    "deep objects": '{"symbols":' * 5_000 + "1" + "}" * 5_000,
    "NaN": '{"symbols": [NaN]}',
    "infinity": '{"symbols": [-Infinity]}',
    "huge integer": '{"symbols": [' + "9" * 5_000 + "]}",
    "huge exponent": '{"symbols": [1e999999]}',
    "null symbol": '{"symbols": [null]}',
    "true": '{"symbols": [true]}',
    "empty symbol": '{"symbols": [""]}',
    "long symbol": json.dumps({"symbols": ["A" * 33]}),
    "very long symbol": json.dumps({"symbols": ["A" * 100_000]}),
    "space": '{"symbols": ["A B"]}',
    "control sign": '{"symbols": ["A\\u0000"]}',
    "new line": '{"symbols": ["AAPL\\n"]}',
    "not ascii": '{"symbols": ["ÄÖ"]}',
    "lone surrogate": '{"symbols": ["\\ud800"]}',
    "surrogate key": '{"\\ud800": 1}',
    "repeated": '{"symbols": ["AAPL", "AAPL"]}',
    "too many": json.dumps({"symbols": [f"S{k}" for k in range(501)]}),
    "far too many": json.dumps({"symbols": [f"S{k}" for k in range(6_000)]}),
    "many repeated": json.dumps({"symbols": ["A"] * 5_000}),
    "single quotes": "{'symbols': ['AAPL']}",
    "trailing comma": '{"symbols": ["AAPL"],}',
    "two objects": '{"symbols": ["AAPL"]}{"symbols": ["AAPL"]}',
    "cut off": '{"symbols": ["AA',
    "yaml": "symbols: [AAPL]",
    "xml bomb": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    "sql": "'; DROP TABLE forecasts; --",
    "template": "{{7*7}}${7*7}",
}
FORECAST_BYTES = {
    "invalid utf-8": b'{"symbols": ["\xff\xfe"]}',
    "utf-16": '{"symbols": ["AAPL"]}'.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + b'{"symbols": ["AAPL"]}',
    "zeros": b"\x00" * 1_000,
    "gzip": b"\x1f\x8b\x08\x00" + b"\x00" * 50,
    "pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x06system\x94\x93\x94.",
    "too large": b'{"symbols": ["' + b"A" * 2_000_000 + b'"]}',
}
WRONG_TYPES = (
    "", "text/plain", "application/x-www-form-urlencoded", "application/vnd.bentoml+pickle", "*/*",
    "application/xml", "application/octet-stream", "multipart/form-data", "application/jsonx", "a" * 5_000,
    "application/json/",
)  # fmt: skip


def good_row(**changes: object) -> dict[str, object]:
    """A row of a batch that the tests' champion takes."""
    names = ("mom_return_1d", "vol_realised_20d", "mom_return_5d", "text_sentiment_mean_1d")
    return {"symbol": "AAA", "session": "2018-02-07", "features": dict.fromkeys(names, 0.5), **changes}


def _batch_texts() -> dict[str, str]:
    rows = {
        "no features": good_row(features={}),
        "text feature": good_row(features={"mom_return_1d": "0.5"}),
        "array feature": good_row(features={"mom_return_1d": [0.5]}),
        "no session": {"symbol": "AAA", "features": {}},
        "number session": good_row(session=20180207),
        "no such day": good_row(session="2018-02-30"),
        "year 0": good_row(session="0000-01-01"),
        "instant": good_row(session="2018-02-07T00:00:00Z"),
        "extra key": good_row(label=1.0),
        "bad symbol": good_row(symbol="A B"),
        "too many features": good_row(features={f"f{k}": 0.0 for k in range(2_001)}),
        "32-bit overflow": good_row(features={**good_row()["features"], "mom_return_1d": 1e300}),  # type: ignore[dict-item]
    }
    texts = {name: json.dumps({"rows": [row]}) for name, row in rows.items()}
    plain = json.dumps({"rows": [good_row()]})
    return texts | {
        "batch empty": "",
        "batch no rows": '{"rows": []}',
        "batch NaN": plain.replace("0.5", "NaN"),
        "batch infinity": plain.replace("0.5", "Infinity"),
        "batch huge integer": plain.replace("0.5", "9" * 4_000),
        "batch huge exponent": plain.replace("0.5", "1e400"),
        "batch repeated": json.dumps({"rows": [good_row(), good_row()]}),
        "batch deep": '{"rows": ' + "[" * 5_000 + "]" * 5_000 + "}",
        "batch array": json.dumps([good_row()]),
    }


def good_frame(**changes: object) -> pl.DataFrame:
    """The same row as a frame."""
    row = good_row()
    flat = {"symbol": row["symbol"], "session": row["session"], **row["features"]}  # type: ignore[dict-item]
    return pl.DataFrame({**flat, **changes})


def _forms() -> dict[str, bytes]:
    good = parquet_of(good_frame())
    return {
        "form not parquet": form_of(b"PAR1 not really PAR1"),
        "form empty file": form_of(b""),
        "form cut off": form_of(good)[:60],
        "form without end": form_of(good)[: -len(BOUNDARY) - 6],
        "form other field": form_of(good, field="file"),
        "form damaged footer": form_of(good[:-40] + b"\x7f" * 32 + good[-8:]),
        "form half a file": form_of(good[: len(good) // 2]),
        "form no parts": b"--" + BOUNDARY.encode() + b"--\r\n",
        "form garbage": b"garbage",
        "form missing column": form_of(parquet_of(good_frame().drop("mom_return_1d"))),
        "form text feature": form_of(parquet_of(good_frame(mom_return_1d="x"))),
        "form list feature": form_of(parquet_of(good_frame(mom_return_1d=[[1.0]]))),
        "form number symbol": form_of(parquet_of(good_frame(symbol=1))),
        "form long symbol": form_of(parquet_of(good_frame(symbol="A" * 500_000))),
        "form no such day": form_of(parquet_of(good_frame(session="2018-02-30"))),
        "form infinite": form_of(parquet_of(good_frame(mom_return_1d=float("inf")))),
        "form no rows": form_of(parquet_of(good_frame().clear())),
        "form repeated": form_of(parquet_of(pl.concat([good_frame(), good_frame()]))),
        "form null symbol": form_of(parquet_of(good_frame(symbol=pl.Series([None], dtype=pl.String)))),
        "form address": b"--" + BOUNDARY.encode() + b'\r\nContent-Disposition: form-data; name="rows"\r\n\r\n'
        b"http://127.0.0.1:9/x\r\n--" + BOUNDARY.encode() + b"--\r\n",
        "form too many rows": form_of(parquet_of(pl.concat([good_frame()] * 20_001))),
    }  # fmt: skip


def by_hand() -> list[Body]:
    """All bodies written by hand."""
    good = b'{"symbols": ["AAPL"]}'
    return [
        *(
            Body(name, "/forecast", text.encode("utf-8", "surrogatepass"))
            for name, text in FORECAST_TEXTS.items()
        ),
        *(Body(name, "/forecast", content) for name, content in FORECAST_BYTES.items()),
        *(Body(f"type {kind[:20]!r}", "/forecast", good, kind) for kind in WRONG_TYPES),
        *(Body(f"batch {name}", "/forecast_batch", text.encode()) for name, text in _batch_texts().items()),
        *(Body(name, "/forecast_batch", content, FORM) for name, content in _forms().items()),
        Body("form without boundary", "/forecast_batch", form_of(b"x"), "multipart/form-data"),
        Body("form bad boundary", "/forecast_batch", form_of(b"x"), "multipart/form-data; boundary=\x7f"),
        Body("form for one forecast", "/forecast", form_of(b"x"), FORM),
    ]


def mutated(count: int, *, seed: int) -> list[Body]:
    """Good bodies with bytes changed, cut, doubled or inserted; some may still be good."""
    draw = random.Random(seed)
    seeds = [
        ("/forecast", b'{"symbols": ["AAPL", "MSFT"]}', JSON),
        ("/forecast_batch", json.dumps({"rows": [good_row()]}).encode(), JSON),
        ("/forecast_batch", form_of(parquet_of(good_frame())), FORM),
    ]
    bodies = []
    for number in range(count):
        route, content, kind = seeds[number % len(seeds)]
        for _ in range(draw.randint(1, 8)):
            content = _mutate(content, draw)
        bodies.append(Body(f"mutation {number}", route, content, kind))
    return bodies


def _mutate(content: bytes, draw: random.Random) -> bytes:
    place, length = draw.randrange(len(content) + 1), draw.randint(1, 16)
    change = draw.randrange(4)
    if change == 0:
        return content[:place] + draw.randbytes(length) + content[place + length :]
    if change == 1:
        return content[:place] + content[place + length :]
    if change == 2:
        return content[:place] + content[place : place + length] * 2 + content[place + length :]
    return (
        content[:place]
        + draw.choice([b"\x00", b"[[", b"{", b'"', b"\xff", b"1e999", b"NaN"])
        + content[place:]
    )
