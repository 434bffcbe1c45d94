"""Noise and effects by hand: one feature, one symbol, a few sessions."""

from __future__ import annotations

import numpy as np
import pytest

from features.leakcheck.noise import (
    STEPS,
    changed_cells,
    differences,
    measure_noise,
    rounds_in_single,
    separated_cells,
)

NAN = np.nan


def values(*cells: float) -> np.ndarray:
    return np.array(cells)[None, None, :]


def kept(count: int) -> np.ndarray:
    return np.ones((1, count), dtype=bool)


def test_a_null_against_a_value_is_as_far_as_can_be():
    found = differences(values(1.0, NAN, NAN, 2.0, np.inf), values(1.5, 1.0, NAN, NAN, np.inf))
    assert found.ravel().tolist() == [0.5, np.inf, 0.0, np.inf, 0.0]


def test_noise_is_the_range_of_the_runs():
    noise = measure_noise([values(0.0, 1.0, 2.0), values(0.0, 1.5, 2.0), values(0.0, 0.75, NAN)])
    assert noise.spread.ravel().tolist() == [0.0, 0.75, np.inf]
    assert noise.scale.item() == pytest.approx(np.std([0.0, 1.0, 2.0]))


def test_an_effect_counts_from_a_hundred_times_the_noise_on():
    noise = measure_noise([values(*[0.0, 1.0] * 5), values(*[0.001, 1.001] * 5)])
    run = noise.base.copy()
    run[0, 0, 3], run[0, 0, 4] = run[0, 0, 3] + 0.09, run[0, 0, 4] + 0.11
    assert np.flatnonzero(changed_cells(noise, run, kept(10))).tolist() == [4]
    assert noise.smallest_visible.item() == pytest.approx(0.1, rel=1e-6)


def test_what_differs_only_where_the_last_bit_decides_is_not_separated():
    # The second cell is a tie: it falls this way or that by the last bit, in both kinds of run.
    quiet = [0.0] * 8
    base = [values(1.0, 5.0, *quiet), values(-1.0, 5.0, *quiet), values(1.0, 5.0, *quiet)]
    disturbed = [values(-1.0, 6.0, *quiet), values(-1.0, 6.0, *quiet)]
    found = separated_cells(measure_noise(base), disturbed, kept(10))
    assert np.flatnonzero(found).tolist() == [1]


def test_what_an_exchange_of_symbols_moves_a_little_is_noise():
    base, little = values(0.0, 1.0, 2.0), values(0.0, 1.0 + 1e-9, 2.0)
    noise = measure_noise([base, base], [little])
    assert noise.spread.ravel() == pytest.approx([0.0, 1e-9, 0.0], rel=1e-3, abs=1e-15)


def test_what_an_exchange_of_symbols_moves_a_lot_is_meant_by_the_feature():
    base, other = values(0.0, 1.0, 2.0), values(0.0, 7.0, 2.0)
    noise = measure_noise([base, base], [other])
    assert noise.ordered.ravel().tolist() == [False, True, False]
    assert noise.spread.max() == 0.0


PRICES = np.random.default_rng(4).uniform(10.0, 90.0, (1, 4, 50))


@pytest.mark.parametrize(
    ("compute", "single"),
    [
        (lambda prices: prices[..., 1:] / prices[..., :-1] - 1.0, False),
        (lambda prices: np.log(prices) ** 3, False),
        (lambda prices: np.floor(prices * 100.0) % 10.0, False),
        (lambda prices: np.float64(np.float32(prices[..., 1:]) / np.float32(prices[..., :-1])), True),
        (lambda prices: np.log(np.float64(np.float32(prices))), True),
    ],
    ids=["return", "bent", "last digit", "return of singles", "logarithm of singles"],
)
def test_single_precision_inside_is_told_from_what_bends(compute, single):
    directions = np.array([-3, 1, 5, 8])[None, :, None]
    noise = measure_noise([compute(PRICES), compute(PRICES * (1.0 + directions * 2.0**-52))])
    stepped = [compute(PRICES * (1.0 + directions * step)) for step in STEPS]
    assert rounds_in_single(noise, stepped).tolist() == [single]
