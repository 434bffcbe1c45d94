"""What some features of the battery need: a regime filter and a principal direction."""

from __future__ import annotations

import numpy as np

STAY = 0.97
CALM, TURBULENT = 0.008, 0.02


def forward_backward(moves: np.ndarray, *, smooth: bool) -> np.ndarray:
    """Return the probability of the turbulent state, filtered or smoothed; parameters are given."""
    chain = np.array([[STAY, 1 - STAY], [1 - STAY, STAY]])
    scale = np.array([CALM, TURBULENT])
    likelihood = np.exp(-0.5 * (moves.clip(-0.1, 0.1)[:, None] / scale) ** 2) / scale
    filtered = np.empty((len(moves), 2))
    state = np.array([0.5, 0.5])
    for at, seen in enumerate(likelihood):
        state = (state @ chain) * seen
        state = state / state.sum()
        filtered[at] = state
    if smooth:
        after = np.ones(2)
        for at in range(len(moves) - 2, -1, -1):
            after = chain @ (likelihood[at + 1] * after)
            after = after / after.sum()
            filtered[at] = filtered[at] * after / (filtered[at] * after).sum()
    return filtered[:, 1]


def leading_direction(values: np.ndarray) -> np.ndarray:
    """Return the first principal direction of the rows, its largest part positive."""
    centred = values - values.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    first = directions[0]
    return first * np.sign(first[np.argmax(np.abs(first))])
