"""The state of a home that holds a few rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.base.context import Context
from pipelines.base.report import SessionRange, StageReport
from pipelines.cli.status import describe, render_status
from pipelines.registry.ledger import append_entry
from pipelines.tables.contracts import GOLD_FORECASTS, all_tables
from tests.pipelines.registry.test_ledger import entry
from tests.pipelines.table_rows import append

MONDAY, TUESDAY = date(2024, 1, 8), date(2024, 1, 9)
NIGHT = datetime(2024, 1, 9, 23, tzinfo=UTC)


def record(context: Context, session: date, minute: int, report: StageReport) -> None:
    began = NIGHT + timedelta(minutes=minute)
    sessions = SessionRange(start=session, end=session)
    context.run_log.record(report, sessions, started_at=began, finished_at=began + timedelta(seconds=30))


@pytest.fixture(scope="module")
def state(open_empty: Callable[[Path], Context], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Three forecasts, four runs of two stages and a promotion after a bootstrap."""
    context = open_empty(tmp_path_factory.mktemp("status"))
    forecasts = {"symbol": ["A", "B", "A"], "session": [MONDAY, MONDAY, TUESDAY], "month": ["2024-01"] * 3}
    append(context.lake, GOLD_FORECASTS, forecasts)
    drift = {"verdict": "drift", "link": "reports/2024-01-09.html"}
    for minute, (session, report) in enumerate(
        (
            (MONDAY, StageReport(stage="monitor", details={"verdict": "ok"})),
            (TUESDAY, StageReport(stage="curate", rows_out=5, rows_refused=2, seconds=1.5)),
            (TUESDAY, StageReport(stage="monitor", details=drift)),
            (MONDAY, StageReport(stage="curate", status="nothing_to_do")),
        )
    ):
        record(context, session, minute, report)
    append_entry(context.lake, entry("bootstrap", MONDAY, "1"))
    append_entry(context.lake, entry("promotion", TUESDAY, "2", numbers={"lost": ["ridge"]}))
    return describe(context)


def test_tables_are_told_with_rows_and_sessions(state: dict[str, Any]) -> None:
    tables = {table["table"]: table for table in state["tables"]}
    assert list(tables) == [contract.name for contract in all_tables()]
    assert tables["gold.forecasts"] == {
        "table": "gold.forecasts", "rows": 3, "version": 1, "first": MONDAY, "last": TUESDAY,
    }  # fmt: skip
    assert (tables["ops.stage_runs"]["rows"], tables["ops.stage_runs"]["first"]) == (4, None)
    assert (tables["silver.bars"]["rows"], tables["silver.bars"]["version"]) == (None, None)


def test_of_each_stage_the_run_that_finished_last_is_told(state: dict[str, Any]) -> None:
    told = [(run["stage"], run["as_of"], run["status"]) for run in state["stages"]]
    assert told == [("monitor", TUESDAY, "done"), ("curate", MONDAY, "nothing_to_do")]


def test_champion_and_drift_are_the_newest(state: dict[str, Any]) -> None:
    assert state["champion"]["model_version"] == "2"
    assert state["champion"]["headline"] == "version 2 (promotion as of 2024-01-09; lost to: ridge)"
    assert state["drift"] == {"verdict": "drift", "link": "reports/2024-01-09.html"}


def test_it_is_put_into_words_or_json(state: dict[str, Any]) -> None:
    text = render_status(state, as_json=False)
    assert "champion  version 2 (promotion as of 2024-01-09; lost to: ridge)" in text
    assert "drift     drift (reports/2024-01-09.html)" in text
    assert "│ gold.forecasts      ┆ 3    ┆ 1       ┆ 2024-01-08 ┆ 2024-01-09 │" in text
    assert json.loads(render_status(state, as_json=True))["champion"]["as_of"] == "2024-01-09"


def test_an_empty_home_has_nothing_to_tell(open_empty: Callable[[Path], Context], tmp_path: Path) -> None:
    state = describe(open_empty(tmp_path))
    assert (state["stages"], state["champion"], state["drift"]) == ([], None, None)
    text = render_status(state, as_json=False)
    for line in ("champion  none yet: train and promote", "drift     no report yet", "no stage has run yet"):
        assert line in text
