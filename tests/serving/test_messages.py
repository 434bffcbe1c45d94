"""What is decoded is what is described: both take the same bodies, and make the same of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from serving.messages import decode_batch, decode_forecast
from serving.refusals import Refusal
from serving.schemas import BatchRequest, ForecastRequest
from tests.serving.hostile import JSON, by_hand, mutated

ROUTES: dict[str, tuple[Any, type[BaseModel]]] = {
    "/forecast": (decode_forecast, ForecastRequest),
    "/forecast_batch": (decode_batch, BatchRequest),
}
ROW = '{"rows": [{"symbol": "AAPL", "session": "2018-02-07", "features": {"a": 1.5}}]}'
EDGES = {
    "/forecast": [
        '{"symbols": ["AAPL"]}', '{"symbols": ["AAPL", "MSFT"]}', ' {"symbols" : [ "A" ] } ',
        '{"symbols": ["~"]}', '{"symbols": ["\\u0041"]}', '{"symbols": ["A"], "symbols": ["B"]}',
        '{"symbols": ["A\\n"]}', '{"symbols": ["A", "A"]}', '{"symbols": []}',
        json.dumps({"symbols": ["A" * 32]}), json.dumps({"symbols": ["A" * 33]}),
        json.dumps({"symbols": [f"S{k}" for k in range(5_000)]}),
        json.dumps({"symbols": [f"S{k}" for k in range(5_001)]}),
    ],
    "/forecast_batch": [
        ROW, ROW.replace("1.5", "1"), ROW.replace("1.5", "null"), ROW.replace("1.5", "true"),
        ROW.replace("1.5", '"1.5"'), ROW.replace("1.5", "NaN"), ROW.replace("1.5", "1e400"),
        ROW.replace("1.5", "9" * 30), ROW.replace("1.5", "-0"), ROW.replace("1.5", "1e-400"),
        ROW.replace("2018-02-07", "20180207"), ROW.replace("2018-02-07", "2018-02-30"),
        ROW.replace("2018-02-07", "2018-W06-3"), ROW.replace("2018-02-07", "2018-02-07T00:00:00"),
        ROW.replace("2018-02-07", "0001-01-01"), ROW.replace("2018-02-07", "10000-01-01"),
        ROW.replace('"2018-02-07"', "17569"), ROW.replace('{"a": 1.5}', "{}"),
        ROW.replace('"a"', json.dumps("a" * 128)), ROW.replace('"a"', json.dumps("a" * 129)),
        ROW.replace('{"a": 1.5}', json.dumps({f"f{k}": 0.5 for k in range(2_000)})),
        ROW.replace('{"a": 1.5}', json.dumps({f"f{k}": 0.5 for k in range(2_001)})),
        ROW.replace('"features"', '"x": 1, "features"'), ROW.replace('"symbol": "AAPL", ', ""),
        '{"rows": []}',
    ],
}  # fmt: skip


def taken(body: bytes, route: str) -> Any:
    """Return what the decoder makes of a body, None where it refuses."""
    try:
        message = ROUTES[route][0](body)
    except Refusal:
        return None
    if route == "/forecast":
        return message.symbols
    return [(row.symbol, row.session, row.features) for row in message.rows]


def described(body: bytes, route: str) -> Any:
    """Return what the schema makes of a body, None where it refuses."""
    try:
        message: Any = ROUTES[route][1].model_validate_json(body)
    except ValidationError:
        return None
    if route == "/forecast":
        return message.symbols
    return [(row.symbol, row.session, row.features) for row in message.rows]


@pytest.mark.parametrize(
    ("route", "body"), [(route, body) for route, bodies in EDGES.items() for body in bodies]
)
def test_the_edges_of_the_schema_are_where_it_says(route: str, body: str) -> None:
    assert taken(body.encode(), route) == described(body.encode(), route)


def test_hostile_and_mutated_bodies_are_judged_alike() -> None:
    bodies = [body for body in [*by_hand(), *mutated(3_000, seed=31)] if body.content_type == JSON]
    verdicts = [taken(body.content, body.route) == described(body.content, body.route) for body in bodies]
    assert [body for body, same in zip(bodies, verdicts, strict=True) if not same] == []
    assert len(bodies) > 1_500
    assert any(taken(body.content, body.route) is not None for body in bodies)


def test_the_first_fault_ends_it() -> None:
    faults = json.dumps({"rows": [{"symbol": k} for k in range(50_000)]}).encode()
    with pytest.raises(Refusal) as refusal:
        decode_batch(faults)
    assert refusal.value.details == ["Expected `str`, got `int` - at `$.rows[0].symbol`"]
