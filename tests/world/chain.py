"""Worlds up to forecasts: a trained home to begin with, each issue held against what was known at its cut."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl

from tests.world import calendar as exchange
from tests.world.commands import Home
from tests.world.play import Play
from tests.world.records import Poll
from tests.world.reference import DONE, NO_SESSION, TRY_AGAIN
from tests.world.vendor import Player, World

SMALL_MODEL = (
    "labels.horizon_sessions=[1]",
    "models.split.horizon_sessions=1",
    "models.split.embargo_sessions=1",
    "models.split.n_folds=2",
    "models.split.test_sessions=10",
    "models.split.validation_sessions=10",
    "models.split.min_train_sessions=20",
    "models.split.holdout_sessions=15",
    "models.split.min_holdout_sessions=10",
    "models.xgboost.max_rounds=8",
    "models.xgboost.early_stopping_rounds=4",
    "models.xgboost.threads=1",
    "forecast.publish=false",
)
MODEL = tuple(part for setting in SMALL_MODEL for part in ("--set", setting))
HISTORY = "ingest,curate,score_text,build_features"
FEATURES = "score_text,build_features"
MISSED = NO_SESSION


def train(folder: Path, world: World) -> None:
    """Load the history of a world and put a champion on it."""
    player = Player(folder / "vendor", world.deliveries)
    home = Home(folder / "home", (*player.options(world.feeds), *MODEL))
    first = world.visits[0]
    player.advance(first.clock)
    window = ("--start", str(first.first), "--end", str(first.last))
    loaded = home.run("run", "--stages", HISTORY, *window, clock=first.clock)
    assert loaded.exit_code == 0, loaded.said
    for stage in ("train", "evaluate", "promote"):
        answer = home.run(stage, "--as-of", str(first.last), clock=first.clock + timedelta(hours=1))
        assert answer.exit_code == 0, f"{stage}: {answer.said}"


@dataclass
class Chain:
    """A world whose sessions are forecast as they come.

    Attributes
    ----------
    play : Play
    issued : dict
        For each session that was forecast, the rows of its issues as they stood then.
    """

    play: Play
    issued: dict[date, list[tuple[object, ...]]] = field(default_factory=dict)

    def forecast(self, session: date, clock: datetime, _code: int) -> None:
        """Do what follows a good ingest: features, and forecasts where enough was known at the cut."""
        home, reference = self.play.home, self.play.reference
        built = home.run("run", "--stages", FEATURES, "--as-of", str(session), clock=clock)
        assert built.exit_code == 0, self.play.tell(built.said[-2000:])
        answer = home.run("forecast", "--as-of", str(session), clock=clock)
        self.play.diary.append(f"{clock:%Y-%m-%d %H:%M:%S} forecast {session}: {answer.exit_code}")
        expected = self.expected_exit(session, clock)
        assert answer.exit_code == expected, self.play.tell(
            f"forecast should end {expected}\n{answer.said[-2000:]}"
        )
        if expected == DONE and session not in self.issued:
            known = reference.known_at_cut(session)
            reference.close(session)
            self.issued[session] = self.rows(session)
            told = {str(row[0]) for row in self.issued[session]}
            assert told == known, self.play.tell(f"issued for {sorted(told)}, known were {sorted(known)}")

    def expected_exit(self, session: date, clock: datetime) -> int:
        """Return how a forecast must end: what stands stands; too little known at the cut issues nothing."""
        reference = self.play.reference
        if session in self.issued or len(reference.known_at_cut(session)) >= reference.needed(session):
            return DONE
        return TRY_AGAIN if clock < exchange.cut(session) + exchange.GRACE else MISSED

    def rows(self, session: date) -> list[tuple[object, ...]]:
        """Return the forecasts of a session as they stand."""
        rows = self.play.home.show("gold.forecasts", "--session", str(session))
        return [] if rows.is_empty() else sorted(rows.select("symbol", pl.exclude("symbol")).rows())

    def compare_issues(self) -> None:
        """Hold every issue against its first reading: the same rows, from inputs that read as they did."""
        for session, rows in self.issued.items():
            assert self.rows(session) == rows, self.play.tell(f"what was issued for {session} has changed")
            issues = self.play.home.audit(session)["issues"]
            assert issues, session
            for issue in issues:
                assert issue["input_digest"], session
                assert issue["inputs_unchanged"] is True, self.play.tell(f"inputs of {session} have changed")


def open_chain(world: World, trained: Path, folder: Path, strike: Callable[[], None]) -> Chain:
    """Open a copy of a trained home for a world that goes on from its history."""
    shutil.copytree(trained, folder)
    first, *visits = world.visits
    player = Player(folder / "vendor", world.deliveries)
    home = Home(folder / "home", (*player.options(world.feeds), *MODEL))
    play = Play(replace(world, visits=tuple(visits)), home, player, strike=strike)
    load = Poll(first.clock, first.first, first.last, history=True)
    assert play.reference.ingest(load, primary_alone=True) == DONE
    play.reference.close(first.last)
    chain = Chain(play)
    play.after_ingest = chain.forecast
    return chain
