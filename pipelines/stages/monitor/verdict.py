"""The verdict: pure functions of session-level measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Literal

import numpy as np
import polars as pl

from pipelines.stages.monitor.params import MonitorParams
from pipelines.stages.monitor.scales import SCALES
from pipelines.stages.monitor.steps import DriftWindows

NORMAL_MAD = 1.4826
"""Standard deviation of a normal variable over its median absolute deviation."""
MEDIAN_ERROR = 1.2533
"""Standard error of a median over that of a mean, normal variables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How far one measure moved.

    Attributes
    ----------
    name : str
        The scale's name.
    ratio : float
        Scale of the current window over that of the reference; 1 means unchanged.
    z : float
        The shift over the noise of windows of that length within the reference.
    drifted : bool
    """

    name: str
    ratio: float
    z: float
    drifted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the stage found.

    Attributes
    ----------
    verdict : {"ok", "drift"}
    as_of : date
    reasons : tuple of str
        Why it is a drift; empty otherwise.
    retrain : bool
        Whether a new training is asked for.
    shares : mapping
        Share of measures, of the report's features and of its forecast columns that moved.
    shifts : tuple of Shift
    coverage : float or None
        Valid symbols of the current window over those of the reference, medians.
    """

    verdict: Literal["ok", "drift"]
    as_of: date
    reasons: tuple[str, ...]
    retrain: bool
    shifts: tuple[Shift, ...]
    coverage: float | None
    shares: dict[str, float | None] = field(default_factory=dict)

    def as_record(self) -> dict[str, Any]:
        """Return the verdict in JSON values."""
        return {**asdict(self), "as_of": str(self.as_of)}


def measure_shift(reference: np.ndarray, current: np.ndarray) -> tuple[float, float]:
    """Return the shift of the current median and its robust z-score.

    Parameters
    ----------
    reference, current : numpy.ndarray
        One number a session, in time order; unknown sessions left out.

    Returns
    -------
    shift, z : float
        The difference of the medians, and its ratio to the noise. The noise is the spread, as a scaled
        median absolute deviation, of the medians of all windows of the current length within the
        reference: consecutive sessions resemble each other, and such windows carry that resemblance.
        It is never taken smaller than independent sessions would make it.

    Notes
    -----
    Moving blocks as in Künsch (1989), *Annals of Statistics* 17(3), with the spread of the blocks in
    place of a bootstrap.
    """
    length = len(current)
    centre = np.median(reference)
    blocks = np.median(np.lib.stride_tricks.sliding_window_view(reference, length), axis=1)
    from_blocks = NORMAL_MAD * np.median(np.abs(blocks - np.median(blocks)))
    alone = NORMAL_MAD * np.median(np.abs(reference - centre)) * MEDIAN_ERROR / np.sqrt(length)
    shift = float(np.median(current) - centre)
    noise = float(max(from_blocks, alone))
    return shift, shift / noise if noise > 0 else float(np.sign(shift)) * np.inf if shift else 0.0


def judge_scales(measured: pl.DataFrame, windows: DriftWindows, params: MonitorParams) -> tuple[Shift, ...]:
    """Return the shift of every scale that both windows know well enough.

    Parameters
    ----------
    measured : polars.DataFrame
        Output of `measure_sessions`.
    """
    shifts = []
    for scale in SCALES:
        reference = _known(measured, scale.name, windows.reference)
        current = _known(measured, scale.name, windows.current)
        if len(current) * 2 <= len(windows.current) or len(reference) < params.min_reference_sessions:
            continue
        shift, z = measure_shift(reference, current)
        drifted = abs(z) >= params.thresholds[scale.name] and abs(shift) >= params.min_log_shift
        shifts.append(Shift(name=scale.name, ratio=float(np.exp(shift)), z=z, drifted=drifted))
    return tuple(shifts)


def judge_coverage(measured: pl.DataFrame, windows: DriftWindows) -> float | None:
    """Return the median number of valid symbols in the current window over that in the reference.

    Parameters
    ----------
    measured : polars.DataFrame
        `session` and `symbols`; a session without a row counts as one without symbols.

    Returns
    -------
    float or None
        A fraction, above 1 where symbols were added; None where the reference has none.
    """
    counts = dict(measured.select("session", "symbols").rows())
    usual, now = (
        float(np.median([counts.get(session, 0) for session in window]))
        for window in (windows.reference, windows.current)
    )
    return now / usual if usual else None


def judge(
    measured: pl.DataFrame, windows: DriftWindows, params: MonitorParams, *, training_due: bool
) -> Verdict:
    """Return the verdict of the last session of the current window.

    Parameters
    ----------
    training_due : bool
        Whether a drift would ask for a new training; see `pipelines.stages.monitor.steps.is_training_due`.
    """
    shifts, coverage = judge_scales(measured, windows, params), judge_coverage(measured, windows)
    moved = [shift.drifted for shift in shifts]
    reasons = [
        f"{shift.name.replace('_', ' ')} is {shift.ratio:.2f} times the reference's (z {shift.z:+.1f})"
        for shift in shifts
        if shift.drifted
    ]
    if coverage is not None and coverage < 1 - params.max_coverage_loss:
        reasons.append(f"only {coverage:.0%} of the reference's symbols have valid features")
    return Verdict(
        verdict="drift" if reasons else "ok",
        as_of=windows.current[-1],
        reasons=tuple(reasons),
        retrain=bool(reasons) and training_due,
        shifts=shifts,
        coverage=coverage,
        shares={"measures": sum(moved) / len(moved) if moved else None},
    )


def _known(measured: pl.DataFrame, name: str, sessions: Sequence[date]) -> np.ndarray:
    chosen = measured.filter(pl.col("session").is_in(pl.Series(sessions, dtype=pl.Date).implode()))
    return chosen.get_column(name).drop_nulls().to_numpy()
