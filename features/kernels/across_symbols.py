"""Statistics over the symbols of one session."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from features.kernels.compiled import Floats, Integers, compiled

MIN_UNIVERSE = 2
"""Symbols that a session needs before a cross-sectional value is given."""


class Across(IntEnum):
    """Statistic of one session."""

    MEAN = 0
    STD = 1


@compiled
def _gather_session(values: Floats, session: int, sessions: int, sample: Floats, rows: Integers) -> int:
    """Fill `sample` with the known values of one session, in the order of the symbols."""
    count = 0
    for row in range(session, values.size, sessions):
        if not np.isnan(values[row]):
            sample[count] = values[row]
            rows[count] = row
            count += 1
    return count


@compiled
def _summarise(sample: Floats, statistic: int) -> float:
    total = 0.0
    equal = True
    for value in sample:
        total += value
        equal = equal and value == sample[0]
    mean = total / sample.size
    if statistic == Across.MEAN:
        return float(mean)
    if equal:  # the mean of equal values can miss them by a bit, which is no spread
        return 0.0
    squares = 0.0
    for value in sample:
        squares += (value - mean) * (value - mean)
    return float(np.sqrt(squares / (sample.size - 1.0)))


@compiled
def session_statistic(values: Floats, sessions: int, statistic: int) -> Floats:
    """Return, on every row of a session, a statistic (`Across`) over the symbols of that session."""
    out = np.full(values.size, np.nan)
    symbols = values.size // sessions
    sample = np.empty(symbols)
    rows = np.empty(symbols, dtype=np.int64)
    for session in range(sessions):
        count = _gather_session(values, session, sessions, sample, rows)
        if count >= MIN_UNIVERSE:
            out[session::sessions] = _summarise(sample[:count], statistic)
    return out


@compiled
def session_rank(values: Floats, sessions: int) -> Floats:
    """Return the mean rank among the session's known values, mapped to the open interval (−½, ½)."""
    out = np.full(values.size, np.nan)
    symbols = values.size // sessions
    sample = np.empty(symbols)
    rows = np.empty(symbols, dtype=np.int64)
    for session in range(sessions):
        count = _gather_session(values, session, sessions, sample, rows)
        if count < MIN_UNIVERSE:
            continue
        order = np.argsort(sample[:count], kind="mergesort")
        first = 0
        while first < count:
            last = first
            while last + 1 < count and sample[order[last + 1]] == sample[order[first]]:
                last += 1
            for at in range(first, last + 1):
                out[rows[order[at]]] = ((first + last) / 2.0 + 0.5) / count - 0.5
            first = last + 1
    return out
