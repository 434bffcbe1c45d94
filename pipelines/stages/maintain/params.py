"""Parameters of maintain, as the settings nest them (section ``maintain``)."""

from __future__ import annotations

from dataclasses import dataclass

SHORTEST_DAYS = 7
"""Below it, Delta itself refuses: a reader that started before may still need the files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintainParams:
    """How long what is no longer current is kept. See `conf/base/maintain.yaml` for each key."""

    table_retention_days: int
    report_retention_days: int

    def __post_init__(self) -> None:
        if self.table_retention_days < SHORTEST_DAYS:
            msg = (
                f"table_retention_days={self.table_retention_days} must be at least {SHORTEST_DAYS}: "
                "shorter ones take files away from the change feed and from readers"
            )
            raise ValueError(msg)
        if self.report_retention_days < 1:
            msg = f"report_retention_days={self.report_retention_days} must be at least 1"
            raise ValueError(msg)
