"""What prices and volumes around a change of units tell of it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

OFF = 1.0
"""Ticks by which a price may be off: half by its own rounding, half by that of what it was made from."""
NOISE = 2e-7
"""Relative width that single precision adds to a rounded price."""
VOLUME_NOISE = 0.02
"""Relative distance within which the ratio of volumes is that of the prices, or one."""
LEAST_MOVE = math.log(1.4)
"""A smaller change of units cannot be told from a move of the market."""


def find_change(positions: Integers, closes: Floats, recent: NDArray[np.bool_], move: float) -> int:
    """Return the first session in new units, where a delivery's restated past ends before what stands.

    A vendor may keep its past in several files: the one for October, restated, says nothing of where in
    November units changed, and what stands of November is in the old ones unless its prices moved so, or came
    on the very evening in a file of its own.

    Parameters
    ----------
    positions : ndarray of shape (n,)
        The last session that is shown in new units, and those after it that stand, ascending.
    closes : ndarray of shape (n,)
        As they stand, in price units.
    recent : ndarray of bool of shape (n,)
        Whether they were first delivered on the evening of this delivery.
    move : float
        Logarithm of new units over old ones.

    Returns
    -------
    int
        The first session whose close moved as the units did, else the first recent one, else the one after
        all that stand.
    """
    alike = np.abs(np.diff(np.log(closes)) - move) <= abs(move) / 2
    for told in (alike & (abs(move) >= LEAST_MOVE), recent[1:]):
        if told.any():
            return int(positions[np.argmax(told) + 1])
    return int(positions[-1]) + 1


def share_ratio(volumes: Floats, standing: Floats, price: float, outer: float) -> float:
    """Return the ratio of delivered volumes to old ones: that of the prices, none, or what it is.

    Parameters
    ----------
    volumes, standing : ndarray of shape (n,)
        Shares, as delivered and as they stand.
    price, outer : float
        Old price units in one new, and what holds after the change.
    """
    told = (standing > 0) & (volumes > 0)
    if not told.any():
        return price
    logs = np.log(volumes[told] / standing[told])
    middle = float(np.median(logs))
    exact = 1e-6 + 1.0 / float(np.median(standing[told]))
    near = [ratio for ratio in (outer, price) if abs(middle - np.log(ratio)) < VOLUME_NOISE]
    if same := [ratio for ratio in near if abs(middle - np.log(ratio)) <= exact]:
        return same[0]
    steady = float(np.median(np.abs(logs - middle))) < VOLUME_NOISE
    return float(np.exp(middle)) if steady else (near or [outer])[-1]


def room_of(ticks: Floats, standing: Floats, prices: Floats) -> Floats:
    """Return by how much a rounded price may miss another one."""
    room: Floats = OFF * (ticks + standing) * (1 + 1e-9) + NOISE * prices
    return room


def ratio_bounds(
    prices: Floats, ticks: Floats, standing: Floats, standing_ticks: Floats
) -> tuple[Floats, Floats]:
    """Return bounds of the log ratio of each session, from its four prices and what rounding leaves open."""
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.log((prices - OFF * ticks) / (standing + OFF * standing_ticks)) - NOISE
        high = np.log((prices + OFF * ticks) / (standing - OFF * standing_ticks)) + NOISE
    # A price of less than a tick bounds nothing.
    return (
        np.where(np.isnan(low), -np.inf, low).max(axis=0),
        np.where(np.isnan(high), np.inf, high).min(axis=0),
    )
