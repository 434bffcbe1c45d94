"""The BentoML service: forecasts over HTTP.

Started by ``bellwether serve``, or from a Bento elsewhere with
``bentoml serve bellwether:VERSION --arg home=DIR``, where DIR holds the online store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import bentoml
from starlette.requests import Request
from starlette.responses import Response

from serving.middleware import VISIT, Door, Gate, Visit, problem
from serving.refusals import Refusal
from serving.schemas import BatchAnswer, BatchRequest, ForecastAnswer, ForecastRequest
from serving.setup import Arguments, Running, start
from serving.telemetry import note_answer, record_visit

Answer = TypeVar("Answer", ForecastAnswer, BatchAnswer)
Answering = Callable[[Any, str], Answer]

_arguments = bentoml.use_arguments(Arguments)
_DESCRIPTION = """Forecasts of the current champion from the newest published features.

A symbol without a usable row gets a status and a reason instead of a number; a request that breaks the
schema gets a 4xx with the places at fault. Higher scores are expected to do better within their session."""


class ForecastInput(ForecastRequest, bentoml.IODescriptor):  # type: ignore[misc]
    """Hands on the message that the gate has read."""

    __root_input__ = True

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> Visit:
        """Return the visit with its message."""
        del serde
        return _visit(request)


class BatchInput(BatchRequest, bentoml.IODescriptor):  # type: ignore[misc]
    """Hands on the message that the gate has read."""

    __root_input__ = True

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> Visit:
        """Return the visit with its message."""
        del serde
        return _visit(request)


def _visit(request: Request) -> Visit:
    visit: Visit = request.scope[VISIT]
    return visit


@bentoml.service(
    name="bellwether",
    description=_DESCRIPTION,
    workers=1,
    threads=4,
    traffic={"timeout": 60},
    logging={"access": {"enabled": False}},
)
class BellwetherService:
    """One desk behind two routes."""

    def __init__(self) -> None:
        self._running: Running = start(_arguments)
        self.door = Door(self._running.desk.params, self._running.token, record_visit)

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        """End the thread that follows the pointer."""
        self._running.watch.stop()

    def __is_ready__(self) -> bool:
        """Answer /readyz: a champion is loaded and the online store answers."""
        return self._running.desk.why_not_ready() is None

    @bentoml.api(route="/forecast", input_spec=ForecastInput, output_spec=ForecastAnswer)  # type: ignore[untyped-decorator]
    def forecast(self, visit: Visit, /) -> ForecastAnswer | Response:
        """Forecast symbols from their newest published features."""
        return _answer(self._running.desk.forecast, visit)

    @bentoml.api(route="/forecast_batch", input_spec=BatchInput, output_spec=BatchAnswer)  # type: ignore[untyped-decorator]
    def forecast_batch(self, visit: Visit, /) -> BatchAnswer | Response:
        """Forecast feature rows: JSON, or a Parquet file in the multipart field `rows`."""
        return _answer(self._running.desk.forecast_batch, visit)


def _answer(answering: Answering[Answer], visit: Visit) -> Answer | Response:
    try:
        answer = answering(visit.message, visit.request_id)
    except Refusal as refusal:
        visit.notes["error"] = refusal.error
        return problem(refusal, visit.request_id)
    note_answer(visit, answer)
    return answer


def _current_door() -> Door:
    door: Door = bentoml.get_current_service().door
    return door


BellwetherService.add_asgi_middleware(Gate, door=_current_door)  # type: ignore[attr-defined]
