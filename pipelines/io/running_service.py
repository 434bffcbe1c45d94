"""The forecast service that `up` has started for a home, as whoever installs a champion sees it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import httpx

from pipelines.base.home import Home
from pipelines.base.signature import host
from pipelines.base.small_files import read_record

SERVICE = "forecasts"
"""Its name in the record of the stack."""
SECONDS_A_QUESTION = 5.0
SECONDS_BETWEEN_QUESTIONS = 0.2


def recorded_service(home: Home) -> str | None:
    """Return the address of the service that `up` has recorded, None where no stack is recorded here.

    It may have ended since: `down` alone takes the record away. One that another machine has recorded on a
    volume that both share cannot be asked from here: it answers on that machine's loopback.
    """
    record = read_record(home.services_record)
    found = [one for one in record.get("started", []) if isinstance(one, dict) and one.get("name") == SERVICE]
    if not found or record.get("host", host()) != host():
        return None
    return str(found[0].get("address", ""))


def ask_champion(address: str) -> dict[str, Any] | None:
    """Return which champion answers, as `serving.setup.RunningService.describe_champion` has it.

    None where nothing answers; empty where something does that does not know the question, such as a service
    of a former release.
    """
    try:
        answer = httpx.get(f"{address}/champion", timeout=SECONDS_A_QUESTION)
    except httpx.HTTPError:
        return None
    try:
        told = answer.raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def ask_readiness(address: str) -> str | None:
    """Return why a service that answers has no forecasts to give; None where it has, or does not answer."""
    try:
        if httpx.get(f"{address}/readyz", timeout=SECONDS_A_QUESTION).is_success:
            return None
    except httpx.ReadTimeout:
        return f"it has not answered within {SECONDS_A_QUESTION:g} s whether it is ready"
    except httpx.HTTPError:
        return None
    told = ask_champion(address) or {}
    return str(told.get("why_not_ready") or "its log says why")


def answers_otherwise(home: Home, model_key: str) -> bool:
    """Return whether the recorded service answers with another model; not where it does not answer."""
    address = recorded_service(home)
    told = ask_champion(address) if address else None
    return (told or {}).get("model_key") not in (None, model_key)


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
