"""Two searches: how far back a feature reads, and from which session on it sees ahead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from features.leakcheck.disturbances import drop_rows, scramble_values
from features.leakcheck.evidence import Evidence
from features.leakcheck.probes import ProbeMaker
from features.leakcheck.trial import Trial
from features.leakcheck.value_grid import Flags, Integers

STARTS = (0.3, 0.15, 0.45, 0.6)
"""Where other pasts end, as shares of the sessions: late enough to have a past, early enough to look far."""
TAIL = 0.03
"""A value that another past still changes in this last share of the sessions has no end of its look-back."""


def count_since(present: Flags, start: int) -> Integers:
    """Return how many rows each symbol has from session `start` to each session, shape of `present`."""
    counted = present.copy()
    counted[:, :start] = False
    return counted.cumsum(axis=1)


def fewest_since(present: Flags, start: int) -> Integers:
    """Return the fewest rows that any symbol with a row at a session has since `start`, shape (1, n_sessions).

    Symbols that were not there before `start` have no past that could be read.
    """
    counted = count_since(present, start)
    old = present[:, :start].any(axis=1)[:, None]
    fewest = np.where(present & old, counted, present.shape[1]).min(axis=0)
    return fewest[None, :].astype(np.int64)


def find_lookbacks(
    evidence: Evidence, trial: Trial, maker: ProbeMaker, reads_others: Flags, starts: int
) -> tuple[Integers, Flags]:
    """Return how many of a symbol's rows each feature was seen to read, and which see no end of it.

    Parameters
    ----------
    reads_others : Flags
        Features for which the rows of the symbol with the most gaps count.
    starts : int
        How many pasts are replaced.

    Returns
    -------
    (Integers, Flags)
        Of shape (n_features,). The row's own counts; 0 where nothing of the past was seen to matter.
    """
    present = maker.grid.present(maker.placed)
    total = maker.grid.shape[1]
    reach = np.zeros(len(trial.names), dtype=np.int64)
    endless = np.zeros(len(trial.names), dtype=bool)
    for number, share in enumerate(STARTS[:starts]):
        start = max(int(total * share), 1)
        kept = np.broadcast_to(np.arange(total) >= start, maker.grid.shape)
        probe = maker.past(drop_rows if number == 1 else scramble_values, start, kept)
        run = trial.attempt(probe.rows)
        if run is None:
            continue
        cells = evidence.confirmed(probe, run, runs=2)
        own, common = count_since(present, start), fewest_since(present, start)
        since = np.where(reads_others[:, None, None], common[None], own[None])
        reach = np.maximum(reach, np.where(cells, since + 1, 0).max(axis=(1, 2)))
        endless |= cells[:, :, int(total * (1 - TAIL)) :].any(axis=(1, 2))
    return reach, endless


def find_first_sessions(evidence: Evidence, searches: int) -> None:
    """Cut earlier and earlier until the accused features no longer show it: `evidence.earliest` learns of it.

    Parameters
    ----------
    searches : int
        Runs at most. A search that they do not finish leaves the earliest session seen so far.
    """
    waiting = [number for number in evidence.accused() if number in evidence.again]
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
    return [one for one in waiting if one == number or any((one, kind) in evidence.findings for kind in kinds)]


