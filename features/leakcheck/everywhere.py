"""Leaks at rare sessions: every session is cut once, many of them in one run, where look-backs allow it.

A value that reads the last twenty sessions forgets a disturbed one after twenty. So every twenty-first
session can be disturbed at once: the value right before each of them has seen none, unless it looks ahead.
What changes there is no proof, for a look-back may be longer at times than it was seen to be; it says where
to cut.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from features.leakcheck.findings import Evidence
from features.leakcheck.probes import SCRAMBLING, TRUNCATION, ProbeMaker
from features.leakcheck.search import Lookbacks
from features.leakcheck.value_grid import Flags

CUTS_AT_MOST = 6
"""Cuts that one feature's changes lead to."""


def look_everywhere(evidence: Evidence, maker: ProbeMaker, lookbacks: Lookbacks, runs: int) -> None:
    """Look at every session for features of whose look-back an end was seen, and cut where one changes.

    Parameters
    ----------
    runs : int
        Runs for the features that read fewer sessions than this, each session being tried; as many again for
        those that read further, of whose sessions a share is tried.
    """
    bounded = ~lookbacks.endless & (lookbacks.seen < maker.grid.shape[1] // 4)
    bounded[evidence.accused()] = False
    short = bounded & (lookbacks.seen < runs)
    for features in (short, bounded & ~short):
        if features.any():
            changed = _changed(evidence, maker, features, int(lookbacks.seen[features].max()), runs)
            for cut in _cuts(changed, maker.generator()):
                evidence.look(maker.future(TRUNCATION, cut))
                evidence.look(maker.future(SCRAMBLING, cut))


def _changed(evidence: Evidence, maker: ProbeMaker, features: Flags, reach: int, runs: int) -> Flags:
    """Return by feature the sessions at which a value changed, shape (n_features, n_sessions)."""
    period = reach + 1
    found = np.zeros((len(features), maker.grid.shape[1]), dtype=bool)
    for offset in maker.generator().permutation(period)[:runs]:
        flagged = evidence.flagged(maker.periodic(int(offset), period, features))
        if flagged is not None:
            found |= flagged.any(axis=1)
    return found


def _cuts(changed: Flags, random: np.random.Generator) -> Iterator[int]:
    """Yield a few of each feature's sessions, each once."""
    chosen: set[int] = set()
    for sessions in changed:
        chosen.update(random.permutation(np.flatnonzero(sessions))[:CUTS_AT_MOST].tolist())
    yield from sorted(chosen)
