"""An open-loop load on the forecast service: requests leave on time, whatever became of the earlier ones."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

Ask = Callable[[int], dict[str, Any]]


@dataclass
class Outcome:
    """What became of a load.

    Attributes
    ----------
    milliseconds : list of float
        From the instant at which each request was due to its complete answer, so that a stall
        counts for every request it delays.
    codes : Counter
        HTTP statuses; 0 for a broken connection.
    answers : list of dict
        JSON answers in order of arrival, each with `due` (seconds since the load began) and `arrived`
        (seconds since 1970).
    """

    milliseconds: list[float] = field(default_factory=list)
    codes: Counter[int] = field(default_factory=Counter)
    answers: list[dict[str, Any]] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        """Return the smallest latency that at least `share` of the requests did not exceed."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]

    @property
    def failures(self) -> int:
        """Requests without a 200."""
        return sum(count for code, count in self.codes.items() if code != 200)


async def offer(client: httpx.AsyncClient, ask: Ask, *, per_second: float, seconds: float) -> Outcome:
    """Send ``POST /forecast`` at a fixed rate and wait for all answers."""
    outcome, count = Outcome(), int(per_second * seconds)
    began = time.perf_counter()

    async def one(number: int) -> None:
        due = number / per_second
        await asyncio.sleep(max(0.0, began + due - time.perf_counter()))
        try:
            answer = await client.post("/forecast", json=ask(number))
            outcome.codes[answer.status_code] += 1
            if answer.status_code == 200:
                outcome.answers.append({**answer.json(), "due": due, "arrived": time.time()})
        except httpx.TransportError:
            outcome.codes[0] += 1
        outcome.milliseconds.append((time.perf_counter() - began - due) * 1000)

    await asyncio.gather(*(one(number) for number in range(count)))
    return outcome


async def throw(client: httpx.AsyncClient, bodies: Sequence[Any], *, at_once: int = 8) -> Counter[int]:
    """Send bodies with `route`, `content` and `content_type`; return the HTTP statuses."""
    codes: Counter[int] = Counter()
    turn = asyncio.Semaphore(at_once)

    async def one(body: Any) -> None:
        async with turn:
            headers = {"Content-Type": body.content_type}
            try:
                answer = await client.post(body.route, content=body.content, headers=headers)
                codes[answer.status_code] += 1
            except httpx.TransportError:
                codes[0] += 1

    await asyncio.gather(*(one(body) for body in bodies))
    return codes


def random_symbols(symbols: Sequence[str], count: int, *, seed: int) -> Ask:
    """Return a question for `count` distinct symbols, drawn anew for each request."""

    def ask(number: int) -> dict[str, Any]:
        return {"symbols": random.Random(seed * 1_000_003 + number).sample(list(symbols), count)}

    return ask


async def wait_until_ready(client: httpx.AsyncClient, *, seconds: float) -> float:
    """Wait for /readyz and return how long it took.

    Raises
    ------
    TimeoutError
        If the service is not ready in time.
    """
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        try:
            if (await client.get("/readyz")).status_code == 200:
                return time.perf_counter() - began
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.1)
    msg = f"the service is not ready after {seconds} s; read its log"
    raise TimeoutError(msg)
