"""What is particular to the boosted family: skill, null markets, early stopping, the trees' share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.metrics import compute_ic
from models.splits import plan_splits
from models.training import walk_forward
from models.xgboost_forecaster import XGBoostForecaster
from models.xgboost_params import XGBoostParams
from tests.models.market import feature_names, make_market, weekdays
from tests.models.settings import MODELS, SPLIT

PARAMS = MODELS.xgboost
FREE = replace(PARAMS, tree_inputs="all")


def make_curved(sessions: int = 80, symbols: int = 40) -> pl.DataFrame:
    """A target that a linear score cannot see: the distance of two features from their middles."""
    rng = np.random.default_rng(11)
    rows = sessions * symbols
    a, b = rng.standard_normal((2, rows))
    return pl.DataFrame(
        {
            "symbol": np.tile([f"S{k}" for k in range(symbols)], sessions),
            "session": np.repeat(np.array(weekdays(sessions), dtype="datetime64[D]"), symbols),
            "a": a,
            "b": b,
            "target": np.abs(a) + np.abs(b) - 1.6 + rng.standard_normal(rows),
        }
    ).with_columns(pl.col("session").cast(pl.Date))


def cut(frame: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
    days = weekdays(last)
    return frame.filter(pl.col("session").is_between(days[first], days[last - 1]))


def mean_ic(forecasts: pl.DataFrame, truth: pl.DataFrame) -> float:
    joined = forecasts.join(
        truth.select("symbol", "session", pl.col("target").alias("label")), on=["symbol", "session"]
    )
    return float(np.mean(compute_ic(joined)["rank_ic"].to_numpy()))


def test_that_trees_are_taken_where_the_linear_part_is_blind() -> None:
    frame = make_curved()
    params = replace(FREE, max_rounds=60, max_depth=3)
    forecaster = XGBoostForecaster(params, ("a", "b"), seed=1).fit(cut(frame, 0, 50), cut(frame, 50, 65))
    assert forecaster.boosted.tree_weight > 0.9
    assert mean_ic(forecaster.predict(cut(frame, 65, 80)), cut(frame, 65, 80)) > 0.5
    assert min(forecaster.importance().values()) > 0.3


def test_that_trees_are_left_out_where_the_validation_rows_deny_them(tmp_path: Path) -> None:
    frame = make_curved()
    denied = cut(frame, 50, 65).with_columns(-pl.col("target"))
    forecaster = XGBoostForecaster(FREE, ("a", "b"), seed=1).fit(cut(frame, 0, 50), denied)
    assert forecaster.boosted.tree_weight == 0.0
    forecaster.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["forecaster.json"]
    loaded = XGBoostForecaster.load(tmp_path)
    assert loaded.predict(frame).equals(forecaster.predict(frame))


def test_that_without_a_linear_part_the_trees_do_all() -> None:
    frame = make_curved()
    params = replace(FREE, linear_part=False, refit=False)
    forecaster = XGBoostForecaster(params, ("a", "b"), seed=1).fit(cut(frame, 0, 50), cut(frame, 50, 65))
    assert forecaster.boosted.tree_weight == 1.0
    assert 0 < forecaster.boosted.rounds <= params.max_rounds


def test_that_a_row_scores_the_same_alone() -> None:
    frame = make_curved()
    forecaster = XGBoostForecaster(FREE, ("a", "b"), seed=1).fit(cut(frame, 0, 50), cut(frame, 50, 65))
    batch = forecaster.predict(frame)
    for k in (0, 17, 3199):
        alone = forecaster.predict(frame.sort("session", "symbol")[k : k + 1])
        assert alone.row(0) == batch.row(k)


def test_that_seeds_matter() -> None:
    frame = make_curved()
    params = replace(FREE, linear_part=False)
    first, second = (
        XGBoostForecaster(params, ("a", "b"), seed=seed).fit(cut(frame, 0, 50), cut(frame, 50, 65))
        for seed in (1, 2)
    )
    assert not first.predict(frame).equals(second.predict(frame))


def test_that_steady_trees_bend_but_do_not_turn() -> None:
    frame = make_curved().with_columns(
        target=pl.col("target") + pl.when(pl.col("a") > 0).then(pl.col("a") * 2).otherwise(0)
    )
    params = replace(PARAMS, max_rounds=60)
    forecaster = XGBoostForecaster(params, ("a", "b"), seed=1).fit(cut(frame, 0, 50), cut(frame, 50, 65))
    assert forecaster.boosted.tree_weight > 0.5
    line = pl.DataFrame(
        {"symbol": ["X"] * 41, "session": weekdays(41), "a": [k / 10 - 2 for k in range(41)], "b": [0.0] * 41}
    )
    steps = np.diff(forecaster.predict(line)["value"].to_numpy())
    assert steps.min() >= 0
    assert steps[20:].sum() > 2 * steps[:20].sum()


def test_that_most_of_a_weak_planted_alpha_is_found() -> None:
    split = replace(SPLIT, test_sessions=80, holdout_sessions=20)
    params = XGBoostParams(max_rounds=40, early_stopping_rounds=10, threads=1, device="cpu")
    found, offered = [], []
    for seed in (3, 4, 5, 6):
        frame = make_market(symbols=50, sessions=400, seed=seed)
        names = tuple(feature_names(frame))
        result = walk_forward(frame, split, lambda _, names=names: XGBoostForecaster(params, names, seed=1))
        oracle = frame.select("symbol", "session", pl.col("oracle").alias("value"))
        tested = result.forecasts.drop("value").join(oracle, on=["symbol", "session"])
        found.append(result.scores.rank_ic)
        offered.append(float(np.mean(compute_ic(tested)["rank_ic"].to_numpy())))
    assert 0.01 < np.mean(offered) < 0.04
    assert np.mean(found) > 0.6 * np.mean(offered)


def test_that_a_null_market_gives_nothing() -> None:
    split = replace(SPLIT, n_folds=1)
    leads = []
    for seed in range(6):
        frame = make_market(symbols=20, sessions=215, seed=100 + seed, alpha=0.0)
        names = tuple(feature_names(frame))
        fold = plan_splits(frame, split).final
        fitted = XGBoostForecaster(PARAMS, names, seed=1).fit(
            fold.fit.rows(frame), fold.validation.rows(frame)
        )
        test = fold.test.rows(frame)
        leads.append(mean_ic(fitted.predict(test), test))
    error = np.std(leads, ddof=1) / np.sqrt(len(leads))
    assert abs(np.mean(leads)) < 4.03 * error
    assert abs(np.mean(leads)) < 0.04


def test_that_device_cuda_without_a_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.device.count_gpus", lambda: 0)
    frame = make_curved()
    forecaster = XGBoostForecaster(replace(PARAMS, device="cuda"), ("a", "b"), seed=1)
    with pytest.raises(ValueError, match="device='cuda' but the driver reports no GPU; set device to"):
        forecaster.fit(cut(frame, 0, 50), cut(frame, 50, 65))
