"""Baselines through the challenger's own folds."""

from __future__ import annotations

import polars as pl
import pytest

from pipelines.registry.baseline_forecasts import forecast_baselines, forecast_baselines_on_holdout
from tests.models.market import feature_names, make_market
from tests.pipelines.stages.evaluate.test_steps import PARAMS


@pytest.fixture(scope="module")
def market() -> pl.DataFrame:
    return make_market(symbols=12, sessions=110, seed=3)


def test_every_baseline_forecasts_the_same_rows(market: pl.DataFrame) -> None:
    baselines = forecast_baselines(market, PARAMS, feature_names(market))
    counts = baselines.out_of_fold.group_by("forecaster").len().sort("forecaster")
    assert counts["forecaster"].to_list() == ["momentum", "reversal", "ridge", "zero"]
    assert counts["len"].to_list() == [240, 240, 240, 240]
    held = baselines.holdout["session"].unique().sort()
    assert held.to_list() == market["session"].unique().sort().tail(12).to_list()
    assert baselines.holdout.height == 4 * 144


def test_reversal_is_the_negative_rank_of_the_past_return(market: pl.DataFrame) -> None:
    baselines = forecast_baselines(market, PARAMS, feature_names(market)).holdout
    session = baselines["session"].max()
    said = baselines.filter((pl.col("forecaster") == "reversal") & (pl.col("session") == session)).sort(
        "value"
    )
    past = market.filter((pl.col("session") == session) & pl.col("mom_return_5d").is_not_null())
    best_past = past.sort("mom_return_5d")["symbol"][-1]
    assert said["symbol"][0] == best_past


def test_the_holdout_alone_is_forecast_as_beside_the_folds(market: pl.DataFrame) -> None:
    both = forecast_baselines(market, PARAMS, feature_names(market)).holdout
    assert forecast_baselines_on_holdout(market, PARAMS, feature_names(market)).equals(both)
