"""Parameters of the boosted family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.family_params import FamilyParams, check_range


@dataclass(frozen=True, slots=True, kw_only=True)
class XGBoostParams(FamilyParams):
    """Boosted trees on a strongly shrunken linear part; see `models.xgboost_forecaster`.

    Attributes
    ----------
    max_rounds, early_stopping_rounds : int
        Most boosting rounds, and rounds without a better validation error after which they stop.
    learning_rate, max_depth, subsample, colsample, reg_lambda
        XGBoost's own meaning; `colsample` is drawn by tree.
    min_leaf_share : float
        Smallest leaf as a share of the fitted rows (`min_child_weight` of a squared error counts
        rows), so that one setting suits 5 symbols and 500.
    linear_part : bool
        Whether trees start from the linear score of `models.payoffs`.
    payoff_lag_sessions : int
        Sessions over which a feature's payoffs are correlated; at least the label's horizon less one.
    tree_inputs : {"steady", "all"}
        ``steady``: trees see only the features to which the linear score gives weight, drawn in
        proportion to it, and may bend their effect but not turn it round (monotone constraints). They are
        then blind to effects without a linear trace, which ``all`` lets them seek: on weak simulated
        alphas free trees lost half of what was to be found, steady ones nothing.
    tree_doubt : float
        Standard errors by which the validation rows must confirm the trees before any of their work is
        taken; the rounds were chosen on the same rows.
    max_bin : int
        Histogram bins a feature.
    refit : bool
        Fit again on fit and validation rows with the chosen number of rounds. Test rows never enter.
    threads : int
        CPU threads; results of one machine do not depend on it beyond rounding.
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes CUDA where a GPU answers.
    """

    max_rounds: int = 300
    early_stopping_rounds: int = 40
    learning_rate: float = 0.03
    max_depth: int = 3
    min_leaf_share: float = 0.01
    subsample: float = 0.6
    colsample: float = 0.3
    reg_lambda: float = 50.0
    linear_part: bool = True
    payoff_lag_sessions: int = 5
    tree_inputs: Literal["steady", "all"] = "steady"
    tree_doubt: float = 1.0
    max_bin: int = 64
    refit: bool = True
    threads: int = 2
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def __post_init__(self) -> None:
        for name in ("max_rounds", "early_stopping_rounds", "threads"):
            check_range(name, getattr(self, name), 1)
        check_range("max_depth", self.max_depth, 1, 12)
        check_range("max_bin", self.max_bin, 8, 1024)
        check_range("learning_rate", self.learning_rate, 1e-4, 1.0)
        check_range("min_leaf_share", self.min_leaf_share, 0.0, 0.5)
        check_range("subsample", self.subsample, 0.01, 1.0)
        check_range("colsample", self.colsample, 0.01, 1.0)
        check_range("reg_lambda", self.reg_lambda, 0.0)
        check_range("payoff_lag_sessions", self.payoff_lag_sessions, 0)
        check_range("tree_doubt", self.tree_doubt, 0.0, 10.0)

    def check_horizon(self, horizon_sessions: int) -> None:
        """Refuse a payoff lag below the overlap of labels, which would take luck for steadiness."""
        if self.payoff_lag_sessions < horizon_sessions - 1:
            msg = (
                f"xgboost.payoff_lag_sessions={self.payoff_lag_sessions} must be at least "
                f"split.horizon_sessions - 1 = {horizon_sessions - 1}: labels overlap that long"
            )
            raise ValueError(msg)
