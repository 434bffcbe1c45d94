"""Parameters of curate, as the settings nest them (section ``curate``)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CurateParams:
    """What makes a bar suspect, what retracts it and which prices are stale.

    Moves are natural logarithms of close-to-close ratios; `revert_share` is the largest part of
    a suspected move that may be left once the next bar has come back. A suspect whose turnover is
    `turnover_multiple` times its usual one, the median of the `usual_sessions` sessions before it or of the
    last five where that is less, was traded and stays. `jump_tolerance` is the relative distance from a
    simple split ratio within which an unexplained move may be one.
    """

    suspect_move: float
    revert_share: float
    turnover_multiple: float
    usual_sessions: int
    stale_sessions: int
    jump_tolerance: float

    def __post_init__(self) -> None:
        if self.suspect_move <= 0:
            msg = f"suspect_move={self.suspect_move} must be positive"
            raise ValueError(msg)
        if not 0 < self.revert_share < 1:
            msg = f"revert_share={self.revert_share} must lie between 0 and 1"
            raise ValueError(msg)
        if self.turnover_multiple <= 1:
            msg = f"turnover_multiple={self.turnover_multiple} must be larger than 1, the usual turnover"
            raise ValueError(msg)
        if self.usual_sessions < 5:
            msg = f"usual_sessions={self.usual_sessions} must be at least 5: fewer have no usual turnover"
            raise ValueError(msg)
        if not 0 < self.jump_tolerance < 0.2:
            msg = f"jump_tolerance={self.jump_tolerance} must lie between 0 and 0.2: at 1.5 more is no jump"
            raise ValueError(msg)
