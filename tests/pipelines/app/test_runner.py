"""One writer a home, one record a run, and the frame that the runner puts around an outcome."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest

from pipelines.app.runner import lock_path, one_writer, open_context, run_stage
from pipelines.app.settings import load_settings
from pipelines.base.errors import TransientError
from pipelines.base.home import Home
from pipelines.base.project import PROJECT_ROOT
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


@pytest.mark.parametrize(
    ("root", "other_home"),
    [("", "home"), ("lake", "other"), ("file:lake", "other")],
    ids=["one", "two", "uri"],
)
def test_a_second_writer_waits_its_time_and_is_refused(root: str, other_home: str, tmp_path: Path) -> None:
    """The other writer is another process, as the scheduler's would be, of this home or of another."""
    scheme, _, name = root.rpartition(":")
    shared = f"{scheme}{':' if scheme else ''}{tmp_path / name}" if name else ""
    settings, _ = load_settings(overrides=["lake.lock_timeout_seconds=0.2", f"lake.root='{shared}'"])
    context = open_context(settings, tmp_path / "home")
    code = (
        "import sys; from pathlib import Path\n"
        "from pipelines.app.runner import one_writer, open_context\n"
        "from pipelines.app.settings import load_settings\n"
        "settings, _ = load_settings(overrides=[f'lake.root={sys.argv[2]}'] if sys.argv[2] else [])\n"
        "with one_writer(open_context(settings, Path(sys.argv[1]))):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / other_home), str(tmp_path / name) if name else ""],
        cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(TransientError, match=r"another writer holds .*writer\.lock"), one_writer(context):
            pass
    finally:
        other.communicate("")
    with one_writer(context):
        place = tmp_path / name if name else context.home.lake
        assert (place / ".writer.lock").exists()


def test_a_lake_that_is_no_folder_is_locked_in_the_home(tmp_path: Path) -> None:
    settings, _ = load_settings(overrides=["lake.root=s3a://ours/lake"])
    assert lock_path(settings.lake, Home(tmp_path)) == tmp_path / "run" / "writer.lock"
