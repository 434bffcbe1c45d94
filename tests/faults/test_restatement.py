"""Killed anywhere while prices change their units, a home that is run again ends as its twin.

A history is loaded in parts, an evening brings a past restated for a split, a dividend from a file of actions
and a jump, a person accepts the jump, a further evening follows, and then all is judged by another tolerance.
"""

from __future__ import annotations

import logging
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from pipelines.app.runner import open_context
from pipelines.app.settings import load_settings
from pipelines.tables.contracts import OPS_STAGE_RUNS, all_tables
from tests.e2e.homes import assert_same_rows, business_rows
from tests.faults import commits
from tests.faults.commits import UNDISTURBED, Plan
from tests.faults.test_crashes import WHOLE, of_share
from tests.world import calendar as exchange
from tests.world.priced_example import example
from tests.world.priced_records import Announcement, Corporate
from tests.world.priced_vendor import PricedPlayer, PricedWorld, deliveries_of

log = logging.getLogger(__name__)
pytestmark = pytest.mark.faults
LOADED = 28
DAYS = exchange.sessions(date(2023, 10, 2), date(2023, 11, 30))[: LOADED + 2]
LAST, EX, NEXT = DAYS[LOADED - 1 :]
STAGES = ("run", "--stages", "ingest,curate,build_features")
PAST = ("--start", str(DAYS[0]), "--end", str(LAST))
IN_PARTS = ("--set", "lake.local_rows=100")
"""Less than the history has records: curate takes its symbols up a part at a time."""
COMPARED = tuple(contract for contract in all_tables() if contract is not OPS_STAGE_RUNS)
SAMPLED = {
    ("history", "Lake.append_parts", "after"),
    ("restated", "Lake.append", "after"),
    ("judged", "Lake._merge", "before"),
}


@dataclass(frozen=True)
class Step:
    """One command of the story: its words, the evening up to which the vendor has written, and its clock."""

    name: str
    words: tuple[str, ...]
    evening: date
    minutes: int = 0


STEPS = (
    Step("landed", ("ingest", *PAST), LAST),
    Step("history", ("curate", *PAST, *IN_PARTS), LAST),
    Step("restated", (*STAGES, "--as-of", str(EX)), EX),
    Step("accepted", ("accept-jump", "--symbol", "CCC", "--session", str(EX), "--why", "a fraud"), EX, 60),
    Step("next", (*STAGES, "--as-of", str(NEXT)), NEXT),
    Step("judged", (*STAGES, "--as-of", str(NEXT), "--set", "curate.jump_tolerance=0.02"), NEXT, 60),
)


def tell_story() -> PricedWorld:
    """Return four symbols: one splits, one pays, one falls nearly by half, one does nothing."""
    walk, flat = (101.0, 100.5, 99.5, 100.0), (50.0, 50.5, 50.25, 49.75)
    past = {name: (kind * 7)[:LOADED] for name, kind in zip("ABCD", (walk, flat, walk, flat), strict=True)}
    after = {"A": (50.0, 51.0), "B": (49.0, 49.5), "C": (54.0, 54.5), "D": (50.0, 50.5)}
    closes = {3 * name: (*past[name], *after[name]) for name in past}
    happens = {("AAA", EX): Corporate(split=2.0), ("BBB", EX): Corporate(dividend=0.75)}
    world = example(DAYS, LOADED, closes, happens, heavy=[("CCC", EX)], channel="feed")
    world.restated["AAA", EX] = EX
    world.announced.append(Announcement("AAA", EX, "split", 2.0, EX))
    world.announced.append(Announcement("BBB", EX, "dividend", 0.75, EX))
    return world


