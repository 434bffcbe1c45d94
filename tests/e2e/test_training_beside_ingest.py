"""The evening's records land while a training is at its fit, and its model can be made again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result

from pipelines.app.runner import open_context
from pipelines.app.settings import load_settings
from pipelines.base.context import Context
from pipelines.base.project import PROJECT_ROOT
from pipelines.cli.main import main
from pipelines.registry.trained_models import find_trained
from pipelines.tables.contracts import GOLD_LABELS, OPS_CLOSED_CUTS, OPS_STAGE_RUNS, SILVER_BARS
from tests.e2e.homes import QUICK_MODEL
from tests.pipelines.stages.files_home import rows
from tests.pipelines.synthetic_gold import CALENDAR

pytestmark = pytest.mark.chain
SESSIONS = CALENDAR.sessions(date(2023, 1, 3), date(2023, 6, 1))
LAST = SESSIONS[-1]
CUT = CALENDAR.cutoff_at(LAST)
BUILT, TRAINED, LANDED = (CUT + timedelta(hours=hours) for hours in (1, 2, 3))
SYMBOLS = [f"S{place:02d}" for place in range(8)]
LATE = SYMBOLS[-1]
"""Seven of eight make the last session complete; the eighth comes with a later delivery."""
BUILD = "ingest,curate,build_features"
FITTING = "the fit has begun\n"
TRAINING = f"""
import sys
from pipelines.cli.main import main
from pipelines.stages.train import job

genuine = job.fit_model

def fit(*arguments, **options):
    print({FITTING!r}, end="", flush=True)
    sys.stdin.readline()
    return genuine(*arguments, **options)

