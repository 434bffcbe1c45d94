"""Who said what about a session, from a few rows of forecasts, runs and decisions."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.base.context import Context
from pipelines.base.report import SessionRange, StageReport
from pipelines.cli.audit import audit, audit_session
from pipelines.registry.ledger import append_entry
from pipelines.registry.lineage import write_lineage
from pipelines.tables.contracts import GOLD_FORECASTS
from tests.pipelines.registry.test_ledger import entry
from tests.pipelines.registry.test_lineage import lineage
from tests.pipelines.table_rows import append

SESSION, OTHER = date(2024, 1, 9), date(2024, 1, 8)
CUT = datetime(2024, 1, 10, 3, tzinfo=UTC)
FIRST, SECOND = datetime(2024, 1, 10, 12, tzinfo=UTC), datetime(2024, 1, 10, 13, tzinfo=UTC)


@pytest.fixture(scope="module")
def context(open_empty: Callable[[Path], Context], tmp_path_factory: pytest.TempPathFactory) -> Context:
    """Two models spoke about the session, the second after another version of the features."""
    home = open_empty(tmp_path_factory.mktemp("audit"))
    append(
        home.lake,
        GOLD_FORECASTS,
        {
            "symbol": ["B", "A", "A", "B", "A"],
            "session": [SESSION, SESSION, SESSION, SESSION, OTHER],
            "horizon": [5] * 5,
            "model_key": ["k2", "k2", "k1", "k1", "k1"],
            "model_version": ["2", "2", "1", "1", "1"],
            "family": ["xgboost"] * 5,
            "value": [0.2, 0.1, 0.3, 0.4, 0.9],
            "rank": [0.75, 0.25, 0.25, 0.75, 0.5],
            "universe": [2, 2, 2, 2, 1],
            "issue": ["i2", "i2", "i1", "i1", "i0"],
            "input_digest": ["d2", "d2", "d1", "d1", "d0"],
            "cutoff_at": [CUT, CUT, CUT, CUT, CUT],
            "decision_at": [FIRST] * 5,
            "issued_at": [SECOND, SECOND, FIRST, FIRST, FIRST],
            "in_sample": [False] * 5,
            "month": ["2024-01"] * 5,
        },
    )
    for issued_at, version in ((FIRST, 7), (SECOND, 8)):
        home.run_log.record(
            StageReport(stage="forecast", inputs={"gold.features_daily": version}),
            SessionRange(start=SESSION, end=SESSION),
            started_at=issued_at - timedelta(minutes=1),
            finished_at=issued_at + timedelta(minutes=1),
        )
    for number in ("1", "2"):
        append_entry(home.lake, entry("promotion", SESSION, number))
        write_lineage(lineage(), home.home.mlflow / "models" / f"k{number}-v{number}")
    return home


def test_every_model_that_spoke_is_told_the_first_one_first(context: Context) -> None:
    found = audit(context, SESSION)
    assert (found["session"], found["decision_at"]) == (SESSION, context.calendar.decision_at(SESSION))
    told = [(issue["model_version"], issue["issued_at"], issue["rows"]) for issue in found["issues"]]
    assert told == [("1", FIRST, 2), ("2", SECOND, 2)]
    assert found["cutoff_at"] == CUT


def test_what_was_issued_after_the_decision_is_told_as_a_replay(context: Context) -> None:
    told = [
        (issue["issue"], issue["input_digest"], issue["cutoff_at"], issue["replay"])
        for issue in audit(context, SESSION)["issues"]
    ]
    assert told == [("i1", "d1", CUT, False), ("i2", "d2", CUT, True)]


def test_an_issue_names_its_forecasts_and_the_decision_behind_it(context: Context) -> None:
    issue = audit(context, SESSION)["issues"][1]
    assert [(row["symbol"], row["value"], row["rank"]) for row in issue["forecasts"]] == [
        ("A", 0.1, 0.25), ("B", 0.2, 0.75),
    ]  # fmt: skip
    assert issue["decisions"] == ["version 2 (promotion as of 2024-01-09)"]
    assert (issue["family"], issue["horizon"], issue["universe"]) == ("xgboost", 5, 2)


def test_an_issue_names_the_versions_that_its_own_run_had_read(context: Context) -> None:
    issues = audit(context, SESSION)["issues"]
    assert [issue["scored_from"] for issue in issues] == [
        {"gold.features_daily": 7}, {"gold.features_daily": 8},
    ]  # fmt: skip


def test_an_issue_names_what_its_model_was_made_from(context: Context) -> None:
    made_from = audit(context, SESSION)["issues"][0]["trained_from"]
    assert made_from["table_versions"] == {"gold.labels": 3, "gold.features_text": None}
    assert (made_from["seed"], made_from["rows"], made_from["as_of"]) == (7, 100, date(2018, 2, 7))


def test_it_is_text_that_a_program_reads(context: Context) -> None:
    found = json.loads(audit_session(context, SESSION))
    assert (found["session"], found["issues"][0]["issued_at"]) == ("2024-01-09", FIRST.isoformat())


def test_a_session_without_forecasts_says_so(context: Context) -> None:
    found = audit(context, date(2024, 1, 10))
    assert (found["issues"], found["why"]) == ([], "no forecast has been issued for this session")
