"""Latency of ``POST /forecast`` over HTTP, hostile bodies, and promotions and publications under load.

    python -m benchmarks.serving_latency [--seconds 30] [--home DIR]

A home is made with 500 symbols, the features of every view published through the feature store, two
champions that read those of bars and texts and one that reads those of `alpha158` alone. The service runs as
`bellwether serve` runs it. Load is open-loop: 20 requests a second, for `alpha158` without the cache 5, each
for 50 symbols drawn at random, timed from the instant at which they were due. Takes 8 minutes at most, with
30 seconds a load.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import tempfile
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil
from pydantic import SecretStr

from benchmarks.serving_load import Outcome, offer, random_symbols, throw, wait_until_ready
from features.views import VIEWS
from serving.online.params import CONNECTION_VARIABLE, FeatureStoreParams
from serving.served_model import Manifest
from tests.serving.homes import (
    ALPHA158,
    DAILY,
    PARAMS,
    TEXT,
    add_champion,
    issue,
    publish,
    symbols_of,
)
from tests.serving.hostile import by_hand, mutated
from tests.serving.online.redis_server import redis_server
from tests.serving.parts import CALENDAR, SESSION, point_at
from tests.serving.process import serving

SYMBOLS = symbols_of(500)
PER_SECOND, PER_REQUEST = 20, 50
UNCACHED = "steady, every request read from the store"
OF_ALPHA158, SELDOM = "alpha158, steady", 5
OF_ALPHA158_UNCACHED = f"alpha158, {SELDOM} a second, every request read from the store"
CACHED_LIMIT_MS, UNCACHED_LIMIT_MS, SELDOM_LIMIT_MS = 15.0, 50.0, 60.0
LIMITS_MS = {
    "steady": CACHED_LIMIT_MS,
    "steady, Redis": CACHED_LIMIT_MS,
    UNCACHED: UNCACHED_LIMIT_MS,
    f"{UNCACHED}, Redis": UNCACHED_LIMIT_MS,
    OF_ALPHA158: CACHED_LIMIT_MS,
    OF_ALPHA158_UNCACHED: SELDOM_LIMIT_MS,
}
RESULT = Path(__file__).parent / "results" / "serving_latency.md"
Champions = list[tuple[Path, Manifest]]


def make_home(home: Path, params: FeatureStoreParams = PARAMS) -> Champions:
    """Publish a session, issue its forecasts and make the first of two champions current."""
    publish(home, SYMBOLS, params=params)
    champions = [add_champion(home, version) for version in ("1", "2")]
    for champion, _ in champions:
        issue(home, champion, SYMBOLS, params=params)
    point_at(home / "bento", *champions[0])
    return champions


def add_alpha158(home: Path) -> None:
    """Publish one more session, of every view, and make a champion current that reads Alpha158 alone."""
    session = CALENDAR.shift(SESSION, 2)
    publish(home, SYMBOLS, session=session, views=tuple(VIEWS))
    champion, manifest = add_champion(home, "3", names=ALPHA158)
    issue(home, champion, SYMBOLS, session=session)
    point_at(home / "bento", champion, manifest)


def service_cpu_seconds() -> float:
    """Return the processor time that the service has used: it says more than the clock on a busy machine."""
    children = psutil.Process().children(recursive=True)
    return float(sum(sum(child.cpu_times()[:2]) for child in children))


async def load(
    client: httpx.AsyncClient,
    seconds: float,
    during: Callable[[], None] | None = None,
    *,
    per_second: int = PER_SECOND,
) -> Outcome:
    """Offer the load while `during` runs in a thread."""
    offered = offer(
        client, random_symbols(SYMBOLS, PER_REQUEST, seed=1), per_second=per_second, seconds=seconds
    )
    if during is None:
        return await offered
    return (await asyncio.gather(offered, asyncio.to_thread(during)))[0]


async def measure_memory(
    address: str, home: Path, champions: Champions, seconds: float
) -> list[dict[str, Any]]:
    """Measure the service as it is configured by default."""
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        start = await wait_until_ready(client, seconds=600)
        await load(client, 2)
        rows = [await measure("steady", client, seconds) | {"seconds_until_ready": round(start, 1)}]

        def promote() -> None:
            for _ in range(5):
                for champion in champions[::-1]:
                    point_at(home / "bento", *champion)
                    time.sleep(seconds / 12)

        promoted = await load(client, seconds, promote)
        versions = {answer["model"]["model_version"] for answer in promoted.answers}
        rows.append(describe("ten promotions", promoted) | {"versions_seen": sorted(versions)})
        following = CALENDAR.shift(SESSION, 1)
        published = await load(client, seconds, lambda: _published(home, following))
        rows.append(describe("a publication of 500 symbols", published))
        bodies = by_hand()
        bodies += mutated(1_000 - len(bodies), seed=7)
        codes = dict(sorted((await throw(client, bodies)).items()))
        server_errors = sum(count for code, count in codes.items() if code == 0 or code >= 500)
        rows.append({"case": "1,000 hostile bodies", "codes": codes, "server_errors": server_errors})
    return rows


def _published(home: Path, session: Any) -> None:
    publish(home, SYMBOLS, session=session, seed=7)


async def measure_steady(
    case: str, address: str, seconds: float, *, per_second: int = PER_SECOND
) -> list[dict[str, Any]]:
    """Measure the steady load alone, the service warm."""
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        await wait_until_ready(client, seconds=600)
        await load(client, 2)
        return [await measure(case, client, seconds, per_second=per_second)]


def run_alpha158(home: Path, seconds: float) -> list[dict[str, Any]]:
    """Measure a model of `alpha158`: with the cache, and seldom asked without it."""
    add_alpha158(home)
    rows = []
    for case, cache, per_second in (
        (OF_ALPHA158, "true", PER_SECOND),
        (OF_ALPHA158_UNCACHED, "false", SELDOM),
    ):
        with serving(home, overrides=[f"serving.cache={cache}"], log=home / "alpha158.log") as address:
            rows += shown(asyncio.run(measure_steady(case, address, seconds, per_second=per_second)))
    return rows


def run_redis(home: Path, seconds: float) -> list[dict[str, Any]]:
    """Measure the steady load on Redis, with the cache and without; nothing where there is no Redis."""
    if shutil.which("redis-server") is None:
        return []
    home.mkdir()
    rows = []
    with redis_server(home) as connection:
        os.environ[CONNECTION_VARIABLE] = connection
        make_home(home, FeatureStoreParams(online="redis", connection=SecretStr(connection)))
        for case, cache in (("steady, Redis", "true"), (f"{UNCACHED}, Redis", "false")):
            overrides = ["feature_store.online=redis", f"serving.cache={cache}"]
            with serving(home, overrides=overrides, log=home / "redis.log") as address:
                rows += shown(asyncio.run(measure_steady(case, address, seconds)))
    return rows


async def measure(
    case: str, client: httpx.AsyncClient, seconds: float, *, per_second: int = PER_SECOND
) -> dict[str, Any]:
    """Measure one steady load, with the processor time that a request costs."""
    before = service_cpu_seconds()
    outcome = await load(client, seconds, per_second=per_second)
    spent = (service_cpu_seconds() - before) * 1000 / sum(outcome.codes.values())
    return describe(case, outcome) | {"service_cpu_ms_per_request": round(spent, 2)}


def describe(case: str, outcome: Outcome) -> dict[str, Any]:
    """Return one row of the result."""
    quantiles = {f"p{share}_ms": round(outcome.quantile(share / 100), 2) for share in (50, 95, 99)}
    largest = round(max(outcome.milliseconds), 2)
    requests = sum(outcome.codes.values())
    return {"case": case, "requests": requests, "failures": outcome.failures, **quantiles, "max_ms": largest}


def run(home: Path, seconds: float) -> list[dict[str, Any]]:
    """Run all cases on a fresh home, printing one JSON line a case."""
    champions = make_home(home)
    print(json.dumps({"cores": os.cpu_count(), "load_average": os.getloadavg()[0]}), flush=True)
    with serving(home, log=home / "memory.log") as address:
        rows = shown(asyncio.run(measure_memory(address, home, champions, seconds)))
    with serving(home, overrides=["serving.cache=false"], log=home / "store.log") as address:
        rows += shown(asyncio.run(measure_steady(UNCACHED, address, seconds)))
    return rows + run_redis(home / "redis", seconds) + run_alpha158(home, seconds)


def shown(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Print rows and return them."""
    for row in rows:
        print(json.dumps(row), flush=True)
    return rows