job.fit_model = fit
main()
"""
"""`bellwether` in a process of its own, whose fit begins only when it is told to."""


@dataclass
class Evening:
    """A home, how the commands before and beside a training in it ended, and what that reported.

    Attributes
    ----------
    before : dict
        Trainings that came too early, by what had not been run yet.
    pinned : dict
        Versions of some tables when the training was started.
    """

    folder: Path
    before: dict[str, Result] = field(default_factory=dict)
    beside: dict[str, Result] = field(default_factory=dict)
    pinned: dict[str, int | None] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def options(self) -> list[str]:
        """What every command is given. A lock that somebody holds is not waited for."""
        overrides = (
            "feeds.bars=files", "feeds.texts=files", f"sources.files.bars={self.folder / 'drop'}",
            "completeness.min_symbols=7", "lake.lock_timeout_seconds=0", *QUICK_MODEL,
        )  # fmt: skip
        return ["--home", str(self.folder / "home"), *(part for one in overrides for part in ("--set", one))]

    def run(self, *words: str, clock: datetime) -> Result:
        """Run a command in this process."""
        return CliRunner().invoke(main, [*words, *self.options, "--clock", clock.isoformat()])

    def opened(self) -> Context:
        """Open the home to look into it."""
        settings, _ = load_settings(overrides=self.options[3::2])
        return open_context(settings, self.folder / "home")

    def deliver(self, name: str, bars: pl.DataFrame) -> None:
        (self.folder / "drop").mkdir(exist_ok=True)
        bars.write_csv(self.folder / "drop" / name)

    @contextmanager
    def training(self) -> Iterator[None]:
        """Train in another process, which stands at the start of its fit during the block."""
        words = ["train", "--as-of", str(LAST), *self.options, "--clock", TRAINED.isoformat()]
        log = self.folder / "training.log"
        with log.open("w") as errors:
            other = subprocess.Popen(
                [sys.executable, "-c", TRAINING, *words], cwd=PROJECT_ROOT, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == FITTING, log.read_text()
            yield
        finally:
            said, _ = other.communicate("go on\n")
        assert other.returncode == 0, log.read_text()
        self.report = json.loads(said)


def make_bars() -> pl.DataFrame:
    """Bars of eight symbols, each stamped ten minutes after its close."""
    draw = np.random.default_rng(3)
    closes = 100 * np.exp(np.cumsum(0.02 * draw.standard_normal((len(SESSIONS), len(SYMBOLS))), axis=0))
    sent = [
        {"symbol": symbol, "session": day, "open": close, "high": close * 1.01, "low": close * 0.99,
         "close": close, "volume": 1000.0, "received_at": CALENDAR.close_at(day) + timedelta(minutes=10)}
        for day, of_day in zip(SESSIONS, closes, strict=True)
        for symbol, close in zip(SYMBOLS, of_day, strict=True)
    ]  # fmt: skip
    stamp = pl.col("received_at").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return pl.DataFrame(sent).with_columns(stamp)


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Evening:
    """History up to the session before the last; most of that is built, and its rest lands during the fit."""
    home, bars = Evening(tmp_path_factory.mktemp("evening")), make_bars()
    home.deliver("history.csv", bars.filter(pl.col("session") < LAST))
    span = ("--start", str(SESSIONS[0]), "--end", str(SESSIONS[-2]))
    loaded = home.run("run", "--stages", BUILD, *span, clock=CALENDAR.cutoff_at(SESSIONS[-2]))
    assert loaded.exit_code == 0, loaded.output
    as_of, of_last = ("--as-of", str(LAST)), pl.col("session") == LAST
    home.deliver("last.csv", bars.filter(of_last, pl.col("symbol") != LATE))
    for stage in BUILD.split(","):
        home.before[stage] = home.run("train", *as_of, clock=TRAINED)
        ended = home.run(stage, *as_of, clock=BUILT)
        assert ended.exit_code == 0, ended.output
    home.pinned = home.opened().lake.versions([GOLD_LABELS, SILVER_BARS])
    with home.training():
        home.deliver("late.csv", bars.filter(of_last, pl.col("symbol") == LATE))
        home.beside["ingest"] = home.run("run", "--stages", BUILD, *as_of, clock=LANDED)
        for command in ("train", "evaluate"):
            home.beside[command] = home.run(command, *as_of, clock=LANDED)
        home.beside["reproduce"] = home.run("reproduce", "1", clock=LANDED)
    return home


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("ingest", f"no ingest has asked for session {LAST} since its cut"),
        ("curate", "curate has not read all of bronze.bars"),
        ("build_features", "build_features has not read all of silver.bars"),
    ],
)
def test_no_cut_is_closed_before_what_has_landed_is_built(missing: str, said: str, evening: Evening) -> None:
    ended = evening.before[missing]
    assert ended.exit_code == 75
    assert said in ended.output


def test_an_ingest_goes_through_while_a_training_is_at_its_fit(evening: Evening) -> None:
    ended = evening.beside["ingest"]
    assert ended.exit_code == 0, ended.output
    assert rows(evening.opened(), SILVER_BARS).filter(session=LAST).height == len(SYMBOLS)
    finished = rows(evening.opened(), OPS_STAGE_RUNS).sort("seq")["stage"].to_list()
    assert finished == [*BUILD.split(","), *BUILD.split(","), *BUILD.split(","), "train"]


@pytest.mark.parametrize("command", ["train", "evaluate", "reproduce"])
def test_whatever_else_fits_takes_its_turn(command: str, evening: Evening) -> None:
    ended = evening.beside[command]
    assert ended.exit_code == 75
    assert "another training holds" in ended.output


def test_the_cut_was_closed_before_the_fit(evening: Evening) -> None:
    """Stamped before the cut, and landed after it was closed: known from when they landed."""
    context = evening.opened()
    closed = rows(context, OPS_CLOSED_CUTS).select("cutoff_at", "stage", "closed_at").rows()
    assert closed == [(CUT, "train", TRAINED)]
    landed = rows(context, SILVER_BARS).filter(session=LAST, symbol=LATE)
    assert set(landed["known_at"]) == {LANDED}
    assert set(landed["known_by"]) == {"observed"}


def test_lineage_and_record_name_the_versions_that_were_pinned(evening: Evening) -> None:
    context = evening.opened()
    trained = find_trained(context.lake, evening.report["details"]["model_key"])
    assert trained is not None
    now = context.lake.versions([GOLD_LABELS, SILVER_BARS])
    for table, version in evening.pinned.items():
        assert trained.lineage.table_versions[table] == evening.report["inputs"][table] == version
        assert version < now[table]
    recorded = rows(context, OPS_STAGE_RUNS).filter(stage="train")["inputs"].to_list()
    assert [json.loads(inputs) for inputs in recorded] == [evening.report["inputs"]]


def test_the_model_can_be_made_again(evening: Evening) -> None:
    ended = evening.run("reproduce", evening.report["details"]["model_version"], clock=LANDED)
    assert ended.exit_code == 0, ended.output
    found = json.loads(ended.stdout.splitlines()[-1])
    assert (found["succeeded"], found["same_frame"], found["largest_difference"]) == (True, True, 0.0)
