"""Linear weights from how steadily each feature has paid, session by session."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from models.linear import CHUNK_ROWS, LinearScorer, RobustScaler

VARIANCE_FLOOR = 0.1


def fit_payoff_scorer(
    matrix: np.ndarray, target: np.ndarray, sessions: np.ndarray, *, lag: int
) -> LinearScorer:
    """Weight each feature by its mean payoff, shrunken by how surely it differs from zero.

    Parameters
    ----------
    matrix, target : numpy.ndarray
        Shapes (rows, features) and (rows,); NaN features count as their median.
    sessions : numpy.ndarray
        Session of each row, ascending, shape (rows,).
    lag : int
        Sessions over which payoffs are correlated: at least the label's horizon less one.

    Returns
    -------
    LinearScorer
        Its coefficients are scaled so that the score is about the expected target (see `_amplitude`).

    Notes
    -----
    The payoff of feature k in a session is the mean of scaled feature times target: about its information
    coefficient. A pooled regression takes rows for independent, but all rows of a session share its
    market and sector moves, and persistent features (beta, volatility) pay on those by luck. So the unit
    of evidence is the session: with mean payoff m, Newey-West variance v of one session's payoff and
    t² = m² T / v, the weight is m · max(0, 1 − 1/t²) / (v + floor), James and Stein's positive-part
    shrinkage (1961) of Grinold and Kahn's information-ratio weights (*Active Portfolio Management*, ch. 12).
    Features are weighed one by one, the limit of a ridge of infinite penalty: joint weights of some
    hundred correlated features cost more in estimation than they gain at such signal-to-noise.
    """
    scaler = RobustScaler.fit(matrix)
    payoffs = compute_payoffs(matrix, target, sessions, scaler)
    weights = weigh_payoffs(payoffs, lag=lag)
    amplitude = _amplitude(matrix, sessions, scaler, payoffs, lag=lag)
    return LinearScorer(scaler=scaler, coefficients=amplitude * weights)


def weigh_payoffs(payoffs: np.ndarray, *, lag: int) -> np.ndarray:
    """Return one weight a feature with absolute values adding up to 1; all 0 if nothing is steady.

    Parameters
    ----------
    payoffs : numpy.ndarray
        Shape (sessions, features), in time order.
    """
    mean, variance = payoffs.mean(axis=0), compute_long_run_variance(payoffs, lag=lag)
    typical = np.median(variance[variance > 0]) if (variance > 0).any() else 1.0
    # A feature that never paid has variance 0 and mean 0: the floors make its weight 0 and not NaN.
    squared_t = mean**2 * len(payoffs) / np.maximum(variance, 1e-300)
    kept = np.maximum(0.0, 1.0 - 1.0 / np.maximum(squared_t, 1e-300))
    weights = mean * kept / (variance + VARIANCE_FLOOR * typical)
    total = np.abs(weights).sum()
    scaled: np.ndarray = weights / total if total > 0 else weights
    return scaled


def compute_long_run_variance(series: np.ndarray, *, lag: int) -> np.ndarray:
    """Return the Newey-West long-run variance of each column: sessions' variance with their overlap.

    Parameters
    ----------
    series : numpy.ndarray
        Shape (sessions, columns). Bartlett weights; never below a tenth of the plain variance.
    """
    count = len(series)
    centred = series - series.mean(axis=0)
    plain = (centred**2).mean(axis=0)
    total = plain.copy()
    for step in range(1, min(lag, count - 1) + 1):
        total += 2 * (1 - step / (lag + 1)) * (centred[step:] * centred[:-step]).sum(axis=0) / count
    # Payoffs that swing back make the sum small by luck of a short series, and the weight would explode.
    kept: np.ndarray = np.maximum(total, 0.1 * plain)
    return kept


def weigh_addition(
    addition: np.ndarray, residual: np.ndarray, sessions: np.ndarray, *, lag: int, doubt: float
) -> float:
    """Return how much of an additional score to take, 0..1, judged on rows that it was not fitted on.

    Parameters
    ----------
    addition, residual : numpy.ndarray
        The additional score, and what the target leaves after the first one, shape (rows,).
    sessions : numpy.ndarray
        Session of each row, ascending, shape (rows,).
    lag : int
        As for `fit_payoff_scorer`.
    doubt : float
        Newey-West standard errors by which the addition's payoff must exceed nothing.

    Returns
    -------
    float
        The residual's slope on the addition within sessions, at most 1, times max(0, 1 − (doubt/t)²): an
        addition whose payoff is within `doubt` standard errors of nothing, or negative, gets 0.
    """
    starts = np.flatnonzero(np.r_[True, sessions[1:] != sessions[:-1]])
    counts = np.diff([*starts, len(sessions)])
    centred = addition - np.repeat(np.add.reduceat(addition, starts) / counts, counts)
    # Centred on one side only: within a session that takes the residual's own mean out as well.
    payoffs = np.add.reduceat(centred * residual, starts)
    power, mean = float(centred @ centred), float(payoffs.mean())
    if power <= 0 or mean <= 0:
        return 0.0
    variance = float(compute_long_run_variance(payoffs[:, None], lag=lag)[0])
    certain = max(0.0, 1.0 - doubt**2 * variance / (mean**2 * len(payoffs)))
    return min(1.0, float(payoffs.sum()) / power) * certain


def _session_chunks(sessions: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield runs of whole sessions of about `CHUNK_ROWS` rows, with each session's first row in the run."""
    starts = np.flatnonzero(np.r_[True, sessions[1:] != sessions[:-1]])
    groups = np.searchsorted(starts, np.arange(0, len(sessions), CHUNK_ROWS))
    # A session cut in two would count twice in `reduceat`; one longer than a chunk gives one start twice.
    bounds = [*np.unique(starts[np.minimum(groups, len(starts) - 1)]), len(sessions)]
    for first, last in pairwise(bounds):
        inside = starts[(starts >= first) & (starts < last)]
        yield slice(int(first), int(last)), inside - first


