"""Seconds from a commit of the ledger to the first answer of its champion, under load.

    python -m benchmarks.installation_lag [--turns 3]

A home is filled with a row model and a sequence model. The service runs as `bellwether serve` runs it and is
asked twenty times a second, while one model and the other are made champion in turn: by
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
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks.serving_load import Outcome, offer, random_symbols, wait_until_ready
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


class Change(NamedTuple):
    """A change of the champion: how, to which version, and seconds from its commit to answer and end."""

    way: str
    to: str
    answered: float
    ended: float


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


WAYS: Mapping[str, Callable[[Context, str], None]] = {"rollback": roll_back, "promotion": promote}


async def change(
    context: Context, client: httpx.AsyncClient, way: str, to: str
) -> tuple[Change, list[Outcome]]:
    """Change the champion while callers ask, and a second longer; return the change and its answers."""
    ask, outcomes = random_symbols(SYMBOLS, PER_REQUEST, seed=7), list[Outcome]()

    def run() -> float:
        WAYS[way](context, to)
        return time.time()

    running = asyncio.create_task(asyncio.to_thread(run))
    while not running.done():
        outcomes.append(await offer(client, ask, per_second=PER_SECOND, seconds=1))
    outcomes.append(await offer(client, ask, per_second=PER_SECOND, seconds=1))
    at = committed_at(context)
    answers = [answer for outcome in outcomes for answer in outcome.answers]
    first = min(told["arrived"] for told in answers if told["model"]["model_version"] == to)
    return Change(way, to, first - at, await running - at), outcomes


async def measure(context: Context, address: str, turns: int) -> tuple[list[Change], list[Outcome]]:
    """Change the champion to and fro, by both ways; return the changes and what callers were told."""
    changes, outcomes = list[Change](), list[Outcome]()
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        await wait_until_ready(client, seconds=120)
        for way in list(WAYS) * turns:
            for to in (SEQUENCE, ROW):
                changed, told = await change(context, client, way, to)
                changes.append(changed)
                outcomes += told
    return changes, outcomes


def render(changes: list[Change], outcomes: list[Outcome]) -> str:
    """Return the page."""
    lines = []
    for way in WAYS:
        for to, kind in {ROW: "row model", SEQUENCE: "sequence model"}.items():
            same = [one for one in changes if (one.way, one.to) == (way, to)]
            answered, ended = (max(getattr(one, name) for one in same) for name in ("answered", "ended"))
            lines.append(f"| {way} | {kind} | {len(same)} | {answered:.2f} | {ended:.2f} |")
    answers = [answer for outcome in outcomes for answer in outcome.answers]
    asked, failed = (
        sum(sum(outcome.codes.values()) for outcome in outcomes),
        sum(one.failures for one in outcomes),
    )
    partly = sum(any(one["status"] != "ok" for one in answer["forecasts"]) for answer in answers)
    held = "yes" if max(one.answered for one in changes) <= LIMIT_SECONDS else "NO"
    head = textwrap.dedent(
        f"""\
        # From a commit to its champion's first answer

        Written by `python -m benchmarks.installation_lag`.

        Twenty requests a second for {PER_REQUEST} of {len(SYMBOLS)} symbols. Seconds from the commit of the
        ledger, as its file is dated, to the first answer of its champion and to the end of the change; the
        largest of each.

        | change | to | times | first answer, s | end, s |
        |---|---|--:|--:|--:|
        """
    )
    tail = (
        f"\n\n{asked} requests, {failed} of them without a 200, {partly} with a forecast that is not `ok`. "
        f"Within {LIMIT_SECONDS:g} s: {held}.\n"
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
            page = render(*asyncio.run(measure(context, address, turns)))
    print(page)
    RESULT.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
