"""Which sessions may be forecast, and what becomes of the others. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pipelines.base.report import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastSessions:
    """Sessions to forecast, in order, and how many were refused or marked.

    Attributes
    ----------
    sessions : tuple of date
        Sessions to forecast.
    in_sample : frozenset of date
        Those of them that the model was fitted on.
    refused : int
        In-sample sessions that were left out.
    """

    sessions: tuple[date, ...]
    in_sample: frozenset[date]
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SortedOut:
    """What becomes of the sessions that the model may forecast.

    Attributes
    ----------
    issued_before : tuple of date
        An issue stands; nothing is ever added to it.
    due : tuple of date
        Complete at their cut, and not issued yet.
    waiting, missed : tuple of date
        Incomplete at their cut: within the grace, in which the rest may still come, and after it.
    short : mapping of session to str
        What the incomplete ones lack.
    """

    issued_before: tuple[date, ...]
    due: tuple[date, ...]
    waiting: tuple[date, ...]
    missed: tuple[date, ...]
    short: Mapping[date, str]

    def describe(self) -> dict[str, Any]:
        """Return what a reader of the report wants to know of the sessions that were not issued now."""
        told: dict[str, Any] = {
            "issued_before": len(self.issued_before),
            "waiting": [str(session) for session in self.waiting],
            "missed": [str(session) for session in self.missed],
        }
        if not self.short:
            return told
        lacking = "; ".join(list(self.short.values())[:5])
        remedy = "accept it with `bellwether accept-partial`, or forecast other sessions"
        why = f"incomplete at their cut: {lacking}; {remedy}"
        missed = ", ".join(told["missed"][-5:])
        alerts = [f"no forecast was issued for {missed}, and none will be: {why}"] if missed else []
        return told | {"why": why, "alerts": alerts}


def judge_status(inserted: int, found: SortedOut) -> Status:
    """Return how the run ends: with something issued, or standing, or why there is none."""
    if found.waiting:
        return "waiting"
    if inserted:
        return "done"
    return "unchanged" if found.issued_before else "nothing_to_do"


def choose_sessions(
    cuts: Mapping[date, datetime], fitted_until: datetime, *, allow_in_sample: bool
) -> ForecastSessions:
    """Separate the sessions that the model has seen from those it has not.

    Parameters
    ----------
    cuts : mapping of session to its cut
    fitted_until : datetime
        Last `label_end` of the rows the model was fitted on. A session whose cut came before
        it is in-sample: outcomes that the forecast speaks of went into the model.
    allow_in_sample : bool
        Keep such sessions and mark them.
    """
    seen = frozenset(session for session, cut in cuts.items() if cut < fitted_until)
    kept = sorted(cuts if allow_in_sample else set(cuts) - seen)
    return ForecastSessions(
        sessions=tuple(kept), in_sample=seen & set(kept), refused=0 if allow_in_sample else len(seen)
    )
