"""The state of a home that holds a few rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.base.context import Context
from pipelines.base.report import SessionRange, StageReport
from pipelines.cli.status import describe, render_status
from pipelines.registry.ledger import append_entry
from pipelines.tables.contracts import GOLD_FORECASTS, OPS_DELIVERIES, OPS_POLLS, all_tables
from tests.pipelines.registry.test_ledger import entry
from tests.pipelines.table_rows import append

FRIDAY, MONDAY, TUESDAY = date(2024, 1, 5), date(2024, 1, 8), date(2024, 1, 9)
WEDNESDAY = date(2024, 1, 10)
NOW = datetime(2024, 1, 11, 12, tzinfo=UTC)
"""Wednesday's grace is over."""
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
    polls = {"source": ["files"] * 3, "kind": ["bars"] * 3, "session": [FRIDAY, MONDAY, TUESDAY]}
    append(context.lake, OPS_POLLS, polls | {"complete": [True, False, False], "run_seq": [1, 2, 3]})
    refused = {"source": ["files"], "kind": ["texts"], "name": ["texts/9.csv"], "outcome": ["refused"]}
    append(context.lake, OPS_DELIVERIES, refused | {"why": ["4 of 9 records"], "run_seq": [3]})
    append_entry(context.lake, entry("bootstrap", MONDAY, "1"))
    append_entry(context.lake, entry("promotion", TUESDAY, "2", numbers={"lost": ["ridge"]}))
    return describe(replace(context, clock=lambda: NOW))


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
    assert "│ gold.forecasts         ┆ 3    ┆ 1       ┆ 2024-01-08 ┆ 2024-01-09 │" in text
    assert json.loads(render_status(state, as_json=True))["champion"]["as_of"] == "2024-01-09"


def test_feeds_are_told_with_what_they_lack(state: dict[str, Any]) -> None:
    bars, texts = state["feeds"]
    assert (bars["source"], bars["kind"], bars["last_complete"]) == ("files", "bars", FRIDAY)
    assert (bars["incomplete"], bars["incomplete_since"]) == (3, MONDAY)
    assert bars["incomplete_last"] == [MONDAY, TUESDAY, WEDNESDAY]
    assert (texts["kind"], texts["not_taken"]) == (
        "texts", [{"name": "texts/9.csv", "outcome": "refused", "why": "4 of 9 records"}],
    )  # fmt: skip
    assert state["missed"] == {"sessions": 1, "last": [WEDNESDAY]}
    text = render_status(state, as_json=False)
    assert "missed    1 session: 2024-01-10" in text
    assert "files bars incomplete: 3 sessions: 2024-01-08, 2024-01-09, 2024-01-10" in text
    assert "files texts refused: texts/9.csv: 4 of 9 records" in text


def test_of_many_missed_sessions_the_last_are_named(state: dict[str, Any]) -> None:
    many = state | {"missed": {"sessions": 22, "last": [MONDAY, TUESDAY]}}
    text = render_status(many, as_json=False)
    assert "missed    22 sessions: 20 earlier, 2024-01-08, 2024-01-09" in text


def test_the_last_run_is_the_one_that_was_written_last_whatever_the_clock_said(
    open_empty: Callable[[Path], Context], tmp_path: Path
) -> None:
    context = open_empty(tmp_path)
    record(context, MONDAY, 5, StageReport(stage="curate"))
    record(context, TUESDAY, 0, StageReport(stage="curate"))
    assert [run["as_of"] for run in describe(context)["stages"]] == [TUESDAY]


def test_an_empty_home_has_nothing_to_tell(open_empty: Callable[[Path], Context], tmp_path: Path) -> None:
    state = describe(open_empty(tmp_path))
    assert (state["stages"], state["champion"], state["drift"]) == ([], None, None)
    text = render_status(state, as_json=False)
    assert (state["feeds"], state["missed"]) == ([], {"sessions": 0, "last": []})
    for line in (
        "no feed has been asked yet",
        "missed    no session",
        "champion  none yet: train and promote",
        "drift     no report yet",
        "no stage has run yet",
    ):
        assert line in text
