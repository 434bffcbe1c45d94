"""Two hundred worlds by seed: files, a clock and the command line, against what could have been known."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.io.sources import files, plain_files
from tests.world.build import build, chain_shape, small_shape
from tests.world.chain import open_chain, train
from tests.world.commands import Home, strike_once
from tests.world.play import Play
from tests.world.vendor import Player

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

WHOLE_CHAIN, ALL = 12, 200


def shared(seeds: list[int]) -> list[int]:
    """Return the seeds of the share asked for: BELLWETHER_WORLDS=1/4 is the first of four."""
    share, _, shares = os.environ.get("BELLWETHER_WORLDS", "all").partition("/")
    return seeds[int(share) - 1 :: int(shares)] if shares else seeds


@pytest.fixture
def open_world(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Play]:
    """Open a home of its own for a small world; in one of four, files are read a few records at a time."""

    def open_one(seed: int) -> Play:
        if seed % 4 == 1:
            monkeypatch.setattr(files, "are_small", lambda _: False)
            monkeypatch.setattr(plain_files, "PART_ROWS", 50)
        world = build(seed, small_shape(seed))
        player = Player(tmp_path / "vendor", world.deliveries)
        home = Home(tmp_path / "home", player.options(world.feeds))
        return Play(world, home, player, strike=partial(strike_once, monkeypatch))

    return open_one


@pytest.fixture(scope="module")
def trained(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Path]:
    """Return a folder with a home that has a history and a champion, made at the first call of its kind."""
    made: dict[bool, Path] = {}

    def of_kind(stamped: bool) -> Path:
        if stamped not in made:
            made[stamped] = tmp_path_factory.mktemp("trained")
            train(made[stamped], build(int(not stamped), chain_shape(int(not stamped)), scenes=()))
        return made[stamped]

    return of_kind


@pytest.mark.world
@pytest.mark.parametrize("seed", range(WHOLE_CHAIN))
def test_every_issue_is_of_what_was_known_at_its_cut(
    seed: int, trained: Callable[[bool], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = chain_shape(seed)
    chain = open_chain(
        build(seed, shape), trained(shape.stamped), tmp_path / "world", partial(strike_once, monkeypatch)
    )
    chain.play.play()
    chain.play.compare()
    chain.compare_issues()


@pytest.mark.worlds
@pytest.mark.parametrize("seed", shared(list(range(WHOLE_CHAIN, ALL))))
def test_every_table_tells_what_could_have_been_known(seed: int, open_world: Callable[[int], Play]) -> None:
    play = open_world(seed)
    play.play()
    play.compare()
