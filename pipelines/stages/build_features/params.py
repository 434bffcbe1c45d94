"""Parameters of the feature build, as the settings nest them (section ``build_features``)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFeaturesParams:
    """How feature builds are cut into tasks. No value depends on it: only time and memory do."""

    block_sessions: int

    def __post_init__(self) -> None:
        if self.block_sessions < 1:
            msg = f"block_sessions={self.block_sessions} must be at least 1"
            raise ValueError(msg)
