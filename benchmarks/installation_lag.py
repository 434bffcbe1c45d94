"""Seconds from a commit of the ledger to the first answer of its champion, under load.

    python -m benchmarks.installation_lag [--turns 3]

A home is filled with a row model and a sequence model. The service runs as `bellwether serve` runs it and is
asked twenty times a second without a pause, while one model and the other are made champion in turn: by
`bellwether rollback`, and by the three steps that `promote` takes once it has decided. The commit is dated by
the file that Delta writes for it; an answer is dated by when it has arrived.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from benchmarks.serving_load import random_symbols, wait_until_ready
from pipelines.app.runner import open_context
from pipelines.app.settings import load_settings
from pipelines.base.context import Context
from pipelines.registry.champion import load_champion
from pipelines.registry.installation import commit, install_if_published, prepare_if_published
from pipelines.registry.ledger import LedgerEntry, ledger_head, next_instant, read_ledger
from pipelines.tables.contracts import OPS_MODEL_LEDGER
from tests.pipelines.champions import ROW, SEQUENCE, SYMBOLS, fill_home
from tests.pipelines.conftest import SMALL_MODEL
from tests.serving.process import serving

SETTINGS = (*SMALL_MODEL, "install.parity_symbols=10", "completeness.min_symbols=10")
CLOCK = datetime(2016, 7, 1, 12, tzinfo=UTC)
PER_SECOND, PER_REQUEST = 20, 5
LIMIT_SECONDS = 5.0
RESULT = Path(__file__).parent / "results" / "installation_lag.md"


@dataclass
class Answers:
    """What callers were told, in order of arrival: instant (seconds since 1970), status, version, all ok."""

    seen: list[tuple[float, int, str, bool]]
    stop: bool = False

    async def collect(self, address: str) -> None:
        """Ask at a fixed rate until told to stop; a late answer delays no question."""
        ask, began, number = random_symbols(SYMBOLS, PER_REQUEST, seed=7), time.perf_counter(), 0
        async with (
            httpx.AsyncClient(base_url=address, timeout=60) as client,
            asyncio.TaskGroup() as questions,
        ):
            while not self.stop:
                questions.create_task(self._ask(client, ask(number)))
                number += 1
                await asyncio.sleep(max(0.0, began + number / PER_SECOND - time.perf_counter()))

    async def _ask(self, client: httpx.AsyncClient, body: dict[str, object]) -> None:
        try:
            answer = await client.post("/forecast", json=body)
        except httpx.TransportError:
            self.seen.append((time.time(), 0, "", False))
            return
        told = answer.json()
        version = told["model"]["model_version"] if answer.status_code == 200 else ""
        whole = all(forecast["status"] == "ok" for forecast in told.get("forecasts", []))
        self.seen.append((time.time(), answer.status_code, version, whole))


def committed_at(context: Context) -> float:
    """Return when the ledger's newest version was written, in seconds since 1970."""
    log = context.home.lake / OPS_MODEL_LEDGER.name.replace(".", "/") / "_delta_log"
    return max(log.glob("*.json"), key=lambda file: file.name).stat().st_mtime


def roll_back(context: Context, to: str) -> None:
    """Make a version champion as an operator does."""
    settings = [part for value in SETTINGS for part in ("--set", value)]
    words = ["rollback", "--to", to, "--why", "a measurement", "--home", str(context.home.root)]
    command = [sys.executable, "-m", "pipelines", *words, "--clock", CLOCK.isoformat(), *settings]
    subprocess.run(command, check=True, capture_output=True)


def promote(context: Context, to: str) -> None:
    """Make a version champion by what `pipelines.stages.promote.job` does behind its decision."""
    ledger = read_ledger(context.lake)
    entry = LedgerEntry(
        entry_id=f"measured-{len(ledger)}", kind="promotion", as_of=ledger[-1].as_of, model_key=to * 64,
        model_version=to, previous_version=ledger[-1].model_version, who="a measurement",
        why="a measurement", numbers={}, decided_at=next_instant(ledger, context.clock()),
    )  # fmt: skip
    with context.installing():
        prepared = prepare_if_published(context, load_champion(context, entry))
        commit(context, entry, head=ledger_head(ledger), prepared=prepared)
        installed = install_if_published(context)
    if installed is None or installed.unfollowed:
        msg = f"the service does not follow: {installed}"
        raise RuntimeError(msg)


def measure(context: Context, address: str, turns: int) -> tuple[list[dict[str, object]], Answers]:
    """Change the champion to and fro, by both ways; return a row a change and all answers."""

    async def run() -> tuple[list[dict[str, object]], Answers]:
        async with httpx.AsyncClient(base_url=address, timeout=60) as client:
            await wait_until_ready(client, seconds=120)
        answers, rows = Answers([]), []
        asking = asyncio.create_task(answers.collect(address))
        ways: list[tuple[str, Callable[[Context, str], None]]] = [
            ("rollback", roll_back),
            ("promotion", promote),
        ]
        for _ in range(turns):
            for name, way in ways:
                for to in (SEQUENCE, ROW):
                    await asyncio.to_thread(way, context, to)
                    ended = time.time()
                    await asyncio.sleep(1)
                    at = committed_at(context)
                    first = min(seen for seen, _, version, _ in answers.seen if seen > at and version == to)
                    rows.append({"change": name, "to": to, "answered": first - at, "ended": ended - at})
        answers.stop = True
        await asking
        return rows, answers

    return asyncio.run(run())


def render(rows: list[dict[str, object]], answers: Answers) -> str:
    """Return the page."""
    kinds = {ROW: "row model", SEQUENCE: "sequence model"}
    lines = []
    for name in ("rollback", "promotion"):
        for to, kind in kinds.items():
            lags = [float(str(row["answered"])) for row in rows if (row["change"], row["to"]) == (name, to)]
            ends = [float(str(row["ended"])) for row in rows if (row["change"], row["to"]) == (name, to)]
            cells = (name, kind, str(len(lags)), f"{max(lags):.2f}", f"{max(ends):.2f}")
            lines.append(f"| {' | '.join(cells)} |")
    failed = sum(code != 200 for _, code, _, _ in answers.seen)
    partly = sum(code == 200 and not whole for _, code, _, whole in answers.seen)
    slowest = max(float(str(row["answered"])) for row in rows)
    head = textwrap.dedent(
        f"""\
        # From a commit to its champion's first answer

        Written by `python -m benchmarks.installation_lag`.

        Twenty requests a second for {PER_REQUEST} of {len(SYMBOLS)} symbols, without a pause. Seconds from
        the commit of the ledger, as its file is dated, to the first answer of its champion and to the end of
        the change; the largest of each.

        | change | to | times | first answer, s | end, s |
        |---|---|--:|--:|--:|
        """
    )
    tail = (
        f"\n\n{len(answers.seen)} requests, {failed} of them without a 200, {partly} with a forecast that is "
        f"not `ok`. Within {LIMIT_SECONDS:g} s: {'yes' if slowest <= LIMIT_SECONDS else 'NO'}.\n"
    )
    return head + "\n".join(lines) + tail


def main() -> None:
    """Fill a home, measure, print the page and keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    turns = parser.parse_args().turns
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        settings, _ = load_settings(overrides=SETTINGS)
        context = open_context(settings, home, clock=lambda: CLOCK)
        fill_home(context)
        with serving(home, overrides=SETTINGS, log=Path(scratch) / "service.log") as address:
            record = json.dumps({"started": [{"name": "forecasts", "address": address}]})
            (home / "run" / "services.json").write_text(record, encoding="utf-8")
            page = render(*measure(context, address, turns))
    print(page)
    RESULT.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
