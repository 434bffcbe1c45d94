"""The BentoML service: forecasts over HTTP.

Started by ``bellwether serve``, which hands it its settings as one file, or from a Bento elsewhere with
``BELLWETHER_HOME=DIR bentoml serve bellwether:VERSION``, where DIR holds the online store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import bentoml
from starlette.requests import Request
from starlette.responses import Response

from serving.api_page import api_page, version_of
from serving.middleware import (
    BATCHES_AT_ONCE,
    FORECASTS_AT_ONCE,
    MiddlewareConfig,
    RequestMiddleware,
)
from serving.refusals import Refusal
from serving.request_context import CONTEXT, RequestContext, problem
from serving.schemas import BatchAnswer, BatchRequest, ForecastAnswer, ForecastRequest
from serving.setup import RunningService, ServiceArguments, embedded_manifest, start
from serving.telemetry import note_answer, record_request

Answer = TypeVar("Answer", ForecastAnswer, BatchAnswer)
Answering = Callable[[Any, str], Answer]

_arguments = bentoml.use_arguments(ServiceArguments)


class _ReadMessage(bentoml.IODescriptor):  # type: ignore[misc]
    """Hands on the message that the middleware has read."""

    __root_input__ = True

    @classmethod
    async def from_http_request(cls, request: Request, serde: Any) -> RequestContext:
        """Return the request's context with its message."""
        del serde
        return request.scope[CONTEXT]  # type: ignore[no-any-return]


class ForecastInput(ForecastRequest, _ReadMessage):
    """The message of ``POST /forecast``."""


class BatchInput(BatchRequest, _ReadMessage):
    """The message of ``POST /forecast_batch``."""


@bentoml.service(
    name="bellwether",
    workers=1,
    # A thread for each slot that the middleware gives, so that nobody who has one waits again.
    threads=FORECASTS_AT_ONCE + BATCHES_AT_ONCE,
    traffic={"timeout": 60},
    logging={"access": {"enabled": False}},
)
class BellwetherService:
    """One handler behind two routes."""

    def __init__(self) -> None:
        self._running: RunningService = start(_arguments)
        self.config = MiddlewareConfig(
            self._running.handler.params, self._running.login, self._running.allowed_hosts, record_request
        )

    def describe_champion(self) -> dict[str, Any]:
        """Return what ``GET /champion`` answers."""
        return self._running.describe_champion()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        """End the thread that follows the pointer, and the process that reads uploads."""
        self._running.watch.stop()
        self._running.uploads.stop()

    def __is_ready__(self) -> bool:
        """Answer /readyz: a champion is loaded and the online store answers."""
        return self._running.is_ready()

    @bentoml.api(route="/forecast", input_spec=ForecastInput, output_spec=ForecastAnswer)  # type: ignore[untyped-decorator]
    def forecast(self, context: RequestContext, /) -> ForecastAnswer | Response:
        """Forecast symbols from their newest published features."""
        return _answer(self._running.handler.forecast, context)

    @bentoml.api(route="/forecast_batch", input_spec=BatchInput, output_spec=BatchAnswer)  # type: ignore[untyped-decorator]
    def forecast_batch(self, context: RequestContext, /) -> BatchAnswer | Response:
        """Forecast feature rows: JSON, or a Parquet file in the multipart field `rows`."""
        return _answer(self._running.handler.forecast_batch, context)


def _answer(answering: Answering[Answer], context: RequestContext) -> Answer | Response:
    try:
        answer = answering(context.message, context.request_id)
    except Refusal as refusal:
        context.notes["error"] = refusal.error
        return problem(refusal, context.request_id)
    note_answer(context, answer)
    return answer


def _specification() -> Any:
    return BellwetherService.openapi_spec.asdict()  # type: ignore[attr-defined]


BellwetherService.add_asgi_middleware(  # type: ignore[attr-defined]
    RequestMiddleware, config=lambda: bentoml.get_current_service().config
)
BellwetherService.mount_asgi_app(  # type: ignore[attr-defined]
    api_page(
        _specification,
        version_of(embedded_manifest()),
        lambda: bentoml.get_current_service().describe_champion(),
    )
)
