"""The service over HTTP, in its own process: promotions and publications under load, hostile bodies."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import polars as pl
import pytest

from benchmarks.serving_load import Outcome, offer, random_symbols, throw, wait_until_ready
from tests.serving.homes import DAILY, TEXT, add_champion, issue, publish, symbols_of
from tests.serving.hostile import FORM, by_hand, form_of, mutated, parquet_of
from tests.serving.parts import CALENDAR, SESSION, point_at
from tests.serving.process import serving
from tests.serving.test_upload_reader import bomb

SYMBOLS = symbols_of(60)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the service writes."""
    return tmp_path_factory.mktemp("log") / "service.log"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which nothing was trained yet."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def address(home: Path, log: Path):
    """The running service."""
    with serving(home, overrides=["serving.poll_seconds=0.05"], log=log) as address:
        yield address


async def start_empty_then_fill(home: Path, address: str) -> None:
    """Wait for the process to live on an empty home, then package and publish."""
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        for _ in range(1_200):
            try:
                alive = await client.get("/livez")
                break
            except httpx.TransportError:
                await asyncio.sleep(0.1)
        assert alive.status_code == 200
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.post("/forecast", json={"symbols": ["S000"]})).json()["error"] == "no_champion"
        publish(home, SYMBOLS)
        champion, manifest = add_champion(home, "1")
        issue(home, champion, SYMBOLS)
        point_at(home / "bento", champion, manifest)
        await wait_until_ready(client, seconds=60)


@pytest.fixture(scope="module")
def ready(home: Path, address: str) -> str:
    """The running service once it is ready."""
    asyncio.run(start_empty_then_fill(home, address))
    return address


def test_it_answers_with_the_issued_ranks(ready: str) -> None:
    answer = httpx.post(f"{ready}/forecast", json={"symbols": [*SYMBOLS, "NOPE"]}, timeout=60).json()
    ranks = sorted(forecast["rank"] for forecast in answer["forecasts"][:-1])
    assert ranks == pytest.approx([(place + 0.5) / 60 for place in range(60)])
    assert answer["session"] == str(SESSION)
    assert answer["universe"] == {"symbols": 60, "expected": 60, "partial": False}
    assert answer["forecasts"][-1]["status"] == "unknown_symbol"


async def load_with(address: str, during, *, seconds: float = 4.0) -> Outcome:
    """Offer ten requests a second while `during` runs in a thread."""
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        load = offer(client, random_symbols(SYMBOLS, 20, seed=1), per_second=10, seconds=seconds)
        return (await asyncio.gather(load, asyncio.to_thread(during)))[0]


def test_a_promotion_under_load_fails_no_request(ready: str, home: Path) -> None:
    second, manifest = add_champion(home, "2")
    _, first_manifest = add_champion(home, "1")
    first = second.parents[2] / "v1" / "src" / "champion"

    def promote() -> None:
        point_at(home / "bento", second, manifest)

    outcome = asyncio.run(load_with(ready, promote))
    assert outcome.codes == {200: 40}
    assert outcome.answers[-1]["model"]["model_version"] == "2"
    point_at(home / "bento", first, first_manifest)
    outcome = asyncio.run(load_with(ready, lambda: None, seconds=2))
    assert outcome.answers[-1]["model"]["model_version"] == "1"


def test_a_publication_under_load_is_seen_at_once_and_never_undone(ready: str, home: Path) -> None:
    """Answers are of the old session, refused while the views are being written, then of the new one."""
    following = CALENDAR.shift(SESSION, 1)
    outcome = asyncio.run(load_with(ready, lambda: publish(home, SYMBOLS, session=following, seed=7)))
    assert outcome.codes == {200: 40}
    after = httpx.post(f"{ready}/forecast", json={"symbols": SYMBOLS}, timeout=60).json()
    assert after["session"] == str(following)
    assert {forecast["status"] for forecast in after["forecasts"]} == {"ok"}
    for answer in outcome.answers:
        for forecast in answer["forecasts"]:
            assert (forecast["status"], forecast["session"]) in {
                ("ok", answer["session"]), ("other_session", str(following)), ("stale", str(SESSION)),
            }  # fmt: skip


def test_a_thousand_hostile_bodies_are_refused(ready: str) -> None:
    bodies = by_hand()
    bodies += mutated(1_000 - len(bodies), seed=7)

    async def run() -> dict[int, int]:
        async with httpx.AsyncClient(base_url=ready, timeout=60) as client:
            return dict(await throw(client, bodies))

    codes = asyncio.run(run())
    assert sum(codes.values()) == 1_000
    # 503: eight callers send files at once, of which two are in hand.
    assert all(code in {200, 503} or 400 <= code < 500 for code in codes), codes
    assert codes.get(503, 0) < 100
    assert httpx.get(f"{ready}/readyz", timeout=60).status_code == 200


def test_an_upload_that_stands_for_gigabytes_is_refused_beside_the_service(ready: str) -> None:
    names = DAILY + TEXT
    sent = form_of(bomb(names))
    for _ in range(2):
        answer = httpx.post(
            f"{ready}/forecast_batch", content=sent, headers={"Content-Type": FORM}, timeout=60
        )
        assert (answer.status_code, answer.json()["error"]) == (413, "batch_size")
    frame = pl.DataFrame({"symbol": ["AAA"], "session": [SESSION]} | {name: [0.5] for name in names})
    sent = form_of(parquet_of(frame))
    answer = httpx.post(f"{ready}/forecast_batch", content=sent, headers={"Content-Type": FORM}, timeout=60)
    assert [row["status"] for row in answer.json()["forecasts"]] == ["ok"]
    assert httpx.get(f"{ready}/readyz", timeout=60).status_code == 200


def test_metrics_and_the_log_tell_what_happened(ready: str, log: Path) -> None:
    metrics = httpx.get(f"{ready}/metrics", timeout=60).text
    assert 'bellwether_requests_total{route="/forecast",status="200"}' in metrics
    assert 'bellwether_champion_switches_total{outcome="switched"} 3.0' in metrics
    assert 'bellwether_forecasts_total{route="/forecast",status="unknown_symbol"}' in metrics
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith('{"at"')]
    assert {"request_id", "route", "status", "milliseconds", "model_version", "symbols", "session"} <= set(
        next(line for line in lines if line.get("status") == 200)
    )
    switches = [line["model_version"] for line in lines if line.get("event") == "champion"]
    assert switches == ["1", "2", "1"]
    assert "Traceback" not in log.read_text()
