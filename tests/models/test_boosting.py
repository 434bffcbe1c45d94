"""The linear start, the rounds and the weighing of trees, under a booster of stumps."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from models.boosting import LinearStart, Rows, fit_boosted_score, fit_linear_start, labelled_rows, stack_rows
from models.boosting_params import BoostingParams
from tests.models.test_xgboost_forecaster import cut, make_curved

NAMES = ("a", "b")
FREE = BoostingParams(max_rounds=20, tree_inputs="all")


@dataclass(frozen=True)
class Stumps:
    """Boxes of one feature each, with a value inside and one outside."""

    boxes: tuple[tuple[int, float, float], ...]

    @property
    def rounds(self) -> int:
        return len(self.boxes)

    def add_to(self, margin: np.ndarray, visible: np.ndarray) -> np.ndarray:
        parts = [np.where(np.abs(visible[:, k]) < 1.0, inside, outside) for k, inside, outside in self.boxes]
        return margin + np.sum(parts, axis=0)

    def contributions(self, visible: np.ndarray) -> np.ndarray:
        used = [k for k, _, _ in self.boxes]
        return np.bincount(used, minlength=visible.shape[1]) / len(used)


@dataclass
class StumpBooster:
    """Greedy stumps at |x| = 1; it keeps what it was asked for."""

    asked: list[tuple[int, int, bool]] = field(default_factory=list)

    def fit(self, rows: Rows, start: LinearStart, *, max_rounds: int, validation: Rows | None) -> Stumps:
        self.asked.append((len(rows.target), max_rounds, validation is not None))
        seen, left = start.visible(rows.matrix), rows.target - start.margin(rows.matrix)
        boxes: list[tuple[int, float, float]] = []
        for turn in range(min(max_rounds, 4 if validation is not None else max_rounds)):
            inside = np.abs(seen[:, turn % seen.shape[1]]) < 1.0
            values = 0.5 * float(left[inside].mean()), 0.5 * float(left[~inside].mean())
            boxes.append((turn % seen.shape[1], *values))
            left = left - np.where(inside, *values)
        return Stumps(tuple(boxes))


def parts() -> tuple[Rows, Rows, Rows]:
    frame = make_curved()
    return tuple(  # type: ignore[return-value]
        labelled_rows(cut(frame, *span), NAMES, part="fit") for span in ((0, 50), (50, 65), (65, 80))
    )


def test_that_any_booster_finds_what_the_linear_score_cannot_see() -> None:
    fitted, validation, unseen = parts()
    booster = StumpBooster()
    boosted = fit_boosted_score(booster, fitted, validation, FREE)
    assert booster.asked == [(2000, 20, True), (2600, 4, False)]
    assert (boosted.rounds, boosted.trees.rounds) == (4, 4)  # type: ignore[union-attr]
    assert boosted.tree_weight > 0.9
    assert np.corrcoef(boosted.score(unseen.matrix), unseen.target)[0, 1] > 0.4
    assert boosted.importance(unseen.matrix).sum() == pytest.approx(1.0)


def test_that_denied_trees_leave_the_linear_score_of_all_rows() -> None:
    fitted, validation, unseen = parts()
    denied = Rows(matrix=validation.matrix, target=-validation.target, sessions=validation.sessions)
    booster = StumpBooster()
    boosted = fit_boosted_score(booster, fitted, denied, FREE)
    assert (boosted.trees, boosted.tree_weight, boosted.rounds) == (None, 0.0, 4)
    assert len(booster.asked) == 1
    alone = fit_linear_start(stack_rows(fitted, denied), FREE)
    np.testing.assert_array_equal(boosted.score(unseen.matrix), alone.margin(unseen.matrix))


def test_that_steady_trees_see_what_has_paid_and_its_direction() -> None:
    fitted, _, _ = parts()
    rows = Rows(
        matrix=fitted.matrix, target=fitted.target - 2 * fitted.matrix[:, 1], sessions=fitted.sessions
    )
    start = fit_linear_start(rows, BoostingParams())
    assert 1 in start.columns
    assert start.weights is not None
    assert start.weights[list(start.columns).index(1)] < 0
    assert start.visible(rows.matrix).shape == (2000, len(start.columns))
    blind = fit_linear_start(rows, BoostingParams(linear_part=False))
    assert not blind.margin(rows.matrix).any()
    np.testing.assert_array_equal(blind.columns, start.columns)


def test_that_a_margin_is_what_a_booster_keeps_of_it() -> None:
    fitted, _, _ = parts()
    margin = fit_linear_start(fitted, FREE).margin(fitted.matrix)
    np.testing.assert_array_equal(margin, margin.astype(np.float32))


def test_that_payoffs_must_be_told_apart_over_the_labels_overlap() -> None:
    BoostingParams(payoff_lag_sessions=4).check_horizon(5)
    with pytest.raises(ValueError, match=r"^payoff_lag_sessions=3 must be at least .* = 4: labels overlap"):
        BoostingParams(payoff_lag_sessions=3).check_horizon(5)
