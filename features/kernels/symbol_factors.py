"""All 158 factors of a panel: which tables are made of what, and which factors are written from them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from features.kernels import factors, ordered, single_bars
from features.kernels.compiled import Floats, Integers, compiled
from features.kernels.extremes import fill_best
from features.kernels.factors import CORD, CORR, ROC, SHARES, SUMP, VSUMP, column
from features.kernels.moments import fill_spreads
from features.kernels.ordered import slide_order
from features.kernels.pairs import fill_lines
from features.kernels.single_bars import (
    CLOSE,
    DERIVED,
    HIGH,
    LOG_CHANGE,
    LOG_VOLUME,
    LOW,
    VOLUME,
    Singles,
)
from features.kernels.sums import add_totals, fill_scales

Bits = NDArray[np.uint8]
Plan = tuple[Integers, Integers]
"""Steps of the ladder, and the numbers of the tables of the five windows."""
Scales = tuple[Floats, Floats, Floats]
"""Units of prices and of volumes in each window, and ones; each of shape (n_tables, n_sessions)."""


@compiled
def _find_next_bars(close: Floats) -> Integers:
    """Return the first session from each on that has a bar, the number of sessions where none has."""
    following = np.empty(close.size, dtype=np.int64)
    first = close.size
    for row in range(close.size - 1, -1, -1):
        first = first if np.isnan(close[row]) else row
        following[row] = first
    return following


@compiled
def _find_first_bars(close: Floats, cuts: Floats) -> Floats:
    """Return first bars of windows, from which `_fill_spans` counts.

    Parameters
    ----------
    cuts : shape (n_sessions,)
        0 where the units changed in a way that nobody knows.

    Returns
    -------
    numpy.ndarray, shape (3, n_sessions)
        Of windows that begin with each session: of the whole window, for which the session before it is
        looked at too, and without looking; and of those that begin with the last cut before each session.
    """
    following = _find_next_bars(close)
    first = np.empty((3, close.size))
    first[1] = following
    cut = 0
    for row in range(close.size):
        cut = row if cuts[row] == 0.0 else cut
        # A bar just before the window tells a missing first session from one before the listing.
        listed = row > 0 and following[row - 1] == row - 1
        first[0, row] = row if listed else following[row]
        first[2, row] = following[cut]
    return first


@compiled
def _fill_spans(first: Floats, window: int, out: Floats) -> None:
    """Fill the sessions from each window's first bar to its last session.

    Parameters
    ----------
    first : shape (3, n_sessions)
        See `_find_first_bars`.
    out : shape (2, n_sessions)
        Of the whole window, and of what lies in the units of its last session; 0 without a bar.
    """
    begun = min(window - 1, out.shape[1])
    for row in range(begun):  # windows that begin with the first session
        out[0, row] = max(row - first[0, 0] + 1.0, 0.0)
        out[1, row] = max(row - max(first[1, 0], first[2, row]) + 1.0, 0.0)
    whole, units, cut = out[0, begun:], out[1, begun:], first[2, begun:]
    opening, following = first[0], first[1]
    for row in range(whole.size):
        whole[row] = max(row + begun - opening[row] + 1.0, 0.0)
    for row in range(whole.size):
        units[row] = max(row + begun - max(following[row], cut[row]) + 1.0, 0.0)


@compiled
def _prices(rows: Floats, scales: Scales, plan: Plan, tables: Floats, out: Singles) -> None:
    """Write what rests on closes and volumes in pairs."""
    close, log_volume, ratio, log_change, since = rows
    steps, places = plan
    fill_lines(close, since, scales[0], (steps, True), tables)
    for at in range(places.size):
        made, window = places[at], steps[places[at], 0]
        factors.write_change(close, scales[0][made], window, out[column(ROC, at)])
        factors.write_trends(tables[made], close, at, out)
    fill_lines(close, log_volume, scales[0], (steps, False), tables)
    for at in range(places.size):
        factors.write_correlations(tables[places[at]], close, out[column(CORR, at)])
    fill_lines(ratio, log_change, scales[2], (steps, False), tables)
    for at in range(places.size):
        factors.write_correlations(tables[places[at]], close, out[column(CORD, at)])


@compiled
def _ranges(rows: Floats, scales: Scales, plan: Plan, tables: tuple[Floats, Floats], out: Singles) -> None:
    """Write what rests on extremes, ranks, quantiles and counts of sessions."""
    close, high, low, risen, fallen = rows
    steps, places = plan
    best, worst = tables
    order, spans = np.empty((places.size, ordered.ROWS, close.size)), np.empty((2, close.size))
    windows = np.array([steps[made, 0] for made in places])
    slide_order(close, scales[0][0], windows, SHARES, order)
    first = _find_first_bars(close, scales[0][0])
    totals = np.empty((2, steps.shape[0], close.size))
    # Of equal values the oldest counts, as to NumPy's argmax.
    fill_best(high, scales[0], steps, (1.0, True), best)
    fill_best(low, scales[0], steps, (-1.0, True), worst)
    add_totals(risen, scales[2], steps, totals[0])
    add_totals(fallen, scales[2], steps, totals[1])
    for at in range(places.size):
        made, window = places[at], steps[places[at], 0]
        _fill_spans(first, window, spans)
        factors.write_ranges(best[made], worst[made], (close, spans[1]), (at, window), out)
        factors.write_order(order[at], close, at, out)
        factors.write_counts((totals[0, made], totals[1, made]), spans[0], at, out)


@compiled
def _balances(rows: Floats, scale: Floats, plan: Plan, group: int, out: Singles) -> None:
    """Write the three groups of what rose and what fell; `rows` are up, down and whether it is known."""
    steps, places = plan
    totals = np.empty((3, steps.shape[0], rows.shape[1]))
    for one in range(3):
        add_totals(rows[one], scale, steps, totals[one])
    for at in range(places.size):
        made = places[at]
        factors.write_balance(totals[0, made], totals[1, made], totals[2, made], (group, at), out)


@compiled
def _volumes(rows: Floats, scale: Floats, plan: Plan, tables: tuple[Floats, Floats], out: Singles) -> None:
    """Write what rests on volumes alone."""
    steps, places = plan
    traded, moved = tables
    fill_spreads(rows[0], scale, steps, traded)
    fill_spreads(rows[1], scale, steps, moved)
    for at in range(places.size):
        factors.write_volumes(traded[places[at]], rows[0], moved[places[at]], at, out)


@compiled
def _store_factors(made: Singles, first: int, out: Singles, known: Bits) -> None:
    """Store the factors of one symbol, whose rows begin at `first`, and clear the bits of what is unknown."""
    for column_at in range(made.shape[0]):
        values, stored = made[column_at], out[column_at, first : first + made.shape[1]]
        unknown = 0
        for row in range(values.size):
            stored[row] = values[row]
            unknown += 1 if np.isnan(values[row]) else 0
        for row in range(values.size):
            if unknown == 0:  # mostly the first few sessions alone
                break
            if np.isnan(values[row]):
                unknown -= 1
                known[column_at, (first + row) >> 3] &= np.uint8(~(1 << ((first + row) & 7)) & 255)


@compiled
def compute_factors(
    inputs: Singles, scales: Floats, sessions: int, plan: Plan, filled: tuple[Singles, Bits]
) -> None:
    """Fill the 158 factors of every row.

    Parameters
    ----------
    inputs : shape (8, n_rows)
        See `features.kernels.single_bars`: bars of one symbol after the other, NaN where unknown.
    scales : shape (2, n_rows), or (2, 0) for all ones
        Units of prices and of volumes, see `features.kernels`.
    sessions : int
        Rows of each symbol.
    plan : (shape (n_tables, 3), shape (5,))
    filled : (shape (158, n_rows), shape (158, ≥ n_rows / 8))
        The factors, NaN where unknown, and set bits (as Arrow counts them), cleared where unknown.
    """
    steps, places = plan
    out, known = filled
    # What one symbol's rows are made of stays near the processor, and rows of whole arrays lie without gaps.
    bars, made = (
        np.empty((inputs.shape[0], sessions), np.float32),
        np.empty((out.shape[0], sessions), np.float32),
    )
    units = np.ones((2, sessions))
    price, share = np.ones((steps.shape[0], sessions)), np.ones((steps.shape[0], sessions))
    ones = np.ones((steps.shape[0], sessions))
    derived = np.empty((DERIVED, sessions))
    rows = np.empty((5, sessions))
    lines = np.empty((steps.shape[0], 6, sessions))
    one, other = np.empty((steps.shape[0], 3, sessions)), np.empty((steps.shape[0], 3, sessions))
    for first in range(0, inputs.shape[1], sessions):
        bars[:] = inputs[:, first : first + sessions]
        if scales.shape[1] > 0:
            units[:] = scales[:, first : first + sessions]
            fill_scales(units[0], steps, price)
            fill_scales(units[1], steps, share)
        single_bars.derive_changes(bars, units[0], units[1], derived)
        single_bars.write_bars(bars, made)
        rows[0], rows[1], rows[2], rows[3], rows[4] = (
            bars[CLOSE], bars[LOG_VOLUME], derived[single_bars.RATIO], bars[LOG_CHANGE], 0.0
        )  # fmt: skip
        _prices(rows, (price, share, ones), plan, lines, made)
        rows[1], rows[2] = bars[HIGH], bars[LOW]
        rows[3], rows[4] = derived[single_bars.RISEN], derived[single_bars.FALLEN]
        _ranges(rows, (price, share, ones), plan, (one, other), made)
        _balances(derived[single_bars.GAIN : single_bars.MOVED + 1], price, plan, SUMP, made)
        _balances(derived[single_bars.MORE : single_bars.CHANGED + 1], share, plan, VSUMP, made)
        rows[0], rows[1] = bars[VOLUME], derived[single_bars.TRADED]
        _volumes(rows, share, plan, (one, other), made)
        rows[1] = bars[CLOSE]
        for at in range(places.size if (units[1] != 1.0).any() else 0):
            window = steps[places[at], 0]
            factors.correct_correlations(rows[1], rows[0], units, window, made[column(CORR, at)])
        for row in range(sessions):
            if np.isnan(bars[CLOSE, row]):
                made[:, row] = np.nan
        _store_factors(made, first, out, known)
