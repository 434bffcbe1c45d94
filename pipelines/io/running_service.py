"""The forecast service that `up` has started for a home, as whoever installs a champion sees it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import httpx

from pipelines.base.home import Home
from pipelines.base.small_files import read_record

SERVICE = "forecasts"
"""Its name in the record of the stack."""
SECONDS_A_QUESTION = 5.0
SECONDS_BETWEEN_QUESTIONS = 0.2


def recorded_service(home: Home) -> str | None:
    """Return the address of the service that `up` has recorded, None where no stack is recorded.

    It may have ended since: `down` alone takes the record away.
    """
    started = read_record(home.services_record).get("started", [])
    found = [one for one in started if isinstance(one, dict) and one.get("name") == SERVICE]
    return str(found[0].get("address", "")) if found else None


def ask_champion(address: str) -> dict[str, Any] | None:
    """Return which champion answers, as `serving.setup.RunningService.describe_champion` has it.

    None where nothing, or something else, answers.
    """
    try:
        answer = httpx.get(f"{address}/champion", timeout=SECONDS_A_QUESTION)
        told = answer.raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def wait_for_champion(address: str, pointer: Mapping[str, Any], seconds: float) -> dict[str, Any] | None:
    """Ask until the service answers with what a pointer names, at most so many seconds.

    Returns
    -------
    dict or None
        What it said last.
    """
    deadline = time.monotonic() + seconds
    while True:
        told = ask_champion(address)
        if (told or {}).get("pointer") == pointer or time.monotonic() > deadline:
            return told
        time.sleep(SECONDS_BETWEEN_QUESTIONS)
