"""Qlib's Alpha158: 158 factors of daily bars, column for column, behind the prefix ``a158_``.

The formulas are those of `qlib.contrib.data.loader.Alpha158DL` (Yang et al., 2020, Qlib: An AI-oriented
Quantitative Investment Platform, arXiv 2009.11189). Close, volume and so on are those of one session; a
window of n ends with it. Elementwise steps are taken in float32 and windows in float64, as there. What
differs is told in decision 34: older prices and volumes are brought to the units of the last session; a
window in which bars are missing begins with its first bar, where Qlib's positions begin with a missing one;
CORR and CORD look at known pairs alone; and vwap is (high + low + close) / 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from features import windows
from features.feature import Feature
from features.kernels import single_bars, symbol_factors
from features.kernels.compiled import Floats, Integers
from features.kernels.ladder import ladder
from features.panel import dense_panel, mask_bars
from features.sessions import SessionCalendar

PREFIX = "a158_"
WINDOWS = (5, 10, 20, 30, 60)

_BARS = {
    "KMID": "(close − open) / open",
    "KLEN": "(high − low) / open",
    "KMID2": "(close − open) / (high − low + 1e-12)",
    "KUP": "(high − max(open, close)) / open",
    "KUP2": "(high − max(open, close)) / (high − low + 1e-12)",
    "KLOW": "(min(open, close) − low) / open",
    "KLOW2": "(min(open, close) − low) / (high − low + 1e-12)",
    "KSFT": "(2 close − high − low) / open",
    "KSFT2": "(2 close − high − low) / (high − low + 1e-12)",
    "OPEN0": "open / close",
    "HIGH0": "high / close",
    "LOW0": "low / close",
    "VWAP0": "vwap / close; vwap is (high + low + close) / 3",
}
_WINDOWED = {
    "ROC": "close n sessions before / close",
    "MA": "mean of closes / close",
    "STD": "std (n − 1) of closes / close",
    "BETA": "slope of closes on time / close",
    "RSQR": "R² of closes on time; unknown where their std is at most 2e-5",
    "RESI": "distance of the close from that line / close",
    "MAX": "highest high / close",
    "MIN": "lowest low / close",
    "QTLU": "80 % quantile of closes / close",
    "QTLD": "20 % quantile of closes / close",
    "RANK": "rank of the close as a share, ties averaged",
    "RSV": "(close − lowest low) / (highest high − lowest low + 1e-12)",
    "IMAX": "place of the highest high, from 1, the first of equals / n",
    "IMIN": "place of the lowest low, from 1, the first of equals / n",
    "IMXD": "IMAX − IMIN",
    "CORR": "correlation of close and ln(volume + 1); unknown where either std is at most 2e-5",
    "CORD": "correlation of close / close before and ln(volume / volume before + 1); unknown as CORR",
    "CNTP": "share of sessions with a close above the one before",
    "CNTN": "share of sessions with a close below the one before",
    "CNTD": "CNTP − CNTN",
    "SUMP": "sum of rises of the close / (sum of absolute changes + 1e-12)",
    "SUMN": "sum of falls of the close / (sum of absolute changes + 1e-12)",
    "SUMD": "(sum of rises − sum of falls) / (sum of absolute changes + 1e-12)",
    "VMA": "mean of volumes / (volume + 1e-12)",
    "VSTD": "std (n − 1) of volumes / (volume + 1e-12)",
    "WVMA": "std (n − 1) of |return| · volume / (its mean + 1e-12)",
    "VSUMP": "sum of rises of volume / (sum of absolute changes + 1e-12)",
    "VSUMN": "sum of falls of volume / (sum of absolute changes + 1e-12)",
    "VSUMD": "(sum of rises − sum of falls) / (sum of absolute changes + 1e-12), of volume",
}
_READ_BEFORE = (
    *("ROC", "CORD", "CNTP", "CNTN", "CNTD", "SUMP", "SUMN", "SUMD"),
    *("WVMA", "VSUMP", "VSUMN", "VSUMD"),
)
"""Groups that read one session before their window."""

FACTORS: tuple[str, ...] = (*_BARS, *(f"{group}{window}" for group in _WINDOWED for window in WINDOWS))
"""Qlib's names in Qlib's order."""

_SCALES = ("price_adjustment_factor", "share_adjustment_factor")
_INPUTS = ("open", "high", "low", "close", "vwap", "volume")
_SOURCE = "Qlib, Alpha158DL.get_feature_config; Yang et al. (2020), arXiv 2009.11189"


def compute_factors(panel: pl.DataFrame) -> NDArray[np.float32]:
    """Compute all factors of a masked panel (`features.panel.mask_bars`).

    Parameters
    ----------
    panel : polars.DataFrame, shape (n_symbols × n_sessions, …)
        Dense, sorted by symbol and session, nulls without a bar, with the factors of its actions.

    Returns
    -------
    numpy.ndarray, shape (158, n_symbols × n_sessions)
        In the order of `FACTORS`, known at the close of each session; NaN where unknown.

    Notes
    -----
    CORR and CORD rest on NumPy's logarithm for float32, whose bits are the same wherever a slice starts, with
    AVX2 and with AVX-512; a processor without AVX2 computes others.
    """
    return _compute(panel)[0]


def _compute(panel: pl.DataFrame) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return the factors, and which of them are known in the bits of Arrow."""
    sessions = windows.sessions_of(panel.get_column("position"))
    vwap = (pl.col("high") + pl.col("low") + pl.col("close")) / 3.0
    inputs = np.empty((8, panel.height), dtype=np.float32)
    bars = panel.with_columns(vwap=vwap).select(_INPUTS)
    with np.errstate(over="ignore"):
        for row, series in zip(inputs, bars.iter_columns(), strict=False):
            row[:] = series.fill_null(np.nan).to_numpy()
    prices = inputs[: len(_INPUTS)]
    prices[np.isinf(prices)] = np.nan  # what float32 cannot hold is unknown
    scales = _scales(panel)
    arguments = single_bars.log_arguments(inputs[single_bars.VOLUME], scales[1], sessions)
    with np.errstate(divide="ignore", invalid="ignore"):
        np.log(arguments, out=inputs[single_bars.LOG_VOLUME :])
    out = np.empty((len(FACTORS), panel.height), dtype=np.float32)
    known = np.full((len(FACTORS), (panel.height + 7) // 8), 0xFF, dtype=np.uint8)
    symbol_factors.compute_factors(inputs, scales, sessions, _plan(), (out, known))
    return out, known


def _scales(panel: pl.DataFrame) -> Floats:
    """Return what a unit of the session before counts, prices and volumes; empty where nothing happened."""
    factors = np.stack([panel.get_column(name).fill_null(np.nan).to_numpy() for name in _SCALES])
    return np.empty((2, 0)) if (factors == 1.0).all() else windows.scales_of(factors)


def _plan() -> tuple[Integers, Integers]:
    steps = ladder(*WINDOWS)
    return steps, np.searchsorted(steps[:, 0], WINDOWS)


def compute_alpha158(
    rows: pl.DataFrame, sessions: pl.DataFrame, calendar: SessionCalendar, features: Sequence[Feature]
) -> pl.DataFrame:
    """Compute factors of bars and actions as known at one instant; see `features.views.FeatureView`.

    Returns
    -------
    polars.DataFrame, shape (n_symbols × n_sessions, 2 + n_features)
        symbol, session and one Float32 column a factor: rounded once, here. Null means unknown.
    """
    del calendar  # no factor looks at days
    panel = mask_bars(dense_panel(rows, sessions))
    values, known = _compute(panel)
    place = {f"{PREFIX}{name}": at for at, name in enumerate(FACTORS)}
    chosen = [place[one.name] for one in features]
    columns = [_column_of(values[at], known[at]) for at in chosen]
    return panel.select("symbol", "session").with_columns(
        pl.Series(one.name, column) for one, column in zip(features, columns, strict=True)
    )


def _column_of(values: NDArray[np.float32], known: NDArray[np.uint8]) -> pa.Array:
    """Return one factor with its nulls; nothing is copied."""
    return pa.Array.from_buffers(pa.float32(), values.size, [pa.py_buffer(known), pa.py_buffer(values)])


def _column(series: Sequence[pl.Series], *, factor: str) -> NDArray[np.float32]:
    """Return one factor from the columns that all of them read."""
    values: NDArray[np.float32] = compute_factors(pl.DataFrame(list(series)))[FACTORS.index(factor)]
    return values


def _unit(group: str) -> str:
    if group.startswith(("COR", "RSQR")):
        return "correlation" if group.startswith("COR") else "fraction"
    return "fraction of the close per session" if group == "BETA" else "ratio"


def _lookback(factor: str) -> int:
    if factor in _BARS:
        return 1
    group = factor.rstrip("0123456789")
    return int(factor.removeprefix(group)) + (group in _READ_BEFORE)


def _factor(factor: str) -> Feature:
    group = factor if factor in _BARS else factor.rstrip("0123456789")
    sessions = factor.removeprefix(group)
    return Feature(
        name=f"{PREFIX}{factor}",
        family="a158",
        unit=_unit(group),
        definition=_BARS[factor] if factor in _BARS else f"{_WINDOWED[group]}; n = {sessions}",
        lookback_sessions=_lookback(factor),
        source=_SOURCE,
        expression=windows.map_kernel([*_INPUTS[:4], "volume", *_SCALES, "position"], _column, factor=factor),
    )


FEATURES: tuple[Feature, ...] = tuple(_factor(factor) for factor in FACTORS)
"""The factors as features, in Qlib's order."""
