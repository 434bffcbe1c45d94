"""Qlib's 158 factors of one symbol after the other, every table of windows made once.

Formulas and their order are Qlib's (`Alpha158DL.get_feature_config`); `features.alpha158` says which column
is which factor. As there, single sessions are computed in float32 and windows in float64, unknown values are
skipped, and one known value is enough.
"""

from __future__ import annotations

import numpy as np

from features.kernels import extremes, moments, ordered, pairs, single_bars
from features.kernels.compiled import Floats, compiled
from features.kernels.single_bars import BARS, Singles, put

GROUPS, WINDOWS = 29, 5
"""Groups of factors of windows, and the windows that each has."""
ROC, MA, STD, BETA, RSQR, RESI, MAX, MIN, QTLU, QTLD, RANK, RSV, IMAX, IMIN, IMXD = range(15)
CORR, CORD, CNTP, CNTN, CNTD, SUMP, SUMN, SUMD, VMA, VSTD, WVMA, VSUMP, VSUMN, VSUMD = range(15, GROUPS)
"""Groups in the order of their columns, each with all of its windows."""
FLAT = 2e-5
"""Standard deviation up to which a correlation is unknown, in the units of its input."""
SHARES = (0.8, 0.2)
EPSILON = 1e-12


@compiled
def column(group: int, at: int) -> int:
    """Return the column of a group's factor of the window at one place."""
    return BARS + group * WINDOWS + at


@compiled
def write_ratio(values: Floats, bases: Floats, out: Singles) -> None:
    """Write one factor: values over bases, NaN where either is."""
    for row in range(out.size):
        out[row] = put(values[row] / bases[row], True)


@compiled
def fill_deviations(second: Floats, count: Floats, out: Floats) -> None:
    """Fill standard deviations (n − 1) from sums of squared distances; NaN for a single value."""
    for row in range(out.size):
        out[row] = np.sqrt(second[row] / (count[row] - 1.0))
    for row in range(out.size):
        out[row] = out[row] if count[row] > 1.0 else np.nan


@compiled
def write_trends(line: Floats, close: Floats, at: int, out: Singles) -> None:
    """Write what rests on the co-moments of close and time."""
    # A loop for each output: measured a quarter quicker than one that writes all five.
    spread, slope, rest = np.empty(close.size), np.empty(close.size), np.empty(close.size)
    mean, middle, product = line[pairs.Y_MEAN], line[pairs.X_MEAN], line[pairs.PRODUCT]
    variation, time = line[pairs.Y_SECOND], line[pairs.X_SECOND]
    fill_deviations(variation, line[pairs.COUNT], spread)
    for row in range(close.size):
        slope[row] = product[row] / time[row]
    for row in range(close.size):
        rest[row] = close[row] - (mean[row] - slope[row] * middle[row])
    write_ratio(mean, close, out[column(MA, at)])
    write_ratio(spread, close, out[column(STD, at)])
    write_ratio(slope, close, out[column(BETA, at)])
    write_ratio(rest, close, out[column(RESI, at)])
    for row in range(close.size):
        slope[row] = slope[row] * product[row] if spread[row] > FLAT else np.nan
    write_ratio(slope, variation, out[column(RSQR, at)])


@compiled
def write_change(close: Floats, scale: Floats, window: int, out: Singles) -> None:
    """Write ROC."""
    out[:window] = np.nan
    before, units, now, made = close[: close.size - window], scale[window:], close[window:], out[window:]
    for row in range(made.size):
        made[row] = put(before[row] * units[row] / now[row], units[row] != 0.0)


@compiled
def write_correlations(pair: Floats, close: Floats, out: Singles) -> None:
    """Write correlations, unknown where either side hardly moves."""
    for row in range(close.size):
        least = FLAT * FLAT * (pair[pairs.COUNT, row] - 1.0)
        y, x = pair[pairs.Y_SECOND, row], pair[pairs.X_SECOND, row]
        known = not np.isnan(close[row]) and y > least and x > least
        out[row] = put(pair[pairs.PRODUCT, row] / np.sqrt(y * x), known)


@compiled
def _last_pairs(close: Floats, volume: Floats, units: Floats, window: int) -> tuple[Floats, Floats]:
    """Return the distances of close and ln(volume + 1) from their means, in the last session's units."""
    y, x = np.empty(window), np.empty(window)
    count, price, share = 0, 1.0, 1.0
    for at in range(close.size - 1, max(close.size - 1 - window, -1), -1):
        if not (np.isnan(close[at]) or np.isnan(volume[at])):
            y[count], x[count] = close[at] * price, np.log(volume[at] * share + 1.0)
            count += 1
        price *= units[0, at]
        share *= units[1, at]
        if price == 0.0:
            break
    return y[:count] - y[:count].mean(), x[:count] - x[:count].mean()


@compiled
def correct_correlations(close: Floats, volume: Floats, units: Floats, window: int, out: Singles) -> None:
    """Write CORR anew where the units of volume change within the window, row by row and in two passes.

    The logarithm of a rescaled volume is no rescaled logarithm, so tables cannot hold it.
    """
    changed = -window
    for row in range(close.size):
        changed = row if units[1, row] != 1.0 else changed
        if row - changed < window - 1 and not np.isnan(close[row]):
            now = slice(0, row + 1)
            y, x = _last_pairs(close[now], volume[now], units[:, now], window)
            yy, xx = (y * y).sum(), (x * x).sum()
            known = min(yy, xx) > FLAT * FLAT * (y.size - 1.0)
            out[row] = put((y * x).sum() / np.sqrt(yy * xx), known)


