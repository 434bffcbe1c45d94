"""What the reference says of a return: a range, a null by a named rule, or either."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

FLOAT = 1e-9


class Answer(IntEnum):
    """How sure the rules leave us of a thing."""

    NO, PERHAPS, YES = range(3)


NO, PERHAPS, YES = Answer


@dataclass(frozen=True)
class Expected:
    """What may stand in a return's place.

    Attributes
    ----------
    low, high : float or None
        Ends of what is allowed; None where there must be nothing.
    null_allowed : bool
    why : str
        Rule by which it is null, may be null, or may be wrong; empty for an ordinary return.
    """

    low: float | None
    high: float | None
    null_allowed: bool = False
    why: str = ""


@dataclass(frozen=True)
class Step:
    """A move from one bar that is there to the next.

    Attributes
    ----------
    true, seen : float
        Gross return as it is, and as the units that are known make it.
    rounding : tuple of float
        Half a tick of either close, relative.
    slack : float
        What the ratio of a seam, or a dividend's missing close, leaves open beside it, relative.
    pending, unshown : Answer
        Whether it stands for an unexplained split, and whether some units of it were never shown.
    """

    true: float
    seen: float
    rounding: tuple[float, float]
    slack: float
    pending: Answer
    unshown: Answer


def combined(steps: list[Step]) -> Expected:
    """Return what several moves in a row may come to."""
    if any(one.pending == YES for one in steps):
        return Expected(None, None, null_allowed=True, why="a jump is unexplained")
    true, seen = (math.prod(getattr(one, name) for one in steps) for name in ("true", "seen"))
    rounding = steps[0].rounding[0] + steps[-1].rounding[1]
    slack = max(true, seen) * (rounding + sum(one.slack for one in steps)) + FLOAT
    perhaps = any(PERHAPS in (one.pending, one.unshown) for one in steps)
    unshown = any(one.unshown != NO for one in steps)
    why = "a dividend is not in the past yet" if unshown else "a jump is near a ratio" if perhaps else ""
    return Expected(min(true, seen) - 1 - slack, max(true, seen) - 1 + slack, perhaps, why)
