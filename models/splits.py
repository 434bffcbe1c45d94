"""Walk-forward folds and the hold-out, purged by `label_end` and embargoed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import polars as pl

from models.params import SplitParams


class InsufficientHistoryError(ValueError):
    """The labelled history is too short for the configured splits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A run of sessions whose outcomes were all known by an instant.

    Attributes
    ----------
    first, last : date
        First and last session, both included.
    known_by : datetime or None
        Rows whose `label_end` is later are purged; None for a part that nothing follows.
    """

    first: date
    last: date
    known_by: datetime | None = None

    def rows(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of this part, purged."""
        kept = frame.filter(pl.col("session").is_between(self.first, self.last))
        return kept if self.known_by is None else kept.filter(pl.col("label_end") <= self.known_by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """One fit: what it is fitted on, what stops it, and what judges it."""

    fit: Part
    validation: Part
    test: Part

    def as_record(self) -> dict[str, Any]:
        """Return the boundaries as JSON-ready text, for a run's lineage."""
        return {
            name: {key: value and value.isoformat() for key, value in part.items()}
            for name, part in asdict(self).items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkForwardPlan:
    """Folds in time order, and the final fit whose test part is the hold-out."""

    folds: tuple[Fold, ...]
    final: Fold

    def as_record(self) -> dict[str, Any]:
        """Return all boundaries as JSON-ready text."""
        return {"folds": [fold.as_record() for fold in self.folds], "final": self.final.as_record()}


def labelled_sessions(frame: pl.DataFrame) -> pl.DataFrame:
    """Return one row a session that has a target: `session`, `cutoff_at`, earliest `label_end`; sorted."""
    labelled = frame.filter(pl.col("target").is_not_null())
    return (
        labelled.group_by("session").agg(pl.col("cutoff_at").min(), pl.col("label_end").min()).sort("session")
    )


def plan_splits(frame: pl.DataFrame, params: SplitParams) -> WalkForwardPlan:
    """Cut the labelled sessions of `frame` into walk-forward folds and a hold-out.

    Parameters
    ----------
    frame : polars.DataFrame
        Training frame with `session`, `cutoff_at`, `label_end` and `target`.
    params : SplitParams
        Lengths, horizon and embargo.

    Returns
    -------
    WalkForwardPlan
        `folds` tile the sessions before the hold-out, the latest ending at the last session whose
        outcome was known, with the embargo, when the hold-out begins. `final` fits on all of those
        sessions and is judged by the hold-out alone.

    Raises
    ------
    InsufficientHistoryError
        If fewer sessions are labelled than the splits need.

    Notes
    -----
    With parts A before B, a row stays in A only if its `label_end` is not later than the
    `cutoff_at` of the session `embargo_sessions` before B's first: the purge and embargo of
    López de Prado, *Advances in Financial Machine Learning* (2018), ch. 7, where only earlier rows train.
    """
    sessions = labelled_sessions(frame)
    if sessions.height < params.required_sessions:
        msg = (
            f"{sessions.height} labelled sessions are fewer than the {params.required_sessions} that n_folds="
            f"{params.n_folds}, test_sessions={params.test_sessions}, holdout_sessions="
            f"{params.holdout_sessions} and min_train_sessions={params.min_train_sessions} need; "
            "load more history or lower these settings"
        )
        raise InsufficientHistoryError(msg)
    holdout_start = sessions.height - params.holdout_sessions
    final = _cut(sessions, holdout_start, sessions.height, params)
    # Counted back from the hold-out, not on from the start: of a history that the blocks do not divide the
    # oldest sessions lengthen the first fit, and no recent one goes untested.
    known = _last_known(sessions, holdout_start, params) + 1
    starts = [known - (params.n_folds - k) * params.test_sessions for k in range(params.n_folds)]
    folds = tuple(_cut(sessions, start, start + params.test_sessions, params) for start in starts)
    return WalkForwardPlan(folds=folds, final=final)


def _known_by(sessions: pl.DataFrame, start: int, params: SplitParams) -> datetime:
    """Instant by which an outcome must be known to train for a part that starts at row `start`."""
    instant: datetime = sessions["cutoff_at"][max(start - params.embargo_sessions, 0)]
    return instant


def _last_known(sessions: pl.DataFrame, start: int, params: SplitParams) -> int:
    """Row of the last session before `start` whose outcome counts as known."""
    # By instants, not by counting rows back: sessions that the frame lacks would cost fitted ones.
    known = (sessions["label_end"][:start] <= _known_by(sessions, start, params)).arg_true()
    return int(known[-1]) if len(known) else -1


def _cut(sessions: pl.DataFrame, start: int, stop: int, params: SplitParams) -> Fold:
    """Build the fold whose test part is the rows ``start..stop-1`` of `sessions`."""
    train_last = _last_known(sessions, start, params)
    # The same gap stands before the validation part: early stopping on leaked labels would run too long.
    validation_start = train_last + 1 - params.validation_sessions
    fit_last = _last_known(sessions, max(validation_start, 0), params)
    first = train_last + 1 - params.max_train_sessions if params.max_train_sessions else 0
    fitted = fit_last + 1 - max(first, 0)
    if fitted < params.min_train_sessions:
        msg = (
            f"a fold tested from {sessions['session'][start]} would fit on {max(fitted, 0)} sessions, below "
            f"min_train_sessions={params.min_train_sessions}; load more history or lower n_folds"
        )
        raise InsufficientHistoryError(msg)
    days = sessions["session"]
    return Fold(
        fit=Part(
            first=days[max(first, 0)],
            last=days[fit_last],
            known_by=_known_by(sessions, validation_start, params),
        ),
        validation=Part(
            first=days[validation_start], last=days[train_last], known_by=_known_by(sessions, start, params)
        ),
        test=Part(first=days[start], last=days[stop - 1]),
    )
