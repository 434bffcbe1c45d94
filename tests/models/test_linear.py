"""Scaling and ridge against numbers worked by hand and numpy."""

from __future__ import annotations

import json

import numpy as np
import pytest

from models.linear import LinearScorer, RobustScaler, fit_ridge


def test_that_median_and_deviation_are_worked_by_hand() -> None:
    # Median 3, absolute deviations 2 1 0 1 97: their median 1.
    scaler = RobustScaler.fit(np.array([[1.0], [2.0], [3.0], [4.0], [100.0], [np.nan]]))
    assert scaler.centre[0] == 3.0
    assert scaler.scale[0] == pytest.approx(1.4826)
    scaled = scaler.transform(np.array([[3.0], [4.4826], [1000.0], [-1000.0], [np.nan]]))
    assert scaled[:, 0].tolist() == pytest.approx([0.0, 1.0, 3.0, -3.0, 0.0])


def test_that_features_without_spread_or_values_scale_to_zero() -> None:
    matrix = np.array([[7.0, np.nan, 0.0], [7.0, np.nan, 0.0], [7.0, np.nan, 0.0], [7.0, np.nan, 5.0]])
    scaler = RobustScaler.fit(matrix)
    scaled = scaler.transform(matrix)
    assert scaled[:, :2].tolist() == [[0.0, 0.0]] * 4
    # Mostly constant: the deviation's median is 0, so the standard deviation stands in.
    assert scaler.scale[2] == pytest.approx(np.std([0.0, 0.0, 0.0, 5.0]))


def test_that_ridge_solves_its_normal_equations() -> None:
    rng = np.random.default_rng(0)
    matrix, target = rng.standard_normal((500, 3)), rng.standard_normal(500)
    fitted = fit_ridge(matrix, target, shrinkage=0.5)
    scaled = RobustScaler.fit(matrix).transform(matrix)
    expected = np.linalg.solve(scaled.T @ scaled + 250 * np.eye(3), scaled.T @ target)
    np.testing.assert_allclose(fitted.coefficients, expected)
    np.testing.assert_allclose(fitted.score(matrix), scaled @ expected)


def test_that_a_row_scores_the_same_alone() -> None:
    rng = np.random.default_rng(1)
    matrix = rng.standard_normal((300, 40)).astype(np.float32)
    fitted = fit_ridge(matrix, rng.standard_normal(300), shrinkage=1.0)
    together = fitted.score(matrix)
    assert [fitted.score(matrix[k : k + 1])[0] for k in (0, 123, 299)] == together[[0, 123, 299]].tolist()


def test_that_json_keeps_every_bit() -> None:
    rng = np.random.default_rng(2)
    fitted = fit_ridge(rng.standard_normal((50, 4)), rng.standard_normal(50), shrinkage=1.0)
    again = LinearScorer.from_record(json.loads(json.dumps(fitted.as_record())))
    matrix = rng.standard_normal((20, 4))
    np.testing.assert_array_equal(again.score(matrix), fitted.score(matrix))
