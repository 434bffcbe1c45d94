"""Killed at any step of an installation and called again, a home has one champion in all places.

`BELLWETHER_FAULTS=all` tries both sides of every commit, `1/4` the first of four equal shares of them;
otherwise the moments at which ledger, forecasts, Bento and alias could come apart.
"""

from __future__ import annotations

import logging
import shutil
import signal
from datetime import date
from pathlib import Path

import pytest

from pipelines.app.runner import open_context
from pipelines.app.settings import load_settings
from pipelines.base.context import Context
from pipelines.io.bento import BentoRepository
from pipelines.io.feature_store import open_feature_store
from pipelines.registry.champion import champion_at, load_champion
from pipelines.registry.issue import read_issued
from pipelines.registry.ledger import read_ledger
from pipelines.registry.places import compare_places
from serving.online.rows import ISSUED_FORECASTS
from tests.faults import commits
from tests.faults.commits import UNDISTURBED, Plan
from tests.faults.test_crashes import WHOLE, of_share
from tests.pipelines.champions import ROW, SEQUENCE, SYMBOLS, fill_home
from tests.pipelines.synthetic_gold import Gold

log = logging.getLogger(__name__)
pytestmark = pytest.mark.faults
CLOCK = "2016-07-01T12:00:00+00:00"
SETTINGS = ("install.parity_symbols=10", "completeness.min_symbols=10")
ROLLBACK = ("rollback", "--to", SEQUENCE, "--why", "the desk says so")
SAMPLED = {
    ("Lake.append", "after"), ("BentoRepository.point_at", "before"), ("Tracking.set_champion", "after"),
}  # fmt: skip


def bellwether(home: Path, *command: str, plan: Plan = UNDISTURBED) -> int:
    """Run one command on a home of these tests and return its exit status."""
    settings = [part for value in SETTINGS for part in ("--set", value)]
    return commits.bellwether(
        [*command, "--home", str(home), "--clock", CLOCK, *settings],
        log=home.with_suffix(".log"),
        journal=home.with_suffix(".commits"),
        plan=plan,
    )


def open_one(home: Path) -> Context:
    """Open a home of these tests to look at it."""
    return open_context(load_settings(overrides=SETTINGS)[0], home)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Gold]:
    """A home in which a row model answers and a sequence model was trained."""
    home = tmp_path_factory.mktemp("installation") / "before"
    return home, fill_home(open_one(home))


@pytest.fixture(scope="module")
def moments(before: tuple[Path, Gold]) -> list[tuple[Plan, str]]:
    """Where to strike a rollback, with the name of the commit."""
    twin = before[0].with_name("twin")
    shutil.copytree(before[0], twin)
    assert bellwether(twin, *ROLLBACK) == 0, twin.with_suffix(".log").read_text()[-2000:]
    calls = [line.split() for line in twin.with_suffix(".commits").read_text().splitlines()]
    made = [(int(at), name) for at, name, left in calls if left == "commit"]
    assert {name.split(".")[0] for _, name in made} == {"Lake", "Tracking", "FeatureStore", "BentoRepository"}
    places = [(at, side, name) for at, name in made for side in ("before", "after")]
    if not WHOLE:
        places = [place for place in places if (place[2], place[1]) in SAMPLED]
    return [(Plan(at=at, side=side), name) for at, side, name in of_share(places)]


def test_killed_anywhere_it_ends_in_one_champion(
    before: tuple[Path, Gold], moments: list[tuple[Plan, str]], tmp_path: Path
) -> None:
    for number, (plan, name) in enumerate(moments):
        home = tmp_path / f"home{number}"
        shutil.copytree(before[0], home)
        assert bellwether(home, *ROLLBACK, plan=plan) == -signal.SIGKILL
        decided = len(read_ledger(open_one(home).lake)) == 2
        assert bellwether(home, "install") == 0, home.with_suffix(".log").read_text()[-2000:]
        assert_installed(home, before[1], SEQUENCE if decided else ROW)
        assert bellwether(home, *ROLLBACK) == 0, home.with_suffix(".log").read_text()[-2000:]
        assert_installed(home, before[1], SEQUENCE)
        log.info("one champion: killed %s %s, %s", plan, name, "decided" if decided else "not decided")
        shutil.rmtree(home)


def assert_installed(home: Path, gold: Gold, version: str) -> None:
    """Hold ledger, alias, pointer, Bento, issued and published forecasts against one version."""
    context, last = open_one(home), gold.sessions[-1]
    places = compare_places(context)
    assert {places.ledger, places.alias, places.pointer} == {version}
    assert places.differences == ()
    assert [entry.model_version for entry in read_ledger(context.lake)] == ["1", "2"][: int(version)]
    repository = BentoRepository(context.home.bento)
    pointer, entry = repository.current(), champion_at(context, date.max)
    assert pointer is not None
    assert repository.is_whole(pointer)
    assert bool(pointer.issued) is (version == SEQUENCE)
    assert entry is not None
    issued = read_issued(context, load_champion(context, entry), last)
    assert sorted(issued["symbol"]) == SYMBOLS
    published = open_feature_store(context).online(SYMBOLS, ISSUED_FORECASTS)
    assert set(published["model_version"]) == {version}
    assert sorted(published["value"]) == sorted(issued["value"])
