"""Random numbers that depend on what they are for and never on what was drawn before."""

from __future__ import annotations

from datetime import date
from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What numbers are drawn for; each stream is independent of the others."""

    TRAITS = 1
    SHOCKS = 2
    LIFECYCLE = 3
    ACTIONS = 4
    DELIVERY = 5
    FAULTS = 6
    TEXTS = 7
    TEXT_FAULTS = 8


def draw_for(seed: int, stream: Stream, counter: int) -> np.random.Generator:
    """Return the generator of one (seed, stream, counter), such as one session.

    Philox is a counter-based generator (Salmon et al., SC 2011): the counter's highest word is
    given, so blocks of different counters never overlap and no session depends on another.
    """
    key = np.array([seed, stream], dtype=np.uint64)
    return np.random.Generator(
        np.random.Philox(key=key, counter=np.array([0, 0, 0, counter], dtype=np.uint64))
    )


def draw_for_session(seed: int, stream: Stream, session: date) -> np.random.Generator:
    """Return the generator of one session."""
    return draw_for(seed, stream, session.toordinal())
