"""Rolled back by command while callers ask: no request fails, and the ledger's champion answers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from benchmarks.serving_load import Outcome, offer, random_symbols, wait_until_ready
from pipelines.base.context import Context
from pipelines.cli.main import main
from tests.pipelines.champions import SYMBOLS, fill_home
from tests.serving.process import serving

SETTINGS = ("install.parity_symbols=10", "completeness.min_symbols=10", "serving.poll_seconds=0.05")
PER_SECOND = 20
CLOCK = "2016-07-01T12:00:00+00:00"


def bellwether(home: Path, *command: str, seconds: float = 20.0) -> subprocess.CompletedProcess[str]:
    """Run a command on the home as an operator does."""
    settings = [
        part for value in (*SETTINGS, f"install.acknowledge_seconds={seconds}") for part in ("--set", value)
    ]
    return subprocess.run(
        [sys.executable, "-m", "pipelines", *command, "--home", str(home), "--clock", CLOCK, *settings],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def status(home: Path, *options: str) -> str:
    """What `bellwether status` says; it only looks, so it needs no process of its own."""
    ended = CliRunner().invoke(main, ["status", *options, "--home", str(home), "--clock", CLOCK])
    assert ended.exit_code == 0, ended.output
    return ended.stdout


@pytest.fixture(scope="module")
def home(open_home: Callable[..., Context], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A row model answers, and has issued for the published session; a sequence model is trained."""
    context = open_home(tmp_path_factory.mktemp("running"), *SETTINGS)
    fill_home(context)
    return context.home.root


@pytest.fixture(scope="module")
def address(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The running service, recorded as `up` records it."""
    log = tmp_path_factory.mktemp("log") / "service.log"
    with serving(home, overrides=SETTINGS, log=log) as address:
        record = home / "run" / "services.json"
        record.write_text(json.dumps({"started": [{"name": "forecasts", "address": address}]}))
        asyncio.run(ready(address))
        yield address
        record.unlink(missing_ok=True)


async def ready(address: str) -> None:
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        for _ in range(1_200):
            try:
                await client.get("/livez")
                break
            except httpx.TransportError:
                await asyncio.sleep(0.1)
        await wait_until_ready(client, seconds=60)


async def ask_during(
    address: str, command: Callable[[], subprocess.CompletedProcess[str]]
) -> tuple[list[Outcome], subprocess.CompletedProcess[str]]:
    """Ask twenty times a second while a command runs, and a little longer."""
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        ask, running = random_symbols(SYMBOLS, 5, seed=3), asyncio.create_task(asyncio.to_thread(command))
        outcomes: list[Outcome] = []
        while not running.done():
            outcomes.append(await offer(client, ask, per_second=PER_SECOND, seconds=1))
        outcomes.append(await offer(client, ask, per_second=PER_SECOND, seconds=1))
        return outcomes, await running


@pytest.mark.parametrize("to", ["2", "1"])
def test_the_service_follows_a_rollback_and_no_request_fails(home: Path, address: str, to: str) -> None:
    """First from a row model to a sequence model, then back."""
    former = httpx.get(f"{address}/champion").json()["model_version"]
    assert former != to
    outcomes, ended = asyncio.run(
        ask_during(address, lambda: bellwether(home, "rollback", "--to", to, "--why", "the desk says so"))
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(f"version {to} (rollback as of")
    assert httpx.get(f"{address}/champion").json()["model_version"] == to, "answered before the command ended"
    assert [outcome.codes for outcome in outcomes] == [{200: PER_SECOND}] * len(outcomes)
    answers = [answer for outcome in outcomes for answer in outcome.answers]
    assert {forecast["status"] for answer in answers for forecast in answer["forecasts"]} == {"ok"}
    assert [answers[0]["model"]["model_version"], answers[-1]["model"]["model_version"]] == [former, to]
    ranks = [forecast["rank"] for forecast in answers[-1]["forecasts"]]
    assert None not in ranks, "its own issued forecasts are published, not the former champion's"
    state = json.loads(status(home, "--json"))["installation"]
    assert {state[place] for place in ("ledger", "alias", "pointer", "service")} == {to}
    assert (state["differences"], state["why_not_ready"]) == ([], None)


def test_status_says_why_a_service_answers_no_forecast(home: Path, address: str) -> None:
    published = home / "feast" / "published.json"
    content = published.read_bytes()
    published.unlink()
    told = status(home)
    published.write_bytes(content)
    assert "NOT ready" not in status(home)
    assert httpx.get(f"{address}/champion").json()["why_not_ready"] is None
    assert "service   NOT ready: no features are published yet" in told
    assert "as decided: version 1 in ledger, alias and pointer" in told


def test_with_the_service_stopped_the_command_says_so_and_status_shows_it(home: Path) -> None:
    record = home / "run" / "services.json"
    record.parent.mkdir(exist_ok=True)
    record.write_text(json.dumps({"started": [{"name": "forecasts", "address": "http://127.0.0.1:9"}]}))
    ended = bellwether(home, "rollback", "--to", "2", "--why", "again", seconds=0.2)
    assert ended.returncode == 75
    assert "does not answer after" in ended.stderr
    told = status(home)
    assert "NOT as decided: the forecast service at http://127.0.0.1:9 does not answer" in told
    record.unlink()
    assert bellwether(home, "install").returncode == 0
    assert "as decided: version 2 in ledger, alias and pointer" in status(home)
