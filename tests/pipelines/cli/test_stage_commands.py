"""How the commands of stages end: one line of what ran, and the exit code of the worst of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner

from pipelines.app import runner
from pipelines.base.errors import BadDataError, TransientError
from pipelines.base.report import Outcome, StageReport, nothing_to_do
from pipelines.cli.main import main
from pipelines.stages import STAGES

SAID = {"why": "3 of 30 symbols"}
Ends = dict[str, Outcome | Exception]


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Ends:
    """How each stage ends that a command runs; one that is not named is done."""
    told: Ends = {}

    def run_stage(_context: Any, name: str, _sessions: Any) -> StageReport:
        end = told.get(name, Outcome(rows_out=1))
        if isinstance(end, Exception):
            raise end
        return StageReport(stage=name, status=end.status, details=end.details)

    monkeypatch.setattr(runner, "run_stage", run_stage)
    monkeypatch.setattr(runner, "load_ahead", lambda _: None)
    monkeypatch.setattr(runner, "peek_stage", lambda *_: None)
    return told


@pytest.fixture
def bellwether(tmp_path: Path) -> Callable[..., tuple[int, dict[str, Any]]]:
    def call(*command: str) -> tuple[int, dict[str, Any]]:
        result = CliRunner().invoke(main, [*command, "--as-of", "2024-01-09", "--home", str(tmp_path)])
        (line,) = result.stdout.splitlines()
        return result.exit_code, json.loads(line)

    return call


def stages_of(report: dict[str, Any]) -> list[str]:
    return [stage["stage"] for stage in report["stages"]]


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (Outcome(), 0),
        (Outcome(status="unchanged"), 0),
        (nothing_to_do("missed"), 99),
        (Outcome(status="waiting", details=SAID), 75),
        (Outcome(status="short", details=SAID), 65),
    ],
)
def test_a_stage_ends_as_its_report_says(
    ends: Ends, bellwether: Callable[..., Any], end: Outcome, status: int
) -> None:
    ends["forecast"] = end
    code, report = bellwether("forecast")
    assert (code, report["status"], report["details"]) == (status, end.status, dict(end.details))


@pytest.mark.parametrize(("status", "code"), [("waiting", 75), ("short", 65)])
def test_a_run_stops_where_ingest_has_not_got_everything(
    ends: Ends, bellwether: Callable[..., Any], status: Any, code: int
) -> None:
    ends["ingest"] = Outcome(status=status, details=SAID)
    for command in (("run", "--stages", "ingest,curate"), ("run",)):
        ended, report = bellwether(*command)
        assert (ended, stages_of(report)) == (code, ["ingest"])
        assert report["stages"][0]["details"] == SAID


def test_stages_that_all_had_nothing_to_do_are_skipped_one_that_had_is_not(
    ends: Ends, bellwether: Callable[..., Any]
) -> None:
    ends |= {"train": nothing_to_do("too short"), "evaluate": nothing_to_do("no model")}
    assert bellwether("run", "--stages", "train,evaluate")[0] == 99
    assert bellwether("run", "--stages", "materialize,train,evaluate")[0] == 0


def test_a_missed_forecast_is_no_failure_of_the_run(ends: Ends, bellwether: Callable[..., Any]) -> None:
    ends["forecast"] = nothing_to_do("missed")
    code, report = bellwether("run", "--no-train")
    assert (code, stages_of(report)[-1]) == (0, "monitor")


@pytest.mark.parametrize(
    ("error", "code"), [(TransientError("its cut is at 03:00"), 75), (BadDataError("a hole"), 65)]
)
def test_what_ran_before_an_error_is_told_with_the_reason(
    ends: Ends, bellwether: Callable[..., Any], error: Exception, code: int
) -> None:
    ends["materialize"] = error
    ended, report = bellwether("run")
    assert (ended, report["why"]) == (code, str(error))
    assert stages_of(report) == ["ingest", "curate", "score_text", "build_features"]


def test_a_stage_that_fails_tells_why_in_its_line(ends: Ends, bellwether: Callable[..., Any]) -> None:
    ends["forecast"] = TransientError("its cut is at 03:00")
    code, report = bellwether("forecast")
    assert code == 75
    assert (report["stage"], report["status"], report["why"]) == ("forecast", "failed", "its cut is at 03:00")
    assert report["as_of"] == "2024-01-09"


def test_a_stage_that_can_tell_beforehand_takes_neither_lock_nor_engine(
    bellwether: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="pipelines")
    job = ModuleType("pipelines.stages.ingest.job")
    job.peek = lambda context, sessions: Outcome(status="waiting", details=SAID)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, job.__name__, job)
    for command in (("ingest",), ("run", "--stages", "ingest,curate"), ("run",)):
        code, report = bellwether(*command)
        told = report if "stages" not in report else report["stages"][0]
        assert (code, told["status"], told["details"]) == (75, "waiting", SAID)
    assert list(tmp_path.iterdir()) == []
    assert "ingest: 3 of 30 symbols" in caplog.text


def test_only_stages_that_say_so_are_asked_beforehand() -> None:
    assert [stage.name for stage in STAGES.values() if stage.peeks] == ["ingest"]
