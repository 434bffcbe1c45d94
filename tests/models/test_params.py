"""Ranges and cross-checks of the models' parameters."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

from models.params import BaselineParams, PromotionParams
from models.tft_params import TFTParams
from models.xgboost_params import XGBoostParams
from tests.models.settings import MODELS, SPLIT


def test_that_a_gap_counts_the_horizon_and_the_embargo() -> None:
    assert SPLIT.gap_sessions == 5 + 5


def test_the_sessions_that_a_history_must_hold() -> None:
    params = replace(SPLIT, n_folds=2, test_sessions=20, validation_sessions=15, holdout_sessions=25)
    assert params.required_sessions == 60 + 10 + 15 + 10 + 2 * 20 + 10 + 25


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"horizon_sessions": 0}, "horizon_sessions=0 must be at least 1"),
        ({"embargo_sessions": -1}, "embargo_sessions=-1 must be at least 0"),
        ({"min_holdout_sessions": 999}, "min_holdout_sessions=999 must not exceed holdout_sessions=40"),
        ({"max_train_sessions": 50}, "max_train_sessions=50 must be 0 .expanding. or at least 110"),
    ],
)
def test_that_split_lengths_are_checked(change: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(SPLIT, **change)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: XGBoostParams(max_depth=13), "max_depth=13 must be within 1..12"),
        (lambda: XGBoostParams(learning_rate=0.0), "learning_rate=0.0 must be within 0.0001..1"),
        (lambda: TFTParams(hidden_size=15, attention_heads=2), "hidden_size=15 must be a multiple of"),
        (lambda: TFTParams(history_sessions=1), "history_sessions=1 must be within 2..512"),
        (lambda: PromotionParams(margin_rank_ic=-0.1), "margin_rank_ic=-0.1 must be within 0..1"),
        (
            lambda: BaselineParams(reversal_feature="a", momentum_feature="b", ridge_shrinkage=0.0),
            "ridge_shrinkage=0.0 must be at least",
        ),
    ],
)
def test_that_ranges_are_checked(build: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build()  # type: ignore[operator]


def test_that_the_payoff_lag_covers_the_overlap_of_labels() -> None:
    with pytest.raises(
        ValueError, match=r"payoff_lag_sessions=3 must be at least split\.horizon_sessions - 1 = 4"
    ):
        replace(MODELS, xgboost=XGBoostParams(payoff_lag_sessions=3))


def test_that_parameters_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError, match="n_folds"):
        SPLIT.n_folds = 2  # type: ignore[misc]
