"""Parameters of the drift verdict, as the settings nest them (section ``monitor``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.stages.monitor.scales import SCALES


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorParams:
    """Windows and thresholds. See `conf/base/monitor.yaml` for each key."""

    reference_sessions: int
    current_sessions: int
    min_reference_sessions: int
    min_symbols: int
    thresholds: Mapping[str, float]
    min_log_shift: float
    max_coverage_loss: float
    feature_distance: float
    top_features: int
    sample_rows: int
    retrain_after_sessions: int

    def __post_init__(self) -> None:
        _at_least("current_sessions", self.current_sessions, 3)
        _at_least("min_reference_sessions", self.min_reference_sessions, 5 * self.current_sessions)
        _at_least("reference_sessions", self.reference_sessions, self.min_reference_sessions)
        _at_least("min_symbols", self.min_symbols, 3)
        names = {scale.name for scale in SCALES}
        if set(self.thresholds) != names:
            msg = f"thresholds={sorted(self.thresholds)} must name exactly the measures {sorted(names)}"
            raise ValueError(msg)
        for name, threshold in self.thresholds.items():
            _at_least(f"thresholds.{name}", threshold, 1)
        _at_least("min_log_shift", self.min_log_shift, 0)
        _at_least("feature_distance", self.feature_distance, 0)
        _at_least("top_features", self.top_features, 1)
        _at_least("sample_rows", self.sample_rows, 100)
        _at_least("retrain_after_sessions", self.retrain_after_sessions, 1)
        if not 0 < self.max_coverage_loss < 1:
            msg = f"max_coverage_loss={self.max_coverage_loss} must lie between 0 and 1"
            raise ValueError(msg)


def _at_least(name: str, value: float, least: float) -> None:
    if value < least:
        msg = f"{name}={value} must be at least {least}"
        raise ValueError(msg)
