from __future__ import annotations

from datetime import date

import pytest

from pipelines.stages.maintain.params import MaintainParams
from pipelines.stages.maintain.steps import select_expired


def test_names_older_than_the_retention_expire() -> None:
    names = ["2026-01-09", "2026-01-10", "2026-01-08.html", "index.html", "2026-13-40"]
    assert select_expired(names, date(2026, 1, 20), 10) == ["2026-01-08.html", "2026-01-09"]


def test_a_retention_that_breaks_the_change_feed_is_refused() -> None:
    with pytest.raises(ValueError, match="table_retention_days=6 must be at least 7"):
        MaintainParams(table_retention_days=6, report_retention_days=30)


def test_reports_live_a_day_at_least() -> None:
    with pytest.raises(ValueError, match="report_retention_days=0 must be at least 1"):
        MaintainParams(table_retention_days=7, report_retention_days=0)
