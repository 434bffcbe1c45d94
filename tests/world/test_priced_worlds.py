"""A hundred worlds of prices by seed: splits, dividends, crashes and bad ticks, as vendors tell of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.world.commands import Home
from tests.world.priced_build import build
from tests.world.priced_play import PricedPlay
from tests.world.priced_reference import PricedReference
from tests.world.priced_vendor import PricedPlayer, deliveries_of
from tests.world.test_worlds import shared

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FEW, ALL = (0, 3, 6, 8, 11), 100
REST = [seed for seed in range(ALL) if seed not in FEW]


@pytest.fixture
def open_world(spark: SparkSession, tmp_path: Path) -> Callable[[int], PricedPlay]:
    """Open a home of its own for a world."""

    def open_one(seed: int) -> PricedPlay:
        world = build(seed)
        deliveries = deliveries_of(world)
        player = PricedPlayer(tmp_path / "vendor", world, deliveries)
        home = Home(tmp_path / "home", player.options())
        return PricedPlay(world, home, player, PricedReference(world, deliveries))

    return open_one


@pytest.mark.world
@pytest.mark.parametrize("seed", FEW)
def test_a_return_is_true_or_null_at_every_cut(seed: int, open_world: Callable[[int], PricedPlay]) -> None:
    open_world(seed).play()


@pytest.mark.worlds
@pytest.mark.parametrize("seed", shared(REST))
def test_a_return_is_true_or_null_at_every_cut_of_many_more(
    seed: int, open_world: Callable[[int], PricedPlay]
) -> None:
    open_world(seed).play()
