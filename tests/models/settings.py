"""Small settings for the tests of this room."""

from __future__ import annotations

from typing import Any

from models.params import BaselineParams, PromotionParams, SplitParams, models_params_type
from models.tft_params import TFTParams
from models.xgboost_params import XGBoostParams

SPLIT = SplitParams(
    horizon_sessions=5,
    embargo_sessions=5,
    n_folds=2,
    test_sessions=40,
    validation_sessions=40,
    min_train_sessions=60,
    holdout_sessions=40,
    min_holdout_sessions=20,
)
MODELS: Any = models_params_type()(
    family="xgboost",
    feature_set="core",
    seed=7,
    split=SPLIT,
    xgboost=XGBoostParams(max_rounds=15, early_stopping_rounds=5, learning_rate=0.1, threads=1, device="cpu"),
    tft=TFTParams(
        history_sessions=4,
        max_features=3,
        hidden_size=4,
        attention_heads=1,
        batch_size=64,
        batches_per_epoch=4,
        validation_windows=128,
        max_epochs=2,
        max_minutes=10.0,
        threads=1,
        device="cpu",
    ),
    baselines=BaselineParams(reversal_feature="mom_return_5d", momentum_feature="mom_return_12_1"),
    promotion=PromotionParams(margin_rank_ic=0.002),
)