@dataclass
class Told:
    """The story told undisturbed, and told again from before each of its steps.

    Attributes
    ----------
    folder : Path
    player : PricedPlayer
    before : dict of step to Path
        The home as it stood before the step.
    rows : dict of step to frames
        Every table as it was after the step.
    commits : dict of step to {call: method}
    """

    folder: Path
    player: PricedPlayer
    before: dict[str, Path] = field(default_factory=dict)
    rows: dict[str, dict[str, pl.DataFrame]] = field(default_factory=dict)
    commits: dict[str, dict[int, str]] = field(default_factory=dict)

    def run(self, step: Step, home: Path, plan: Plan = UNDISTURBED) -> int:
        """Run a step's command in a home and return its exit status."""
        clock = exchange.cut(step.evening) + timedelta(minutes=step.minutes)
        # A delivery is known by its whole path, so that all homes have one vendor.
        options = ("--home", str(home), "--clock", clock.isoformat(), *self.player.options())
        log_file, journal = home.with_suffix(".log"), home.with_suffix(".commits")
        return commits.bellwether([*step.words, *options], log=log_file, journal=journal, plan=plan)

    def write_until(self, evening: date) -> None:
        """Let the vendor's folder hold what it held on an evening."""
        shutil.rmtree(self.player.folder, ignore_errors=True)
        for one in self.player.world.evenings:
            if one <= evening:
                self.player.write(one)

    def tell(self, step: Step) -> None:
        """Take a step undisturbed, keeping what was before it, what it commits and what comes of it."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        self.before[step.name] = shutil.copytree(home, self.folder / f"before-{step.name}")
        home.with_suffix(".commits").unlink(missing_ok=True)
        self.write_until(step.evening)
        assert self.run(step, home) == 0, home.with_suffix(".log").read_text()[-2000:]
        calls = [line.split() for line in home.with_suffix(".commits").read_text().splitlines()]
        self.commits[step.name] = {int(index): name for index, name, left in calls if left == "commit"}
        self.rows[step.name] = rows_of(home)

    def kill_and_run_again(self, step: Step, plan: Plan, home: Path) -> dict[str, pl.DataFrame]:
        """Return the rows of a home whose step was killed as planned and then taken again."""
        shutil.copytree(self.before[step.name], home)
        assert self.run(step, home, plan) == -signal.SIGKILL, plan
        again = self.run(step, home)
        assert again == 0, f"{step.name}, {plan}: {home.with_suffix('.log').read_text()[-2000:]}"
        found = rows_of(home)
        shutil.rmtree(home)
        return found


def rows_of(home: Path) -> dict[str, pl.DataFrame]:
    """Return the rows of every table of a home, its own record of its runs aside."""
    settings, _ = load_settings()
    return business_rows(open_context(settings, home), COMPARED)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("restated")
    world = tell_story()
    story = Told(folder, PricedPlayer(folder / "vendor", world, deliveries_of(world)))
    for step in STEPS:
        story.tell(step)
    return story


def planned(told: Told) -> dict[str, list[Plan]]:
    """Return where to strike in each step: everywhere, in a share of it, or at the sampled places.

    Landing a history is struck in the longer story of `test_crashes`.
    """
    places = [
        (step, at, side)
        for step, made in told.commits.items()
        if step != "landed"
        for at, name in made.items()
        for side in ("before", "after")
        if WHOLE or ((step, name, side) in SAMPLED and at == max(k for k, n in made.items() if n == name))
    ]
    plans: dict[str, list[Plan]] = {step.name: [] for step in STEPS}
    for step, at, side in of_share(places):
        plans[step].append(Plan(at=at, side=side))
    return plans


def test_the_story_tells_of_every_change_of_units(told: Told) -> None:
    actions = told.rows["next"]["silver.actions"].select("symbol", "kind", "value", "valid").rows()
    assert ("AAA", "rebase", 2.0, True) in actions
    assert ("BBB", "dividend", 0.75, True) in actions
    kinds = {(symbol, kind, valid) for symbol, kind, _, valid in actions}
    assert {("CCC", "jump", True), ("CCC", "jump", False)} <= kinds
    made = {name for step in told.commits.values() for name in step.values()}
    assert made == {"Lake.ensure", "Lake.append", "Lake.append_parts", "Lake._merge"}


def test_killed_and_run_again_each_step_ends_as_its_twin(told: Told, tmp_path: Path) -> None:
    plans = planned(told)
    with ThreadPoolExecutor(max_workers=2) as lanes:
        for step in STEPS:
            told.write_until(step.evening)
            tried = [
                (plan, lanes.submit(told.kill_and_run_again, step, plan, tmp_path / f"{step.name}-{number}"))
                for number, plan in enumerate(plans[step.name])
            ]
            for plan, found in tried:
                assert_same_rows(told.rows[step.name], found.result())
                log.info("as its twin: %s killed %s %s", step.name, plan, told.commits[step.name][plan.at])
