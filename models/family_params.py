"""What the parameters of model families share: all of them, those that boost, and those of networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NO_LIMIT = float("inf")


def check_ranges(params: object, **ranges: tuple[float, float]) -> None:
    """Refuse a field outside its ``(low, high)``, naming the parameter, the value and what is allowed.

    Raises
    ------
    ValueError
        If a value is outside the closed range.
    """
    for name, (low, high) in ranges.items():
        value = getattr(params, name)
        if not low <= value <= high:
            allowed = f"at least {low:g}" if high == NO_LIMIT else f"within {low:g}..{high:g}"
            msg = f"{name}={value} must be {allowed}"
            raise ValueError(msg)


class FamilyParams:
    """Base of a family's own parameters: a frozen, keyword-only dataclass in which every field has a default.

    Its fields are the settings ``models.<family>.<field>``.
    """

    __slots__ = ()

    def check_horizon(self, horizon_sessions: int) -> None:
        """Refuse parameters that do not suit the run of a label; called as settings load.

        Raises
        ------
        ValueError
            Starting with ``<field>=<value>``, and saying what is allowed.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class BoostingParams(FamilyParams):
    """How `models.boosting` starts trees from a linear score, and when it believes them.

    Attributes
    ----------
    max_rounds : int
        Most boosting rounds; the validation rows choose how many are kept.
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
    refit : bool
        Fit again on fit and validation rows with the chosen number of rounds. Test rows never enter.
    """

    max_rounds: int = 300
    linear_part: bool = True
    payoff_lag_sessions: int = 5
    tree_inputs: Literal["steady", "all"] = "steady"
    tree_doubt: float = 1.0
    refit: bool = True

    def __post_init__(self) -> None:
        check_ranges(
            self, max_rounds=(1, NO_LIMIT), payoff_lag_sessions=(0, NO_LIMIT), tree_doubt=(0.0, 10.0)
        )

    def check_horizon(self, horizon_sessions: int) -> None:
        """Refuse a payoff lag below the overlap of labels, which would take luck for steadiness."""
        if self.payoff_lag_sessions < horizon_sessions - 1:
            msg = (
                f"payoff_lag_sessions={self.payoff_lag_sessions} must be at least "
                f"split.horizon_sessions - 1 = {horizon_sessions - 1}: labels overlap that long"
            )
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkParams(FamilyParams):
    """How `models.network_training` fits a network; a family adds what shapes its own.

    Attributes
    ----------
    history_sessions : int
        Sessions of features a forecast sees, its own session included.
    learning_rate, weight_decay : float
        Of AdamW.
    batch_size, batches_per_epoch, max_epochs
        An epoch draws `batches_per_epoch` batches of windows at random, without replacement.
    validation_windows : int
        Most windows on which the validation loss is measured.
    patience : int
        Epochs without a better validation loss after which training stops.
    max_minutes : float
        Wall-clock limit of one fit, a guard and not a budget: `max_epochs` bounds the work. A fit that it
        cuts short is not reproducible; a warning and the saved record's ``outcome`` say so.
    threads : int
        CPU threads.
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes CUDA where a GPU answers.
    """

    history_sessions: int = 20
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
        check_ranges(
            self,
            history_sessions=(2, 512),
            batch_size=(1, NO_LIMIT),
            batches_per_epoch=(1, NO_LIMIT),
            validation_windows=(1, NO_LIMIT),
            max_epochs=(1, NO_LIMIT),
            patience=(1, NO_LIMIT),
            threads=(1, NO_LIMIT),
            learning_rate=(1e-6, 1.0),
            weight_decay=(0.0, 1.0),
            max_minutes=(0.01, NO_LIMIT),
        )
