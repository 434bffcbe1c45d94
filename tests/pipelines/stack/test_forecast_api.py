from __future__ import annotations

from typing import Any

import pytest

from pipelines.base.errors import UnavailableError
from pipelines.stack.forecast_api import request_forecasts
from tests.pipelines.stack.answers import answering

ANSWER = {"forecasts": [{"symbol": "A", "status": "ok", "value": 0.1}]}


def test_the_answer_comes_as_it_is() -> None:
    asked: list[tuple[str, str, Any]] = []

    def reply(method: str, path: str, body: Any, _login: str) -> tuple[int, Any]:
        asked.append((method, path, body))
        return 200, ANSWER

    with answering(reply) as address:
        assert request_forecasts(address, ["A"], 5) == ANSWER
    assert asked == [("POST", "/forecast", {"symbols": ["A"]})]


def test_a_refusal_names_the_service() -> None:
    with (
        answering(lambda *_: (503, {"error": "no champion"})) as address,
        pytest.raises(UnavailableError, match=rf"the forecast service at {address} gave no forecasts"),
    ):
        request_forecasts(address, ["A"], 5)
