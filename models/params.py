"""Parameters of splits, model families, baselines and selection, as the settings nest them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Family = Literal["xgboost", "tft", "ridge", "zero", "reversal", "momentum"]
TRAINABLE: tuple[Family, ...] = ("xgboost", "tft")
BASELINES: tuple[Family, ...] = ("zero", "reversal", "momentum", "ridge")


def check_range(name: str, value: float, low: float, high: float = float("inf")) -> None:
    """Refuse a value outside ``low..high``, naming the parameter, the value and what is allowed.

    Raises
    ------
    ValueError
        If `value` is outside the closed range.
    """
    if not low <= value <= high:
        allowed = f"at least {low:g}" if high == float("inf") else f"within {low:g}..{high:g}"
        msg = f"{name}={value} must be {allowed}"
        raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitParams:
    """How a labelled history is cut into fit, validation, test and hold-out sessions.

    All lengths count sessions that the training frame holds.

    Attributes
    ----------
    horizon_sessions : int
        Sessions over which a label's return runs; the trade is done one session after the signal.
        Assumes that a position can be opened at the close of that next session.
    embargo_sessions : int
        Further sessions left out between a part and the part that judges it, beyond the purge by
        `label_end`. Larger assumes that information leaks longer through autocorrelation.
    n_folds : int
        Test blocks of the walk-forward, one directly after another, the last one ending just before
        the purged and embargoed hold-out.
    test_sessions, validation_sessions : int
        Length of one test block, and of the last part of a training window on which early stopping
        is decided.
    min_train_sessions : int
        Fewest sessions a fold may fit on (validation not counted).
    max_train_sessions : int
        Length of a rolling window of fit and validation; 0 lets the window expand.
    holdout_sessions : int
        Last labelled sessions, which enter no fit and no choice.
    min_holdout_sessions : int
        Fewest held-out sessions on which champion and challenger may be compared.
    """

    horizon_sessions: int
    embargo_sessions: int
    n_folds: int
    test_sessions: int
    validation_sessions: int
    min_train_sessions: int
    max_train_sessions: int = 0
    holdout_sessions: int
    min_holdout_sessions: int

    def __post_init__(self) -> None:
        for name in ("horizon_sessions", "n_folds", "test_sessions", "validation_sessions"):
            check_range(name, getattr(self, name), 1)
        for name in ("min_train_sessions", "holdout_sessions", "min_holdout_sessions"):
            check_range(name, getattr(self, name), 1)
        check_range("embargo_sessions", self.embargo_sessions, 0)
        check_range("max_train_sessions", self.max_train_sessions, 0)
        self._check_lengths()

    def _check_lengths(self) -> None:
        if self.min_holdout_sessions > self.holdout_sessions:
            msg = (
                f"min_holdout_sessions={self.min_holdout_sessions} must not exceed "
                f"holdout_sessions={self.holdout_sessions}"
            )
            raise ValueError(msg)
        shortest = self.min_train_sessions + self.validation_sessions + self.gap_sessions
        if 0 < self.max_train_sessions < shortest:
            msg = (
                f"max_train_sessions={self.max_train_sessions} must be 0 (expanding) or at least {shortest}: "
                "min_train_sessions + validation_sessions + the purged gap between them"
            )
            raise ValueError(msg)

    @property
    def gap_sessions(self) -> int:
        """Sessions lost at each boundary: the label's run and the embargo."""
        return self.horizon_sessions + self.embargo_sessions

    @property
    def required_sessions(self) -> int:
        """Labelled sessions that a history must hold for every fold and the hold-out."""
        train = self.min_train_sessions + self.gap_sessions + self.validation_sessions + self.gap_sessions
        return train + self.n_folds * self.test_sessions + self.gap_sessions + self.holdout_sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class XGBoostParams:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TFTParams:
    """Temporal Fusion Transformer, small enough for two CPU cores.

    Attributes
    ----------
    history_sessions : int
        Sessions of features a forecast sees, its own session included.
    features : tuple of str
        Feature subset; empty takes the `max_features` with the largest absolute univariate rank IC
        on the fitted rows.
    hidden_size, attention_heads, dropout
        Network size; `hidden_size` must be a multiple of `attention_heads`.
    batch_size, batches_per_epoch, max_epochs
        An epoch draws `batches_per_epoch` batches of windows at random, without replacement.
    patience : int
        Epochs without a better validation loss after which training stops.
    max_minutes : float
        Wall-clock limit of one fit, a guard and not a budget: `max_epochs` bounds the work. A fit that it
        cuts short is not reproducible; a warning and the saved record's ``outcome`` say so.
    threads, device
        As for XGBoost.
    """

    history_sessions: int = 20
    features: tuple[str, ...] = ()
    max_features: int = 12
    hidden_size: int = 16
    attention_heads: int = 2
    dropout: float = 0.2
    learning_rate: float = 0.003
    weight_decay: float = 0.01
    batch_size: int = 256
    batches_per_epoch: int = 60
    validation_windows: int = 5120
    max_epochs: int = 6
    patience: int = 2
    max_minutes: float = 30.0
    threads: int = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def __post_init__(self) -> None:
        check_range("history_sessions", self.history_sessions, 2, 512)
        for name in ("max_features", "hidden_size", "attention_heads", "batch_size", "batches_per_epoch"):
            check_range(name, getattr(self, name), 1)
        for name in ("validation_windows", "max_epochs", "patience", "threads"):
            check_range(name, getattr(self, name), 1)
        check_range("dropout", self.dropout, 0.0, 0.9)
        check_range("learning_rate", self.learning_rate, 1e-6, 1.0)
        check_range("weight_decay", self.weight_decay, 0.0, 1.0)
        check_range("max_minutes", self.max_minutes, 0.01)
        if self.hidden_size % self.attention_heads:
            msg = (
                f"hidden_size={self.hidden_size} must be a multiple of attention_heads={self.attention_heads}"
            )
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineParams:
    """The forecasts that stand beside every result.

    Attributes
    ----------
    reversal_feature : str
        Feature whose negative is the reversal forecast.
    momentum_feature : str
        Feature that is the 12-1 momentum forecast.
    ridge_shrinkage : float
        Penalty in units of the fitted rows; see `models.linear.fit_ridge`.
    """

    reversal_feature: str
    momentum_feature: str
    ridge_shrinkage: float = 1.0

    def __post_init__(self) -> None:
        check_range("ridge_shrinkage", self.ridge_shrinkage, 1e-9)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionParams:
    """When a challenger takes over.

    Attributes
    ----------
    margin_rank_ic : float
        Least lead in mean rank IC over the champion and over each baseline on the same held-out rows.
        A larger margin assumes that a switch costs more (turnover, review) than it brings.
    min_paired_t : float
        Least Newey–West t of the paired difference against the champion.
    require_baselines : bool
        Whether the baselines must be beaten as well when a champion exists.
    """

    margin_rank_ic: float
    min_paired_t: float = 0.0
    require_baselines: bool = True

    def __post_init__(self) -> None:
        check_range("margin_rank_ic", self.margin_rank_ic, 0.0, 1.0)
        check_range("min_paired_t", self.min_paired_t, -10.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsParams:
    """Everything the models room takes from the settings (section ``models``)."""

    family: Literal["xgboost", "tft"]
    seed: int
    split: SplitParams
    xgboost: XGBoostParams
    tft: TFTParams
    baselines: BaselineParams
    promotion: PromotionParams

    def __post_init__(self) -> None:
        check_range("seed", self.seed, 0, 2**31 - 1)
        if self.xgboost.payoff_lag_sessions < self.split.horizon_sessions - 1:
            msg = (
                f"xgboost.payoff_lag_sessions={self.xgboost.payoff_lag_sessions} must be at least "
                f"split.horizon_sessions - 1 = {self.split.horizon_sessions - 1}: labels overlap that long"
            )
            raise ValueError(msg)
