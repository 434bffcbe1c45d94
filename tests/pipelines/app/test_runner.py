"""One record a run, and the frame that the runner puts around an outcome."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest

from pipelines.app.runner import run_stage
from pipelines.base.report import Outcome, SessionRange
from pipelines.stages import STAGES
from pipelines.tables.contracts import BRONZE_BARS, OPS_STAGE_RUNS
from tests.pipelines.stages.files_home import DAYS, make_bars, open_files_home, rows, run

SESSION = SessionRange(start=date(2024, 1, 2), end=date(2024, 1, 3))


def test_a_report_is_framed_by_versions_and_recorded(spark: object, tmp_path: Path) -> None:
    context = open_files_home(tmp_path, make_bars())
    first, second = run(context, "ingest"), run(context, "curate")
    assert first.versions_before["bronze.bars"] is None
    assert second.inputs == {name: first.outputs[name] for name in ("bronze.bars", "ops.coverage")}
    assert set(second.outputs) == {"silver.bars", "silver.actions"}
    assert second.definition
    recorded = rows(context, OPS_STAGE_RUNS).sort("finished_at", "stage")
    assert sorted(recorded["stage"]) == ["curate", "ingest"]
    assert set(recorded["as_of"]) == {DAYS[-1]}
    assert set(recorded["window_start"]) == {DAYS[0]}


def test_a_stage_that_fails_leaves_no_record(
    spark: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = open_files_home(tmp_path, make_bars())
    (tmp_path / "drop" / "bars.csv").unlink()
    with pytest.raises(Exception, match="nothing to read yet"):
        run(context, "ingest")
    assert not context.lake.exists(OPS_STAGE_RUNS)
    assert not context.lake.exists(BRONZE_BARS)


def test_a_stage_that_is_registered_is_run_by_its_name(
    spark: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `docs` promise of a stage: a folder with its statement and a job, and one line in the list."""
    job = ModuleType("pipelines.stages.toy.job")
    job.run = lambda context, sessions: Outcome(  # type: ignore[attr-defined]
        rows_in=2, rows_out=1, details={"end": str(sessions.end)}
    )
    monkeypatch.setitem(sys.modules, job.__name__, job)
    monkeypatch.setitem(STAGES, "toy", replace(STAGES["curate"], name="toy", help="Nothing."))
    report = run_stage(open_files_home(tmp_path, make_bars()), "toy", SESSION)
    assert (report.stage, report.rows_in, report.definition) == ("toy", 2, "")
    assert report.details == {"end": "2024-01-03"}


def test_a_stage_is_handed_the_definition_that_is_recorded(
    spark: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a run goes by is what its record says, also where the run itself would change the answer."""
    said = iter(["before the run", "after it"])
    job = ModuleType("pipelines.stages.toy.job")
    job.define = lambda context, sessions: next(said)  # type: ignore[attr-defined]
    job.run = lambda context, sessions, definition: Outcome(  # type: ignore[attr-defined]
        details={"went by": definition}
    )
    monkeypatch.setitem(sys.modules, job.__name__, job)
    monkeypatch.setitem(STAGES, "toy", replace(STAGES["curate"], name="toy", help="Nothing."))
    context = open_files_home(tmp_path, make_bars())
    report = run_stage(context, "toy", SESSION)
    assert (report.definition, report.details) == ("before the run", {"went by": "before the run"})
    assert context.run_log.last("toy").definition == "before the run"
