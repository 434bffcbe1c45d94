"""A champion on a challenger's rows, whatever features either reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from models.baselines import MomentumForecaster
from models.forecast_frames import KEY
from models.splits import plan_splits
from pipelines.base.context import Context
from pipelines.registry import comparison
from pipelines.registry.comparison import ChampionForecasts, forecast_champion
from pipelines.registry.model_identity import build_lineage
from pipelines.registry.training_frame import read_frame
from tests.pipelines.synthetic_gold import Gold, make_gold, write_gold

OWN, OTHER = "mom_return_1d", "mom_return_5d"


@dataclass(frozen=True)
class Home:
    """A home with gold, and the frame and lineage of a challenger that reads `OWN` alone."""

    context: Context
    gold: Gold
    frame: pl.DataFrame
    challenger: Any

    def ask(self, monkeypatch: pytest.MonkeyPatch, feature: str) -> ChampionForecasts:
        """Let a champion that ranks one feature forecast the challenger's hold-out."""
        monkeypatch.setattr(comparison, "load_champion", lambda *_arguments: self.challenger)
        monkeypatch.setattr(comparison, "read_forecaster", lambda _folder: MomentumForecaster((feature,)))
        entry: Any = SimpleNamespace(model_version="7")
        return forecast_champion(self.context, entry, self.challenger, self.frame)


@pytest.fixture(scope="module")
def home(open_home: Callable[..., Context], tmp_path_factory: pytest.TempPathFactory) -> Home:
    context, gold = open_home(tmp_path_factory.mktemp("comparison")), make_gold()
    write_gold(context.lake, gold)
    frame = read_frame(context, gold.sessions[-6], 1, (OWN,))
    plan = plan_splits(frame, context.settings.models.split)
    lineage = build_lineage(context, gold.sessions[-6], frame, (OWN,), plan, versions={})
    challenger = SimpleNamespace(lineage=lineage, folder=Path("folder"))
    return Home(context, gold, frame, challenger)


def test_features_that_the_frame_lacks_are_read_as_they_were_known_at_each_cut(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = home.ask(monkeypatch, OTHER)
    assert told.forecasts is not None
    test = home.challenger.lineage.splits["final"]["test"]
    sessions = pl.col("session").cast(pl.String).is_between(pl.lit(test["first"]), pl.lit(test["last"]))
    rows = home.frame.filter(sessions).select(KEY)
    wanted = rows.join(home.gold.daily.select(*KEY, OTHER), on=list(KEY))
    both = told.forecasts.join(wanted, on=list(KEY))
    assert both.height == rows.height == told.forecasts.height > 0
    ranks = both.select(pl.col("value", OTHER).rank().over("session"))
    assert ranks["value"].equals(ranks[OTHER])


def test_a_feature_that_is_not_built_yet_is_no_ground_to_judge_by(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = home.ask(monkeypatch, "a158_KMID")
    assert told.forecasts is None
    assert "there are no features ['a158_KMID']; run build_features" in told.why_not


def test_a_feature_that_nobody_builds_any_more_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    told = home.ask(monkeypatch, "mom_gone_3d")
    assert told.forecasts is None
    assert "['mom_gone_3d'] (1 in all) are no longer built" in told.why_not
