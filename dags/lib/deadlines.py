"""From when on a run's deadline counts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk.definitions.deadline import BaseDeadlineReference


class WhenCreated(BaseDeadlineReference):
    """The instant at which a run is created, and queued.

    Airflow's own ``DAGRUN_QUEUED_AT`` counts anew when a run is cleared, and in 3.3 trips over the interval
    that it has stored as JSON (apache/airflow#70368): no run could be cleared before its deadline.
    """

    def _evaluate_with(self, **_: Any) -> datetime:
        return datetime.now(tz=UTC)
