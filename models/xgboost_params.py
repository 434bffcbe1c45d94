"""Parameters of the boosted family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.boosting_params import BoostingParams
from models.family_params import NO_LIMIT, check_ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class XGBoostParams(BoostingParams):
    """Boosted trees on a strongly shrunken linear part; see `models.xgboost_forecaster`.

    Attributes
    ----------
    early_stopping_rounds : int
        Rounds without a better validation error after which boosting stops.
    learning_rate, max_depth, subsample, colsample, reg_lambda
        XGBoost's own meaning; `colsample` is drawn by tree.
    min_leaf_share : float
        Smallest leaf as a share of the fitted rows (`min_child_weight` of a squared error counts
        rows), so that one setting suits 5 symbols and 500.
    max_bin : int
        Histogram bins a feature.
    threads : int
        CPU threads; results of one machine do not depend on it beyond rounding.
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes CUDA where a GPU answers.
    """

    early_stopping_rounds: int = 40
    learning_rate: float = 0.03
    max_depth: int = 3
    min_leaf_share: float = 0.01
    subsample: float = 0.6
    colsample: float = 0.3
    reg_lambda: float = 50.0
    max_bin: int = 64
    threads: int = 2
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def __post_init__(self) -> None:
        BoostingParams.__post_init__(self)  # super() does not work in a dataclass that slots make anew
        check_ranges(
            self,
            early_stopping_rounds=(1, NO_LIMIT),
            threads=(1, NO_LIMIT),
            max_depth=(1, 12),
            max_bin=(8, 1024),
            learning_rate=(1e-4, 1.0),
            min_leaf_share=(0.0, 0.5),
            subsample=(0.01, 1.0),
            colsample=(0.01, 1.0),
            reg_lambda=(0.0, NO_LIMIT),
        )
