"""Killed anywhere and run again, a home ends in the rows of a twin that nobody disturbed.

`BELLWETHER_FAULTS=all` tries both sides of every commit and five random moments, `1/4` the first of four
equal shares of them; otherwise a fixed sample is tried.
"""

from __future__ import annotations

import logging
import os
import random
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import polars as pl
import pytest

from pipelines.tables.contracts import OPS_STAGE_RUNS, all_tables
from tests.e2e.homes import MARKET, QUICK_MODEL, assert_same_rows, business_rows, online_rows, open_market
from tests.faults import commits
from tests.faults.commits import UNDISTURBED, Plan

log = logging.getLogger(__name__)
pytestmark = pytest.mark.faults
SMALL = (
    "sources.simulated.start=2022-10-03",
    "sources.simulated.symbols=10",
    "monitor.min_reference_sessions=60",
    "monitor.min_symbols=3",
    *QUICK_MODEL,
)
CLOCK = "2024-06-03T12:00:00+00:00"
HISTORY = ["--start", "2022-10-03", "--end", "2023-03-15"]
DAY = ["--as-of", "2023-03-16", "--train"]
ASKED = os.environ.get("BELLWETHER_FAULTS", "sample")
WHOLE = ASKED != "sample"
SAMPLED_COMMITS = {
    "before": ("Tracking.complete_run", "FeatureStore.publish"),
    "after": ("Lake.append", "Tracking.register"),
}
RANDOM_MOMENTS = 5 if WHOLE else 1
Place = TypeVar("Place")
COMPARED = tuple(contract for contract in all_tables() if contract is not OPS_STAGE_RUNS)
COUNTED_UP = ("model_version", "previous_version", "entry_id", "why", "numbers", "table_versions")
"""What a write without effect raises: MLflow's and Delta's counters, and what quotes them."""


@dataclass(frozen=True)
class Twin:
    """A home that ran undisturbed, the history it started from, its commits by call and how long it ran."""

    home: Path
    history: Path
    commits: dict[int | None, str]
    seconds: float


def bellwether(home: Path, *command: str, plan: Plan = UNDISTURBED) -> int:
    """Run one command on the market of these tests and return its exit status."""
    settings = [part for value in (*MARKET, *SMALL) for part in ("--set", value)]
    return commits.bellwether(
        [*command, "--home", str(home), "--clock", CLOCK, *settings],
        log=home.with_suffix(".log"),
        journal=home.with_suffix(".commits"),
        plan=plan,
    )


def rows(home: Path) -> dict[str, pl.DataFrame]:
    """Return the rows of every table and online view of a home, what only counts up aside."""
    context = open_market(home, *SMALL)
    found = business_rows(context, COMPARED) | online_rows(context)
    return {name: frame.drop(COUNTED_UP, strict=False).sort(pl.all()) for name, frame in found.items()}


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Twin:
    folder = tmp_path_factory.mktemp("faults")
    history, home = folder / "history", folder / "twin"
    loaded = bellwether(history, "run", "--stages", "ingest,curate,score_text,build_features", *HISTORY)
    assert loaded == 0, (folder / "history.log").read_text()[-2000:]
    shutil.copytree(history, home)
    began = time.monotonic()
    assert bellwether(home, "run", *DAY) == 0, (folder / "twin.log").read_text()[-2000:]
    seconds = time.monotonic() - began
    calls = [line.split() for line in (folder / "twin.commits").read_text().splitlines()]
    made: dict[int | None, str] = {int(index): name for index, name, left in calls if left == "commit"}
    return Twin(home=home, history=history, commits=made, seconds=seconds)


@pytest.fixture(scope="module")
def expected(twin: Twin) -> dict[str, pl.DataFrame]:
    return rows(twin.home)


def of_share(places: list[Place]) -> list[Place]:
    """Return the share of some places to strike at that was asked for."""
    share, _, shares = ASKED.partition("/")
    return places[int(share) - 1 :: int(shares)] if shares else places


def planned(twin: Twin) -> list[Plan]:
    """Return where to strike: everywhere, in a share of it, or at the last commit of each sampled kind."""
    if WHOLE:
        places = [(at, side) for at in twin.commits for side in ("before", "after")]
    else:
        places = [
            (max(at for at, commit in twin.commits.items() if commit == name), side)
            for side, names in SAMPLED_COMMITS.items()
            for name in names
        ]
    draw = random.Random(20240603)
    moments = [Plan(after_seconds=twin.seconds * draw.uniform(0.15, 0.85)) for _ in range(RANDOM_MOMENTS)]
    plans = [*(Plan(at=at, side=side) for at, side in places), *moments]
    return of_share(plans)


def test_the_chain_commits_to_every_store(twin: Twin) -> None:
    assert {name.split(".")[0] for name in twin.commits.values()} == {
        "Lake",
        "Tracking",
        "FeatureStore",
        "BentoRepository",
    }


def test_killed_and_run_again_it_ends_as_its_twin(
    twin: Twin, expected: dict[str, pl.DataFrame], tmp_path: Path
) -> None:
    """Two homes at a time: a run waits for one thing after the other, and seldom for both cores."""
    lanes = ThreadPoolExecutor(max_workers=2)
    tried = [
        (plan, lanes.submit(kill_and_run_again, twin.history, tmp_path / f"home{number}", plan))
        for number, plan in enumerate(planned(twin))
    ]
    try:
        for plan, found in tried:
            assert_same_rows(expected, found.result())
            log.info("as its twin: killed %s %s", plan, twin.commits.get(plan.at, ""))
    finally:
        lanes.shutdown(cancel_futures=True)


def kill_and_run_again(history: Path, home: Path, plan: Plan) -> dict[str, pl.DataFrame]:
    """Return the rows of a home whose run was killed as planned and then made again."""
    shutil.copytree(history, home)
    status = bellwether(home, "run", *DAY, plan=plan)
    assert status in {-signal.SIGKILL, 0} if plan.after_seconds else status == -signal.SIGKILL, plan
    again = bellwether(home, "run", *DAY)
    assert again == 0, f"{plan}: {home.with_suffix('.log').read_text()[-2000:]}"
    found = rows(home)
    shutil.rmtree(home)
    return found
