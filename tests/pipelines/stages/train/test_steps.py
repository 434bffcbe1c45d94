"""What makes a model another model, and what a fit gives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from models.params import PromotionParams
from models.splits import plan_splits
from models.tft_params import TFTParams
from models.training import fit_final
from models.xgboost_params import XGBoostParams
from pipelines.registry.fitting import fit_model
from pipelines.registry.model_identity import compute_model_key, last_label_end
from pipelines.registry.training_frame import finish_frame
from pipelines.stages.train.steps import choose_example, collect_warnings
from tests.models.market import feature_names, make_market
from tests.pipelines.stages.evaluate.test_steps import PARAMS, Zero


@pytest.fixture(scope="module")
def market() -> pl.DataFrame:
    return make_market(symbols=12, sessions=110, seed=3).drop("oracle")


def key(params: Any = PARAMS, **changed: Any) -> str:
    values = {"frame_digest": "f", "splits": {"final": 1}, "bound_to": {"code_revision": "c"}}
    return compute_model_key(params, **values | changed)


def test_key_follows_everything_that_shapes_the_fit() -> None:
    assert key() == key()
    others = [
        key(frame_digest="g"),
        key(splits={"final": 2}),
        key(bound_to={"code_revision": "d"}),
        key(replace(PARAMS, seed=8)),
        key(replace(PARAMS, xgboost=XGBoostParams(max_rounds=6))),
        key(replace(PARAMS, family="tft")),
        key(replace(PARAMS, split=replace(PARAMS.split, embargo_sessions=3))),
    ]
    assert len({key(), *others}) == len(others) + 1


def test_key_does_not_follow_what_does_not() -> None:
    same = replace(PARAMS, tft=TFTParams(max_epochs=1), promotion=PromotionParams(margin_rank_ic=0.5))
    assert key(same) == key()


def test_frame_is_sorted_and_gets_its_target(market: pl.DataFrame) -> None:
    shuffled = market.drop("target").sample(fraction=1, shuffle=True, seed=1)
    finished = finish_frame(shuffled)
    assert finished.select("session", "symbol").equals(
        market.select("session", "symbol").sort("session", "symbol")
    )
    assert finished["target"].equals(market.sort("session", "symbol")["target"])


def test_last_label_end_is_what_the_final_fit_has_seen(market: pl.DataFrame) -> None:
    plan = plan_splits(market, PARAMS.split)
    until = last_label_end(market, plan.final)
    assert until == fit_final(market, PARAMS.split, lambda _name: Zero()).fitted_until  # type: ignore[arg-type,return-value]
    held = market.filter(pl.col("session") >= plan.final.test.first)
    assert until < held["cutoff_at"].min()  # type: ignore[operator]


def test_holdout_is_forecast_once_and_kept_out_of_the_fit(market: pl.DataFrame) -> None:
    fitted = fit_model(market, PARAMS, feature_names(market))
    assert (
        fitted.holdout["session"].unique().sort().to_list()
        == market["session"].unique().sort().tail(12).to_list()
    )
    assert fitted.holdout_scores.sessions == 12
    scrambled = market.with_columns(
        pl.when(pl.col("session") >= fitted.holdout["session"].min())
        .then(-pl.col("target"))
        .otherwise(pl.col("target"))
        .alias("target")
    )
    again = fit_model(scrambled, PARAMS, feature_names(market))
    assert again.holdout["value"].equals(fitted.holdout["value"])
    assert collect_warnings(fitted) == [
        f"{name}: {text}"
        for name, scores in (("out of fold", fitted.walk.scores), ("hold-out", fitted.holdout_scores))
        for text in scores.suspicions()
    ]
    hurried = replace(fitted.walk.folds[0], caveats=("it cannot be reproduced",))
    walk = replace(fitted.walk, folds=(hurried, *fitted.walk.folds[1:]))
    assert collect_warnings(replace(fitted, walk=walk))[-1] == "fold-1: it cannot be reproduced"


def test_example_holds_the_history_that_one_forecast_needs(market: pl.DataFrame) -> None:
    example = choose_example(market, ["mom_return_5d"], history_sessions=3, symbols=2)
    assert example.columns == ["symbol", "session", "mom_return_5d"]
    assert example["symbol"].unique().sort().to_list() == ["S000", "S001"]
    assert example["session"].unique().sort().to_list() == market["session"].unique().sort().tail(3).to_list()