@compiled
def write_place(spans: Floats, best: Floats, age: Floats, window: int, out: Singles) -> None:
    """Write IMAX or IMIN: sessions from a window's first bar to its extreme."""
    for row in range(out.size):
        # Both are whole numbers, whose quotient single precision rounds as double precision would.
        out[row] = put(np.float32(spans[row] - age[row]) / np.float32(window), abs(best[row]) < np.inf)


@compiled
def write_ranges(
    high: Floats, low: Floats, rows: tuple[Floats, Floats], size: tuple[int, int], out: Singles
) -> None:
    """Write what rests on the highest high and the lowest low.

    Parameters
    ----------
    rows : (shape (n_sessions,), shape (n_sessions,))
        Closes, and sessions from the window's first bar to its last.
    size : (int, int)
        Place of the window among all, and its sessions.
    """
    # A loop for each output, here and below: several values at once.
    close, spans = rows
    at, window = size
    highest, lowest = high[extremes.BEST], low[extremes.BEST]  # the lowest with its sign turned
    ratio, difference = out[column(RSV, at)], out[column(IMXD, at)]
    write_ratio(highest, close, out[column(MAX, at)])
    write_ratio(lowest, -close, out[column(MIN, at)])
    write_place(spans, highest, high[extremes.AGE], window, out[column(IMAX, at)])
    write_place(spans, lowest, low[extremes.AGE], window, out[column(IMIN, at)])
    for row in range(close.size):
        ratio[row] = put((close[row] + lowest[row]) / (highest[row] + lowest[row] + EPSILON), True)
    for row in range(close.size):
        apart = np.float32(low[extremes.AGE, row] - high[extremes.AGE, row])
        difference[row] = put(apart / np.float32(window), abs(highest[row] + lowest[row]) < np.inf)


@compiled
def write_quantile(around: Floats, count: Floats, share: float, close: Floats, out: Singles) -> None:
    """Write a quantile, linear between the two values around it."""
    for row in range(out.size):
        place = share * (count[row] - 1.0)
        part = place - np.floor(place)
        step = (around[1, row] - around[0, row]) * part if part > 0.0 else 0.0
        out[row] = put((around[0, row] + step) / close[row], not np.isnan(close[row]))


@compiled
def write_order(order: Floats, close: Floats, at: int, out: Singles) -> None:
    """Write ranks and quantiles."""
    count, reached = order[ordered.COUNT], order[ordered.REACHED]
    upper, lower = order[ordered.UPPER : ordered.UPPER + 2], order[ordered.LOWER : ordered.LOWER + 2]
    write_quantile(upper, count, SHARES[0], close, out[column(QTLU, at)])
    write_quantile(lower, count, SHARES[1], close, out[column(QTLD, at)])
    rank = out[column(RANK, at)]
    for row in range(rank.size):
        rank[row] = put((reached[row] / 2.0 + 1.0) / count[row], not np.isnan(close[row]))


@compiled
def write_volumes(traded: Floats, volume: Floats, moved: Floats, at: int, out: Singles) -> None:
    """Write what rests on the moments of volume and of volume times the absolute return."""
    spread, base = np.empty(volume.size), np.empty(volume.size)
    for row in range(volume.size):  # in float32, where 1e-12 matters to a volume of zero alone
        base[row] = np.float32(volume[row]) + single_bars.TINY
    write_ratio(traded[moments.MEAN], base, out[column(VMA, at)])
    fill_deviations(traded[moments.SECOND], traded[moments.COUNT], spread)
    write_ratio(spread, base, out[column(VSTD, at)])
    fill_deviations(moved[moments.SECOND], moved[moments.COUNT], spread)
    for row in range(volume.size):
        base[row] = moved[moments.MEAN, row] + EPSILON
    write_ratio(spread, base, out[column(WVMA, at)])


@compiled
def write_balance(up: Floats, down: Floats, count: Floats, places: tuple[int, int], out: Singles) -> None:
    """Write a group of sums of rises, its falls and its difference, as shares of both."""
    group, at = places
    both, balance = np.empty(up.size), np.empty(up.size)
    for row in range(up.size):
        both[row] = up[row] + down[row] + EPSILON if count[row] > 0.0 else np.nan
    for row in range(up.size):
        balance[row] = up[row] - down[row]
    write_ratio(up, both, out[column(group, at)])
    write_ratio(down, both, out[column(group + 1, at)])
    write_ratio(balance, both, out[column(group + 2, at)])


@compiled
def write_counts(changes: tuple[Floats, Floats], spans: Floats, at: int, out: Singles) -> None:
    """Write the shares of sessions that closed higher and lower; unknown where spans are 0."""
    risen, fallen = changes
    more, less, difference = out[column(CNTP, at)], out[column(CNTN, at)], out[column(CNTD, at)]
    for row in range(spans.size):
        more[row] = put(risen[row] / spans[row], spans[row] > 0.0)
    for row in range(spans.size):
        less[row] = put(fallen[row] / spans[row], spans[row] > 0.0)
    for row in range(spans.size):
        difference[row] = put(risen[row] / spans[row] - fallen[row] / spans[row], spans[row] > 0.0)
