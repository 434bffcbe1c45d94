"""Parameters of calendar, labels and feature sets, as the settings nest them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from features.sets import FeatureSet


def _check_calendar(name: str) -> None:
    if name in {"XNYS", "24/7"}:  # importing the library of calendars takes a second
        return
    from features.sessions import calendar_names

    if name not in calendar_names():
        near = difflib.get_close_matches(name, calendar_names(), n=3) or ["XNYS", "XLON", "XTKS"]
        msg = f"name={name!r} is no calendar of exchange_calendars, such as {', '.join(near)}"
        raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarParams:
    """The exchange calendar, when a session's information is cut off and when a forecast must exist."""

    name: str
    decision_lead_minutes: int
    cutoff_local: str
    issue_minutes: int

    def __post_init__(self) -> None:
        _check_calendar(self.name)
        if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", self.cutoff_local):
            msg = f"cutoff_local={self.cutoff_local!r} must be a time of day HH:MM, such as 22:00"
            raise ValueError(msg)
        if self.issue_minutes < 1:
            msg = f"issue_minutes={self.issue_minutes} must be at least 1: the run after the cut takes time"
            raise ValueError(msg)
        if self.decision_lead_minutes < 0:
            msg = f"decision_lead_minutes={self.decision_lead_minutes} must not be negative"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelParams:
    """Which outcomes are kept and when each is taken as known."""

    horizon_sessions: tuple[int, ...]
    lag_minutes: int

    def __post_init__(self) -> None:
        if not self.horizon_sessions or min(self.horizon_sessions) < 1:
            named = f"horizon_sessions={self.horizon_sessions}"
            msg = f"{named} must name at least one horizon of one session or more"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturesParams:
    """The feature sets that models may name, each with its features literally and in order.

    Whether the features exist is checked by `feature_sets`, which the commands that run stages ask first.
    """

    sets: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        if not self.sets:
            msg = "sets={} must name at least one feature set, such as core"
            raise ValueError(msg)

    def feature_sets(self) -> tuple[FeatureSet, ...]:
        """Return all sets.

        Raises
        ------
        ValueError
            If a set is empty or names a feature twice, or one that does not exist.
        """
        from features.sets import FeatureSet

        return tuple(FeatureSet(name=name, features=names) for name, names in self.sets.items())
