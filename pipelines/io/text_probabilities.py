"""From a classifier's outputs to probabilities that come out the same every time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Probabilities = NDArray[np.float64]

DECIMALS = 6
"""Probabilities are rounded: what is left of the arithmetic's dependence on a batch lies below."""


def compute_probabilities(logits: Probabilities) -> Probabilities:
    """Return the softmax of each row, rounded; what rounding leaves over goes to neutral.

    Parameters
    ----------
    logits : array of shape (n_texts, 3)
        Negative, neutral, positive.
    """
    raised = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    rounded: Probabilities = np.round(raised / raised.sum(axis=1, keepdims=True), DECIMALS)
    rounded[:, 1] = np.round(1 - rounded[:, 0] - rounded[:, 2], DECIMALS)
    return rounded
