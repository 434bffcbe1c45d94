"""One table of challenger and baselines, with losers in it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from models.params import BaselineParams, PromotionParams, SplitParams, models_params_type
from models.tft_params import TFTParams
from models.training import walk_forward
from models.xgboost_params import XGBoostParams
from pipelines.registry.baseline_forecasts import forecast_baselines
from pipelines.stages.evaluate.steps import as_metrics, as_rows, judge
from tests.models.market import feature_names, make_market

PARAMS: Any = models_params_type()(
    family="xgboost",
    feature_set="core",
    seed=7,
    split=SplitParams(
        horizon_sessions=5,
        embargo_sessions=2,
        n_folds=2,
        test_sessions=10,
        validation_sessions=10,
        min_train_sessions=20,
        holdout_sessions=12,
        min_holdout_sessions=10,
    ),
    xgboost=XGBoostParams(max_rounds=5, threads=1),
    tft=TFTParams(),
    baselines=BaselineParams(reversal_feature="mom_return_5d", momentum_feature="mom_return_12_1"),
    promotion=PromotionParams(margin_rank_ic=0.002),
)


@pytest.fixture(scope="module")
def market() -> pl.DataFrame:
    return make_market(symbols=12, sessions=110, seed=3)


def test_table_holds_candidate_and_losers_on_common_rows(market: pl.DataFrame) -> None:
    baselines = forecast_baselines(market, PARAMS, feature_names(market)).out_of_fold
    oracle = walk_forward_oracle(market)
    table = judge("oracle v1", oracle, baselines, PARAMS)
    assert sorted(table["forecaster"]) == ["momentum", "oracle v1", "reversal", "ridge", "zero"]
    assert table["rows"].to_list() == [240] * 5
    zero = table.filter(pl.col("forecaster") == "zero").row(0, named=True)
    assert zero["rank_ic"] == 0.0
    assert table.filter(pl.col("forecaster") == "oracle v1")["lead"].item() == 0.0
    assert zero["lead"] == pytest.approx(table.filter(pl.col("forecaster") == "oracle v1")["rank_ic"].item())


def test_rows_for_a_report_are_valid_json(market: pl.DataFrame) -> None:
    baselines = forecast_baselines(market, PARAMS, feature_names(market)).out_of_fold
    rows = as_rows(judge("oracle v1", walk_forward_oracle(market), baselines, PARAMS))
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    zero = next(row for row in rows if row["forecaster"] == "zero")
    assert zero["icir"] is None
    assert {"rank_ic", "rank_ic_low", "rank_ic_high", "turnover", "decile_spread", "hit_rate"} <= set(zero)


def test_metric_names_do_not_change_with_the_version() -> None:
    table = pl.DataFrame(
        {
            "forecaster": ["xgboost v12", "champion tft v3"],
            "rank_ic": [0.03, 0.02],
            "t_newey_west": [2.0, 1.0],
            "lead": [0.0, 0.01],
        }
    )
    metrics = as_metrics(table, prefix="holdout", reference="xgboost v12")
    assert metrics["holdout_challenger_rank_ic"] == 0.03
    assert metrics["holdout_champion_tft_v3_lead"] == 0.01
    assert len(metrics) == 6


def walk_forward_oracle(market: pl.DataFrame) -> pl.DataFrame:
    """Out-of-fold rows whose forecast is the oracle's score."""
    params = replace(PARAMS, xgboost=XGBoostParams(max_rounds=1))
    rows = walk_forward(market, params.split, lambda _name: Zero()).forecasts.drop("value")
    scores = market.select("symbol", "session", pl.col("oracle").alias("value"))
    return rows.join(scores, on=["symbol", "session"], how="left")


class Zero:
    """Forecasts nothing; stands in where only the rows matter."""

    family, feature_names, history_sessions = "zero", ("mom_return_5d",), 1
    caveats = ("forecasts nothing",)

    def fit(self, train: pl.DataFrame, validation: pl.DataFrame) -> Zero:
        return self

    def predict(self, frame: pl.DataFrame, *, first_session: object = None) -> pl.DataFrame:
        rows = frame.filter(pl.col("session") >= first_session).sort("session", "symbol")
        return rows.select("symbol", "session", pl.lit(0.0).alias("value"))

    def importance(self) -> dict[str, float]:
        return {}
