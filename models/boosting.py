"""Boosting on top of a linear score: what any booster shares, so that a family brings its trees alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl

from models.boosting_params import BoostingParams
from models.forecast_frames import check_fit_frames, feature_matrix
from models.linear import LinearScorer
from models.payoffs import fit_payoff_scorer, weigh_addition

IMPORTANCE_ROWS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows to fit on, by session: features (float32, NaN unknown), target and session number."""

    matrix: np.ndarray
    target: np.ndarray
    sessions: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearStart:
    """What the trees stand on.

    Attributes
    ----------
    linear : LinearScorer or None
        Score that the trees add to; None starts them from 0.
    columns : numpy.ndarray
        Places of the features that the trees may see, shape (columns,).
    weights : numpy.ndarray or None
        The linear score's coefficients of those features: their sign is the direction in which a tree
        may move, their size how readily it is to draw the feature. None leaves trees free.
    """

    linear: LinearScorer | None
    columns: np.ndarray
    weights: np.ndarray | None = None

    def margin(self, matrix: np.ndarray) -> np.ndarray:
        """Return the score of each row of all features that trees start from, float64, shape (rows,).

        It is rounded to float32, as boosters keep it: only then is a booster's answer less this margin
        the work of its trees and nothing else.
        """
        scores = np.zeros(len(matrix)) if self.linear is None else self.linear.score(matrix)
        return scores.astype(np.float32).astype(np.float64)

    def visible(self, matrix: np.ndarray) -> np.ndarray:
        """Return the columns that the trees may see, contiguous, shape (rows, columns)."""
        return np.ascontiguousarray(matrix[:, self.columns])


class Trees(Protocol):
    """Fitted trees, or whatever else a booster adds up."""

    @property
    def rounds(self) -> int:
        """Boosting rounds that were kept, at least 1."""
        ...

    def add_to(self, margin: np.ndarray, visible: np.ndarray) -> np.ndarray:
        """Return `margin` plus all of the trees' work, float64, shape (rows,); each row by itself."""
        ...

    def contributions(self, visible: np.ndarray) -> np.ndarray:
        """Return the mean absolute contribution of each visible feature, shape (columns,)."""
        ...


class ResidualBooster(Protocol):
    """Fits trees to what a margin leaves of the target, by squared error."""

    def fit(self, rows: Rows, start: LinearStart, *, max_rounds: int, validation: Rows | None) -> Trees:
        """Fit up to `max_rounds` rounds, as many as `validation` bears out; all of them without it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BoostedScore:
    """A linear score and the confirmed share of the trees' work on top of it.

    Attributes
    ----------
    start : LinearStart
    trees : Trees or None
        None where no tree was fitted or none of their work was confirmed.
    rounds : int
        Rounds that the validation rows chose, whatever their trees were worth.
    tree_weight : float
        Share of the trees' work that is taken, 0..1.
    """

    start: LinearStart
    trees: Trees | None
    rounds: int
    tree_weight: float

    def score(self, matrix: np.ndarray) -> np.ndarray:
        """Return one score a row of all features, in the unit of the target."""
        margin = self.start.margin(matrix)
        if self.trees is None or not len(matrix):
            return margin
        boosted = self.trees.add_to(margin, self.start.visible(matrix))
        scores: np.ndarray = margin + self.tree_weight * (boosted - margin)
        return scores

    def importance(self, matrix: np.ndarray) -> np.ndarray:
        """Return each feature's share of the mean absolute contribution over a sample of `matrix`'s rows."""
        sample = matrix[:: max(1, len(matrix) // IMPORTANCE_ROWS)]
        total = np.zeros(matrix.shape[1])
        if self.start.linear is not None:
            total += self.start.linear.contributions(sample)
        if self.trees is not None:
            work = self.trees.contributions(self.start.visible(sample))
            total[self.start.columns] += self.tree_weight * work
        share: np.ndarray = total / total.sum() if total.sum() > 0 else total
        return share


def labelled_rows(frame: pl.DataFrame, names: Sequence[str], *, part: str) -> Rows:
    """Return the rows of `frame` that have a target, by session and symbol.

    Raises
    ------
    ValueError
        Naming the part, if it lacks columns, repeats a key or holds no target.
    """
    check_fit_frames(names, **{part: frame})
    rows = frame.filter(pl.col("target").is_not_null()).sort("session", "symbol")
    return Rows(
        matrix=feature_matrix(rows, names),
        target=rows["target"].to_numpy(),
        sessions=rows["session"].cast(pl.Int32).to_numpy(),
    )


def stack_rows(first: Rows, second: Rows) -> Rows:
    """Return the rows of two parts, those of `first` before those of `second`."""
    return Rows(
        matrix=np.concatenate([first.matrix, second.matrix]),
        target=np.concatenate([first.target, second.target]),
        sessions=np.concatenate([first.sessions, second.sessions]),
    )


def fit_boosted_score(
    booster: ResidualBooster, fitted: Rows, validation: Rows, params: BoostingParams
) -> BoostedScore:
    """Fit a linear score, boost what it leaves, weigh the trees and fit again on all rows.

    Parameters
    ----------
    fitted, validation : Rows
        Parts of one training window, the second purged of and later than the first.

    Notes
    -----
    The validation rows are used twice, for the number of rounds and for the weight of the trees, which is
    why the weight asks for `tree_doubt` standard errors. The refit changes neither: both were judged on rows
    that the trees had not seen, and after the refit there are none left.
    """
    start, trees = _boost(booster, fitted, params, max_rounds=params.max_rounds, validation=validation)
    rounds = trees.rounds if trees else 0
    weight = _weigh_trees(start, trees, validation, params)
    if params.refit:
        rows = stack_rows(fitted, validation)
        start, trees = _boost(booster, rows, params, max_rounds=rounds if weight else 0, validation=None)
    # A refit may find no steady feature to boost on; then there is no work of which to take a share.
    weight = weight if trees else 0.0
    return BoostedScore(start=start, trees=trees if weight else None, rounds=rounds, tree_weight=weight)


def _boost(
    booster: ResidualBooster, rows: Rows, params: BoostingParams, *, max_rounds: int, validation: Rows | None
) -> tuple[LinearStart, Trees | None]:
    start = fit_linear_start(rows, params)
    if not max_rounds or not len(start.columns):
        return start, None
    return start, booster.fit(rows, start, max_rounds=max_rounds, validation=validation)


def fit_linear_start(rows: Rows, params: BoostingParams) -> LinearStart:
    """Fit the payoff-weighted linear score, and say which features trees may see beside it."""
    scorer = fit_payoff_scorer(rows.matrix, rows.target, rows.sessions, lag=params.payoff_lag_sessions)
    linear = scorer if params.linear_part else None
    if params.tree_inputs == "all":
        return LinearStart(linear=linear, columns=np.arange(rows.matrix.shape[1]))
    columns = np.flatnonzero(scorer.coefficients)
    return LinearStart(linear=linear, columns=columns, weights=scorer.coefficients[columns])


def _weigh_trees(start: LinearStart, trees: Trees | None, validation: Rows, params: BoostingParams) -> float:
    """Share of the trees' work that the validation rows confirm; all of it without a linear part."""
    if trees is None or start.linear is None:
        return 0.0 if trees is None else 1.0
    margin = start.margin(validation.matrix)
    addition = trees.add_to(margin, start.visible(validation.matrix)) - margin
    return weigh_addition(
        addition,
        validation.target - margin,
        validation.sessions,
        lag=params.payoff_lag_sessions,
        doubt=params.tree_doubt,
    )
