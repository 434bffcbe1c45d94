"""Parameters of the rim and of the first stages, as the settings nest them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field


def _check_calendar(name: str) -> None:
    if name in {"XNYS", "24/7"}:  # importing the library of calendars takes a second
        return
    from features.sessions import calendar_names

    if name not in calendar_names():
        near = difflib.get_close_matches(name, calendar_names(), n=3) or ["XNYS", "XLON", "XTKS"]
        msg = f"name={name!r} is no calendar of exchange_calendars, such as {', '.join(near)}"
        raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkParams:
    """How the Spark session is built. See `conf/base/spark.yaml` for each key."""

    master: str
    driver_memory: str
    driver_host: str
    shuffle_partitions: int
    log_level: str
    python: str
    jar_folder: str
    ship_code: bool
    java_options: str
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.shuffle_partitions < 1:
            msg = f"shuffle_partitions={self.shuffle_partitions} must be at least 1"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeParams:
    """Where the tables are and how long a writer waits for its turn."""

    root: str
    lock_timeout_seconds: float
    local_rows: int

    def __post_init__(self) -> None:
        if self.lock_timeout_seconds < 0:
            msg = f"lock_timeout_seconds={self.lock_timeout_seconds} must not be negative"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarParams:
    """The exchange calendar and when a forecast must exist."""

    name: str
    decision_lead_minutes: int

    def __post_init__(self) -> None:
        _check_calendar(self.name)
        if self.decision_lead_minutes < 0:
            msg = f"decision_lead_minutes={self.decision_lead_minutes} must not be negative"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestParams:
    """When a record without an arrival time counts as known, and how much may be refused.

    The lags assume that a vendor publishes a bar within `bar_lag_minutes` of the close and a text
    within `text_lag_minutes` of its own time stamp; too small a lag would be look-ahead.
    """

    bar_lag_minutes: int
    text_lag_minutes: int
    max_refused_share: float

    def __post_init__(self) -> None:
        for name in ("bar_lag_minutes", "text_lag_minutes"):
            if getattr(self, name) < 1:
                msg = f"{name}={getattr(self, name)} must be at least 1: nothing is known as it happens"
                raise ValueError(msg)
        if not 0 <= self.max_refused_share <= 1:
            msg = f"max_refused_share={self.max_refused_share} must lie in 0..1"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurateParams:
    """What makes a bar suspect, what retracts it and which prices are stale.

    Moves are natural logarithms of close-to-close ratios; `revert_share` is the largest part of
    a suspected move that may be left once the next bar has come back.
    """

    suspect_move: float
    revert_share: float
    stale_sessions: int
    text_close_lag_minutes: int

    def __post_init__(self) -> None:
        if self.suspect_move <= 0:
            msg = f"suspect_move={self.suspect_move} must be positive"
            raise ValueError(msg)
        if not 0 < self.revert_share < 1:
            msg = f"revert_share={self.revert_share} must lie between 0 and 1"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelParams:
    """Which outcomes are kept and when each is taken as known."""

    horizons: tuple[int, ...]
    lag_minutes: int

    def __post_init__(self) -> None:
        if not self.horizons or min(self.horizons) < 1:
            msg = f"horizons={self.horizons} must name at least one horizon of one session or more"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureParams:
    """How feature builds are cut into tasks. No value depends on it: only time and memory do."""

    block_sessions: int

    def __post_init__(self) -> None:
        if self.block_sessions < 1:
            msg = f"block_sessions={self.block_sessions} must be at least 1"
            raise ValueError(msg)