def compute_payoffs(
    matrix: np.ndarray, target: np.ndarray, sessions: np.ndarray, scaler: RobustScaler
) -> np.ndarray:
    """Return each feature's payoff in each session, shape (sessions, features).

    The payoff is the sum of scaled feature times target over the average session's row count, so a
    session with few symbols weighs less. Arguments as for `fit_payoff_scorer`.
    """
    sums = [
        np.add.reduceat(scaler.transform(matrix[part]) * target[part, None], starts)
        for part, starts in _session_chunks(sessions)
    ]
    stacked = np.concatenate(sums)
    scaled: np.ndarray = stacked * (len(stacked) / len(matrix))
    return scaled


def _amplitude(
    matrix: np.ndarray, sessions: np.ndarray, scaler: RobustScaler, payoffs: np.ndarray, *, lag: int
) -> float:
    """Slope of the target on the score, each half of the sessions scored by the other half's weights.

    In-sample slopes flatter the score, and trees fitted on what it leaves would then undo it. The
    slope orders nothing; it is kept above 0 so that the score never turns round.
    """
    middle = len(payoffs) // 2
    if not middle:
        return 1e-3
    weights = np.stack([weigh_payoffs(payoffs[middle:], lag=lag), weigh_payoffs(payoffs[:middle], lag=lag)])
    rows = len(matrix) / len(payoffs)
    moment = rows * ((payoffs[:middle] @ weights[0]).sum() + (payoffs[middle:] @ weights[1]).sum())
    power, seen = 0.0, 0
    for part, starts in _session_chunks(sessions):
        counts = np.diff([*starts, part.stop - part.start])
        half = np.repeat((np.arange(seen, seen + len(starts)) >= middle).astype(int), counts)
        score = np.einsum("ij,ij->i", scaler.transform(matrix[part]), weights[half])
        score -= np.repeat(np.add.reduceat(score, starts) / counts, counts)
        power, seen = power + float(score @ score), seen + len(starts)
    return max(float(moment / power), 1e-3) if power > 0 else 1e-3
