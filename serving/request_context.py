"""One request on its way through the service, and the shape of a refusal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.responses import Response

from serving.parquet_rows import ParquetRows
from serving.parsing import JSON
from serving.refusals import Refusal
from serving.schemas import Problem

CONTEXT = "bellwether.request"


@dataclass(slots=True)
class RequestContext:
    """One request on its way through: its message, and what is to be logged of it."""

    request_id: str
    route: str
    message: msgspec.Struct | ParquetRows | None = None
    status: int = 500
    seconds: float = 0.0
    notes: dict[str, Any] = field(default_factory=dict)


def problem(refusal: Refusal, request_id: str) -> Response:
    """Return the JSON answer of a refusal."""
    content = Problem(
        error=refusal.error, message=refusal.message, request_id=request_id, details=refusal.details
    )
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "2"}}.get(refusal.status)
    return Response(content.model_dump_json(), refusal.status, headers, media_type=JSON)