def verdict(rows: Sequence[dict[str, Any]]) -> int:
    """Return 0 if the limits hold: p95 in the steady states, no failure anywhere, no 5xx."""
    steady = all(row["p95_ms"] < LIMITS_MS[row["case"]] for row in rows if row["case"] in LIMITS_MS)
    return int(not (steady and not any(row.get("failures") or row.get("server_errors") for row in rows)))


def render(rows: Sequence[dict[str, Any]], *, met: bool) -> str:
    """Return the page of results, losing rows included."""
    story = (
        f"One service process on {os.cpu_count()} cores, asked over HTTP on loopback from the same machine: "
        f"{PER_SECOND} requests a second, each for {PER_REQUEST} of {len(SYMBOLS)} symbols with the "
        f"{len(DAILY + TEXT)} features of bars and texts, or with the {len(ALPHA158)} of alpha158, timed in "
        "milliseconds from the instant at which each was due. By default the service reads a symbol from the "
        "online store, Feast's SQLite file or Redis, once after every publication and remembers it until "
        "there is another; where a row says so, every request reads the store."
    )
    loads = [row for row in rows if "p95_ms" in row]
    cells = [
        f"| {row['case']} | {row['requests']} | {row['failures']} | {row['p50_ms']:.0f} "
        f"| {row['p95_ms']:.0f} | {row['p99_ms']:.0f} | {row['max_ms']:.0f} "
        f"| {row.get('service_cpu_ms_per_request', '')} |"
        for row in loads
    ]
    hostile = next(row for row in rows if "server_errors" in row)
    parts = [
        "# Latency of the forecast service\n",
        "Written by `python -m benchmarks.serving_latency`.\n",
        textwrap.fill(story, 110),
        "",
        "| load | requests | failed | p50 | p95 | p99 | largest | CPU ms a request |",
        "|---|---|---|---|---|---|---|---|",
        *cells,
        "",
        f"{hostile['case']}: {hostile['codes']}; {hostile['server_errors']} server errors.",
        "",
        textwrap.fill(
            f"Wanted: p95 under {CACHED_LIMIT_MS:.0f} ms in the steady state, {UNCACHED_LIMIT_MS:.0f} ms "
            f"where every request reads the store, {SELDOM_LIMIT_MS:.0f} ms for alpha158 so; no failed "
            f"request, no server error: {'met' if met else 'NOT met'}.",
            110,
        ),
        "",
    ]
    return "\n".join(parts)


def main() -> int:
    """Run the cases, write the page and return 0 if the limits hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--home", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="serving-latency-") as scratch:
        rows = run(chosen.home or Path(scratch), chosen.seconds)
    status = verdict(rows)
    page = render(rows, met=status == 0)
    print(page)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(page, encoding="utf-8")
    return status


if __name__ == "__main__":
    raise SystemExit(main())
