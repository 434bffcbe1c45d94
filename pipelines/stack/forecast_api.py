"""The forecast service's own API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from pipelines.base.errors import UnavailableError


def request_forecasts(
    address: str, symbols: Sequence[str], seconds: float, login: tuple[str, str] | None = None
) -> Any:
    """Return the service's answer for `symbols`, as it came.

    Raises
    ------
    UnavailableError
        If the service does not answer within `seconds`, or refuses the question.
    """
    try:
        answer = httpx.post(
            f"{address}/forecast", json={"symbols": list(symbols)}, timeout=seconds, auth=login
        )
        answer.raise_for_status()
    except httpx.HTTPError as error:
        msg = f"the forecast service at {address} gave no forecasts ({error}); look at its log"
        raise UnavailableError(msg) from error
    return answer.json()
