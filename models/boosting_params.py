"""Parameters of every family that boosts on top of a linear score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.family_params import NO_LIMIT, FamilyParams, check_ranges


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
