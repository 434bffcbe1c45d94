"""From evidence to one verdict a feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

from features.leakcheck.findings import Evidence, Finding
from features.leakcheck.noise import Noise
from features.leakcheck.search import Lookbacks
from features.leakcheck.trial import Trial
from features.leakcheck.value_grid import Flags, Grid

Verdict = Literal["clean", "unbounded look-back", "sees ahead", "unrepeatable", "overreach", "nothing to see"]
REFUSED: tuple[Verdict, ...] = ("sees ahead", "unrepeatable")
"""Verdicts with which a feature must not be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureVerdict:
    """What is said of one feature.

    Parameters
    ----------
    verdict : Verdict
        ``overreach`` reads further back than declared, which is no leak. ``nothing to see``: no value differs
        from another, so no probe could show anything.
    probes : tuple of str
        The probes that it failed, the plainest first.
    first_session, symbol : date, str, optional
        The earliest session seen to depend on what came later, and a symbol with the largest effect.
    effect, effect_deviations : float
        Largest change, in the feature's unit and in its standard deviations; 0 where only nulls came or went.
    appears : bool
        Whether a value came or went.
    lookback_sessions : int, optional
        What the feature was seen to read, in a symbol's own rows, t included; None where it has no end.
    declared_sessions : int, optional
    smallest_visible : float, optional
        The smallest effect that would have been seen, in standard deviations; None if all values are equal.
    values : int
        Values that are no null.
    """

    name: str
    verdict: Verdict
    probes: tuple[str, ...] = ()
    first_session: date | None = None
    symbol: str | None = None
    effect: float = 0.0
    effect_deviations: float = 0.0
    appears: bool = False
    lookback_sessions: int | None = None
    declared_sessions: int | None = None
    smallest_visible: float | None = None
    values: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What was examined, and what is said of each feature."""

    features: tuple[FeatureVerdict, ...]
    symbols: int
    sessions: int
    rows: int
    cuts: int
    own_cuts: int
    runs: int
    notes: tuple[str, ...]

    @property
    def refused(self) -> tuple[FeatureVerdict, ...]:
        """The features that must not be used."""
        return tuple(one for one in self.features if one.verdict in REFUSED)


def judge(
    evidence: Evidence,
    noise: Noise,
    grid: Grid,
    trial: Trial,
    *,
    declared: Mapping[str, int | None],
    unrepeatable: Flags,
    lookbacks: Lookbacks,
    cuts: int,
    own_cuts: int,
    rows: int,
    notes: Sequence[str],
) -> Examination:
    """Return the verdicts; parameters as `features.leakcheck.examination.examine` finds them."""
    features = [
        _judge_feature(
            number,
            evidence,
            noise,
            grid,
            name=name,
            declared=declared[name],
            unrepeatable=bool(unrepeatable[number]),
            lookbacks=lookbacks,
        )
        for number, name in enumerate(trial.names)
    ]
    return Examination(
        features=tuple(features),
        symbols=grid.shape[0],
        sessions=grid.shape[1],
        rows=rows,
        cuts=cuts,
        own_cuts=own_cuts,
        runs=trial.runs,
        notes=(*notes, *_stopped(trial)),
    )


def _judge_feature(
    number: int,
    evidence: Evidence,
    noise: Noise,
    grid: Grid,
    *,
    name: str,
    declared: int | None,
    unrepeatable: bool,
    lookbacks: Lookbacks,
) -> FeatureVerdict:
    found = [one for (feature, _), one in evidence.findings.items() if feature == number]
    scale, endless = float(noise.scale[number, 0, 0]), bool(lookbacks.endless[number])
    verdict = choose_verdict(
        found,
        unrepeatable=unrepeatable,
        declared=declared,
        reach=int(lookbacks.certain[number]),
        endless=endless,
        varies=scale > 0,
    )
    largest = max(found, key=lambda one: one.effect, default=None)
    return FeatureVerdict(
        name=name,
        verdict=verdict,
        probes=tuple(
            dict.fromkeys([*(one.probe for one in found), *(["repetition"] if unrepeatable else [])])
        ),
        first_session=grid.sessions[evidence.earliest[number]] if found else None,
        symbol=grid.symbols[largest.symbol] if largest else None,
        effect=largest.effect if largest else 0.0,
        effect_deviations=largest.effect / scale if largest and scale > 0 else 0.0,
        appears=any(one.appears for one in found),
        lookback_sessions=None if endless else int(lookbacks.seen[number]),
        declared_sessions=declared,
        smallest_visible=float(noise.smallest_visible[number]) / scale if scale > 0 else None,
        values=int(np.isfinite(noise.base[number]).sum()),
    )


def choose_verdict(
    found: Sequence[Finding],
    *,
    unrepeatable: bool,
    declared: int | None,
    reach: int,
    endless: bool,
    varies: bool,
) -> Verdict:
    """Return the gravest verdict that applies.

    Parameters
    ----------
    declared, reach : int
        Sessions that the feature says it reads, and that it was seen to read.
    endless : bool
        Whether no end of what it reads was seen.
    varies : bool
        Whether any of its values differs from another.
    """
    if found:
        return "sees ahead"
    if unrepeatable:
        return "unrepeatable"
    if declared is not None and reach > declared:
        return "overreach"
    if not varies:
        return "nothing to see"
    return "unbounded look-back" if endless and declared is None else "clean"


def _stopped(trial: Trial) -> list[str]:
    if not trial.stopped:
        return []
    return [f"{len(trial.stopped)} of {trial.runs} runs stopped, the first with: {trial.stopped[0]}"]
