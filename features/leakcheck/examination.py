"""The whole check of one feature function: runs, noise, probes, searches, verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import polars as pl

from features.leakcheck.disturbances import (
    average_versions,
    drop_rows,
    scramble_after_open,
    scramble_rows,
    scramble_values,
)
from features.leakcheck.everywhere import look_everywhere
from features.leakcheck.findings import Evidence
from features.leakcheck.noise import (
    STEPS,
    Noise,
    changed_cells,
    differences,
    measure_noise,
    rounds_in_single,
)
from features.leakcheck.probes import Limits, Probe, ProbeMaker
from features.leakcheck.search import find_first_sessions, find_lookbacks
from features.leakcheck.trial import MakeCompute, Trial
from features.leakcheck.value_grid import AT, WHO, FeatureOutputError, Flags, Grid, Values
from features.leakcheck.verdicts import Examination, judge

Known = Literal["close", "open", "before"]
NOISE_RUNS = 3
EARLY_SHARE = 0.3
"""Where the history ends that is run first and once more: what a run leaves behind for the next shows."""
REPEATED = 1e-9
"""Share of a feature's largest value up to which two runs of equal rows are the same."""
MOST_STOPPED = 0.5
"""Share of disturbed runs that may stop before nothing can be said."""
NO_VERSIONS = (
    "late version did not apply: features(bars) takes every row as a bar; it is given one row a bar, as "
    "known at each cut"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a feature function says of itself.

    Parameters
    ----------
    lookback : int or mapping
        Sessions that a value reads, its own included: of all features, or by name; absent means undeclared.
    known : mapping
        When a value is known, by name: at the ``close`` of its session (where absent), at its ``open``, or
        ``before`` it.
    """

    lookback: int | Mapping[str, int] | None = None
    known: Mapping[str, Known] = field(default_factory=dict)

    def lookback_of(self, name: str) -> int | None:
        """Return the declared look-back of a feature, None where there is none."""
        return self.lookback.get(name) if isinstance(self.lookback, Mapping) else self.lookback

    def check_names(self, names: tuple[str, ...]) -> None:
        """Refuse names that no feature bears.

        Raises
        ------
        FeatureOutputError
            Naming them.
        """
        lookbacks = set(self.lookback) if isinstance(self.lookback, Mapping) else set()
        strange = sorted((lookbacks | set(self.known)).difference(names))
        if strange:
            msg = (
                f"LOOKBACK or KNOWN name {strange}, which features(bars) does not return; it returns "
                f"{list(names)}"
            )
            raise FeatureOutputError(msg)


def examine(
    make: MakeCompute,
    rows: pl.DataFrame,
    declared: Declared,
    *,
    seed: int = 0,
    limits: Limits | None = None,
    versions: bool = True,
) -> Examination:
    """Disturb what features must not see, and report which of them change.

    Parameters
    ----------
    make : callable
        Returns the feature function, fresh; it is called once a run, some hundred times.
    rows : polars.DataFrame
        symbol, session, known_at and values, sorted by symbol and session; every row known by the cut of its
        session (`cutoff_at`, where there is one).
    declared : Declared
    seed : int
        Of everything that is drawn; equal seeds give equal reports.
    limits : Limits, optional
    versions : bool
        Whether later versions may be added to the rows.

    Returns
    -------
    Examination
        One verdict a feature.

    Raises
    ------
    FeatureOutputError
        If the function cannot be examined: it stops, changes its argument, returns no numbers or doubled
        rows, or declares what it does not return.
    """
    limits = limits or Limits()
    grid = Grid.of(rows)
    if grid.shape[1] < 10:
        msg = f"the bars hold {grid.shape[1]} sessions; give at least 10, and more than the look-back"
        raise FeatureOutputError(msg)
    placed = grid.place(rows.with_columns(pl.col(pl.Float64).fill_nan(None)))
    trial = Trial(make, grid)
    maker = ProbeMaker(placed, grid, seed)
    base, unrepeatable = _repeat(trial, maker)
    declared.check_names(trial.names)
    noise = _measure_noise(trial, maker, base)
    stepped = _there(trial.attempt_stepped(placed, seed, step) for step in STEPS)
    single = len(stepped) == len(STEPS) and rounds_in_single(noise, stepped).any()
    if single and trial.round_in_single():
        noise = _measure_noise(trial, maker, base)
    reads_others = _find_cross_section(trial, maker, noise)
    evidence = Evidence(trial, noise, reads_others, maker.generator())
    for probe in _structural(maker, declared, trial.names, limits):
        evidence.look(probe)
    _check_stopped(trial)
    notes = _look_at_versions(evidence, trial, maker) if versions else []
    lookbacks = find_lookbacks(evidence, trial, maker, reads_others, limits.starts)
    look_everywhere(evidence, maker, lookbacks, limits.everywhere)
    find_first_sessions(evidence, maker, limits.searches)
    return judge(
        evidence,
        noise,
        grid,
        trial,
        declared={name: declared.lookback_of(name) for name in trial.names},
        unrepeatable=unrepeatable,
        lookbacks=lookbacks,
        cuts=len(maker.cuts),
        own_cuts=maker.own_cuts,
        rows=placed.height,
        notes=notes,
    )


def _repeat(trial: Trial, maker: ProbeMaker) -> tuple[Values, Flags]:
    """Run a short history, the whole one and both again; return the whole one's values and what differed.

    The short one is run by a fresh function before anything else, and at the end by one that has seen the
    whole history: what is kept between runs, in memory or in a file, shows as a difference.
    """
    cut = max(int(maker.grid.shape[1] * EARLY_SHARE), 1)
    short = maker.placed.filter(pl.col(AT) <= cut)
    try:
        early = trial.output(short)
    except FeatureOutputError:
        early = None
    base = trial.first(maker.placed)
    used = trial.fresh()
    again = trial.values(trial.output(maker.placed, used))
    different = _differs(base, again)
    if early is not None:
        late = trial.output(short, used), trial.output(short)
        for one in late:
            different |= _differs(trial.values(early), trial.values(one))
    return base, different


def _measure_noise(trial: Trial, maker: ProbeMaker, base: Values) -> Noise:
    """Run the undisturbed rows with other last bits, the symbols in their places and exchanged."""
    jittered = [trial.attempt_jittered(maker.placed, maker.generator()) for _ in range(NOISE_RUNS)]
    exchanged = [trial.attempt_exchanged(maker.placed, maker.generator()) for _ in range(NOISE_RUNS)]
    return measure_noise([base, *_there(jittered)], _there(exchanged))


def _differs(one: Values, other: Values) -> Flags:
    """Return which features differ in two runs of equal rows; a sum in another order is the same."""
    size = np.nanmax(np.abs(np.nan_to_num(one, posinf=0.0, neginf=0.0)), axis=(1, 2), keepdims=True)
    found: Flags = (differences(one, other) > REPEATED * size).any(axis=(1, 2))
    return found


def _there(runs: Iterable[Values | None]) -> list[Values]:
    return [run for run in runs if run is not None]


def _find_cross_section(trial: Trial, maker: ProbeMaker, noise: Noise) -> Flags:
    """Return the features in which one half of the symbols sees the rows of the other."""
    who = maker.placed.get_column(WHO).to_numpy()
    found = np.zeros(len(trial.names), dtype=bool)
    for half, disturb in enumerate((scramble_rows, drop_rows)):
        run = trial.attempt(disturb(maker.placed, who % 2 == half, maker.generator()))
        if run is not None:
            kept = np.broadcast_to((np.arange(maker.grid.shape[0]) % 2 != half)[:, None], maker.grid.shape)
            found |= changed_cells(noise, run, kept).any(axis=(1, 2))
    return found


def _structural(
    maker: ProbeMaker, declared: Declared, names: tuple[str, ...], limits: Limits
) -> Iterator[Probe]:
    """Yield the probes of rows of which each was known by its own cut."""
    yield from maker.futures(limits)
    yield from maker.listings()
    yield from maker.own_futures(limits)
    hidden = {"open": scramble_after_open, "before": scramble_values}
    for known, disturb in hidden.items():
        held = np.array([declared.known.get(name, "close") == known for name in names])
        if held.any():
            yield from maker.own_rows(disturb, held, limits.own_rows)


def _check_stopped(trial: Trial) -> None:
    """Refuse a function that stops on many of the frames that a history can be.

    Raises
    ------
    FeatureOutputError
        With the first reason.
    """
    if len(trial.stopped) > MOST_STOPPED * trial.runs:
        msg = (
            f"on {len(trial.stopped)} of {trial.runs} shortened or disturbed histories nothing came back, so "
            f"nothing can be said; the first time: {trial.stopped[0]}. Return nulls where too little is known"
        )
        raise FeatureOutputError(msg)


def _alike(noise: Noise, one: Values, other: Values) -> bool:
    return bool((differences(one, other) <= noise.threshold).all())


def _look_at_versions(evidence: Evidence, trial: Trial, maker: ProbeMaker) -> list[str]:
    """Look whether later versions change what was known; return what is to be said of it.

    A function that returns doubled rows, stops, or like pandas' pivot_table takes the mean over equal keys
    has not thought of versions.
    """
    noise = evidence.noise
    for probe in maker.late_versions():
        try:
            run = trial.run(probe.rows)
        except FeatureOutputError:
            return [NO_VERSIONS]
        averaged = trial.attempt(average_versions(probe.rows))
        if averaged is not None and _alike(noise, run, averaged) and not _alike(noise, run, noise.base):
            return [NO_VERSIONS]
        evidence.look(probe)
    return []
