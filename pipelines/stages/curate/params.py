"""Parameters of curate, as the settings nest them (section ``curate``)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CurateParams:
    """What makes a bar suspect, what retracts it and which prices are stale.

    Moves are natural logarithms of close-to-close ratios; `revert_share` is the largest part of
    a suspected move that may be left once the next bar has come back.
    """

    suspect_move: float
    revert_share: float
    stale_sessions: int

    def __post_init__(self) -> None:
        if self.suspect_move <= 0:
            msg = f"suspect_move={self.suspect_move} must be positive"
            raise ValueError(msg)
        if not 0 < self.revert_share < 1:
            msg = f"revert_share={self.revert_share} must lie between 0 and 1"
            raise ValueError(msg)
