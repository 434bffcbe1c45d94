"""Two searches: how far back a feature reads, and from which session on it sees ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from features.leakcheck.disturbances import drop_rows, scramble_values
from features.leakcheck.findings import Evidence
from features.leakcheck.noise import differences
from features.leakcheck.probes import ProbeMaker
from features.leakcheck.trial import Trial
from features.leakcheck.value_grid import Flags, Integers

STARTS = (
    (0.15, scramble_values),
    (0.15, drop_rows),
    (0.3, scramble_values),
    (0.45, drop_rows),
    (0.6, scramble_values),
)
"""Where another past ends, as a share of the sessions, and which it is. The earliest looks furthest: it alone
says whether a look-back has an end."""
REMEMBERED = 1e-6
"""Share of the standard deviation from which what another past leaves counts as read."""
TAIL = 0.03
"""A value that another past still changes in this last share of the sessions has no end of its look-back."""


def count_since(present: Flags, start: int) -> Integers:
    """Return how many rows each symbol has from session `start` to each session, shape of `present`."""
    counted = present.copy()
    counted[:, :start] = False
    return counted.cumsum(axis=1)


def fewest_since(present: Flags, start: int) -> Integers:
    """Return the fewest rows of a symbol from session `start` to each session, shape (1, n_sessions).

    Of the symbols that have a row there, and one before `start`: others have no past that could be read.
    """
    counted = count_since(present, start)
    old = present[:, :start].any(axis=1, keepdims=True)
    fewest: Integers = np.where(present & old, counted, present.shape[1]).min(axis=0, keepdims=True)
    return fewest


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookbacks:
    """How far back each feature was seen to read, arrays of shape (n_features,).

    Parameters
    ----------
    seen : Integers
        In the symbol's own rows, the row's own counted; for features that read other symbols in sessions.
    certain : Integers
        The same, but counted in valid rows, and in those of whichever symbol has the fewest: a window of rows
        of a symbol with gaps spans more sessions than it has rows, and is no overreach.
    endless : Flags
        Whether another past still mattered at the end of the history.
    """

    seen: Integers
    certain: Integers
    endless: Flags


def find_lookbacks(
    evidence: Evidence, trial: Trial, maker: ProbeMaker, reads_others: Flags, starts: int
) -> Lookbacks:
    """Replace the past before a session, and see for how long values remember.

    Parameters
    ----------
    reads_others : Flags
        Features whose values change with other symbols' rows.
    starts : int
        How many pasts are replaced.
    """
    present, good = maker.grid.present(maker.placed), maker.grid.present(_good_rows(maker.placed))
    total, count = maker.grid.shape[1], len(trial.names)
    seen, certain = np.ones(count, dtype=np.int64), np.ones(count, dtype=np.int64)
    endless = np.zeros(count, dtype=bool)
    for share, disturb in STARTS[:starts]:
        start = max(int(total * share), 1)
        kept = np.broadcast_to(np.arange(total) >= start, maker.grid.shape)
        probe = maker.past(disturb, start, kept)
        run = trial.attempt(probe.rows)
        if run is None:
            continue
        # Rounding errors that a running sum keeps of another past are no memory.
        cells = evidence.confirmed(probe, run, runs=2)
        cells &= differences(evidence.noise.base, run) > REMEMBERED * evidence.noise.scale
        sessions = np.arange(total)[None, :] - start + 1
        seen = np.maximum(seen, _furthest(cells, count_since(present, start), sessions, reads_others))
        own, common = count_since(good, start), fewest_since(good, start)
        certain = np.maximum(certain, _furthest(cells, own, common, reads_others))
        if share == STARTS[0][0]:
            endless |= cells[:, :, int(total * (1 - TAIL)) :].any(axis=(1, 2))
    return Lookbacks(seen=seen, certain=certain, endless=endless)


def _good_rows(placed: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that a window of rows counts once those without values are left out."""
    needed = [pl.col("valid")] if "valid" in placed.columns else []
    needed += (
        [pl.col("close").is_not_null()]
        if "close" in placed.columns and "record" not in placed.columns
        else []
    )
    return placed.filter(needed) if needed else placed


def _furthest(cells: Flags, own: Integers, common: Integers, reads_others: Flags) -> Integers:
    """Return the largest count since the start among the changed cells, and one more: the row before it."""
    since = np.where(reads_others[:, None, None], common[None], own[None])
    furthest: Integers = np.where(cells, since + 1, 0).max(axis=(1, 2))
    return furthest


def find_first_sessions(evidence: Evidence, maker: ProbeMaker, searches: int) -> None:
    """Cut earlier and earlier until the accused features no longer show it: `evidence.earliest` learns of it.

    What shows at rare events alone is not found by halving: the first event of each kind is tried before.

    Parameters
    ----------
    searches : int
        Runs at most. A search that they do not finish leaves the earliest session seen so far.
    """
    waiting = [number for number in evidence.accused() if number in evidence.again]
    late = [number for number in waiting if evidence.earliest[number] > 0]
    if late:
        for probe in maker.first_events():
            evidence.flagged(probe)
    if any(not evidence.reads_others[number] for number in late):
        for probe in maker.own_first_events():
            evidence.flagged(probe)
    below = dict.fromkeys(waiting, -1)
    for _ in range(searches):
        open_ = [number for number in waiting if evidence.earliest[number] - below[number] > 1]
        if not open_:
            return
        number = open_[0]
        # The first session is tried first: most leaks are there from the start.
        cut = 0 if below[number] < 0 else (evidence.earliest[number] + below[number]) // 2
        flagged = evidence.flagged(evidence.again[number](cut))
        for other in _alike(evidence, waiting, number):
            seen = flagged is not None and flagged[other].any()
            if not seen and cut < evidence.earliest[other]:
                below[other] = max(below[other], cut)


def _alike(evidence: Evidence, waiting: Sequence[int], number: int) -> list[int]:
    """Return the features that the same kind of probe accuses."""
    kinds = {name for one, name in evidence.findings if one == number}
    return [
        one for one in waiting if one == number or any((one, kind) in evidence.findings for kind in kinds)
    ]
