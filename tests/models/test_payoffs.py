"""Weights from payoffs against numbers worked by hand and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from models.linear import RobustScaler
from models.payoffs import (
    compute_long_run_variance,
    compute_payoffs,
    fit_payoff_scorer,
    weigh_addition,
    weigh_payoffs,
)


def identity_scaler(width: int) -> RobustScaler:
    return RobustScaler(centre=np.zeros(width), scale=np.ones(width))


def test_that_a_payoff_is_the_mean_product_within_a_session() -> None:
    matrix = np.array([[1.0, 0.0], [-1.0, 2.0], [2.0, np.nan], [0.0, -1.0]])
    target = np.array([0.5, -0.5, 1.0, -1.0])
    payoffs = compute_payoffs(matrix, target, np.array([1, 1, 2, 2]), identity_scaler(2))
    assert payoffs.tolist() == [[0.5, -0.5], [1.0, 0.5]]


def test_that_chunks_of_rows_do_not_change_payoffs(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    matrix, target = rng.standard_normal((90, 3)), rng.standard_normal(90)
    sessions = np.sort(rng.integers(0, 12, 90))
    whole = compute_payoffs(matrix, target, sessions, identity_scaler(3))
    scorer = fit_payoff_scorer(matrix, target, sessions, lag=2)
    monkeypatch.setattr("models.payoffs.CHUNK_ROWS", 7)
    np.testing.assert_allclose(compute_payoffs(matrix, target, sessions, identity_scaler(3)), whole)
    again = fit_payoff_scorer(matrix, target, sessions, lag=2)
    np.testing.assert_allclose(again.coefficients, scorer.coefficients)


def test_that_the_long_run_variance_is_that_of_statsmodels() -> None:
    rng = np.random.default_rng(4)
    series = np.convolve(rng.standard_normal(154), np.ones(5) / 5, "valid")
    fitted = sm.OLS(series, np.ones(150)).fit(
        cov_type="HAC", cov_kwds={"maxlags": 5, "use_correction": False}
    )
    variance = compute_long_run_variance(series[:, None], lag=5)
    assert variance[0] / 150 == pytest.approx(fitted.cov_params()[0, 0])


def test_that_a_negative_sum_of_covariances_is_floored() -> None:
    series = np.tile([1.0, -1.0], 50)[:, None]
    assert compute_long_run_variance(series, lag=1)[0] == pytest.approx(0.1)


def test_that_unsteady_payoffs_get_no_weight() -> None:
    steady, wild = np.tile([0.9, 1.1], 50), np.tile([5.0, -4.9], 50)
    weights = weigh_payoffs(np.column_stack([steady, wild, -steady]), lag=0)
    # The wild one's t is 0.05 / (4.95 / 10) = 0.1, below 1; the others are equal and opposite.
    assert weights.tolist() == pytest.approx([0.5, 0.0, -0.5])


def test_that_nothing_steady_gives_no_weights() -> None:
    assert weigh_payoffs(np.tile([[1.0], [-1.0]], (20, 1)), lag=0).tolist() == [0.0]
    assert weigh_payoffs(np.zeros((20, 2)), lag=3).tolist() == [0.0, 0.0]


def test_that_the_amplitude_is_the_slope_of_the_target() -> None:
    rng = np.random.default_rng(6)
    sessions = np.repeat(np.arange(100), 30)
    matrix = rng.standard_normal((3000, 5))
    target = 0.2 * matrix[:, 1] + rng.standard_normal(3000)
    score = fit_payoff_scorer(matrix, target, sessions, lag=0).score(matrix)
    slope = score @ target / (score @ score)
    assert slope == pytest.approx(1.0, abs=0.15)
    assert np.corrcoef(score, matrix[:, 1])[0, 1] > 0.95


def test_that_an_addition_is_taken_by_its_confirmed_slope() -> None:
    rng = np.random.default_rng(7)
    sessions, addition = np.repeat(np.arange(60), 20), rng.standard_normal(1200)
    assert weigh_addition(addition, 3.0 * addition, sessions, lag=2, doubt=2.0) == pytest.approx(
        1.0, abs=0.01
    )
    assert weigh_addition(addition, 0.5 * addition, sessions, lag=2, doubt=2.0) == pytest.approx(
        0.5, abs=0.02
    )
    assert weigh_addition(addition, -addition, sessions, lag=2, doubt=2.0) == 0.0
    assert weigh_addition(np.zeros(1200), addition, sessions, lag=2, doubt=2.0) == 0.0


def test_that_an_addition_that_only_moves_sessions_is_not_taken() -> None:
    sessions = np.repeat(np.arange(60), 20)
    assert weigh_addition(sessions.astype(float), np.ones(1200), sessions, lag=2, doubt=2.0) == 0.0
