"""The test runner: one closing line over all suites, and skips that may not pass unseen."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark.expression import Expression

from pipelines.base.project import PROJECT_ROOT
from scripts import run_tests

REPORT = """<?xml version="1.0"?><testsuites>
<testsuite errors="0" failures="1" skipped="2" tests="10" time="4.5">
<testcase classname="tests.models.test_tft" name="test_gpu"><skipped message="needs a GPU"/></testcase>
<testcase classname="tests.io.test_bars" name="test_rows"><skipped message="no data folder"/></testcase>
</testsuite></testsuites>"""


def test_outcomes_are_counted() -> None:
    counts, seconds = run_tests.count_outcomes(REPORT)
    assert counts == Counter(passed=7, failed=1, skipped=2, errors=0)
    assert seconds == 4.5


def test_a_skip_for_an_allowed_reason_passes() -> None:
    skips = run_tests.list_skips(REPORT)
    assert run_tests.unexpected_skips(skips) == ["tests.io.test_bars::test_rows: no data folder"]


def test_the_closing_line_reads_like_pytests() -> None:
    line = run_tests.closing_line(Counter(passed=7, failed=1, skipped=2, errors=0), 4.5)
    assert line.strip("=") == " 7 passed, 1 failed, 2 skipped in 4.50s "


@pytest.mark.parametrize(("strict", "refused"), [(True, 1), (False, 0)])
def test_unexpected_skips_count_in_ci_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strict: bool, refused: int
) -> None:
    monkeypatch.setattr(run_tests, "REPORTS", tmp_path)
    run_tests.STAGES.report.write_text(REPORT)
    line, skips = run_tests.judge([run_tests.STAGES], strict=strict)
    assert "7 passed" in line
    assert len(skips) == refused


def test_an_unknown_plan_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_tests.main(["quick"]) == 2
    assert "usage: run_tests.py {fast,all,faults,world}" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["", "scheduler", "cluster", "chain", "replay", "world", "faults"])
def test_every_test_belongs_to_one_suite(kind: str) -> None:
    plan = [suite for lanes in run_tests.PLANS["all"] for lane in lanes for suite in lane]
    for file in sorted((PROJECT_ROOT / "tests").rglob("test_*.py")):
        place = file.relative_to(PROJECT_ROOT)
        dags = place.parts[1] == "dags"
        choosing = [suite for suite in plan if collects(suite, place) and (dags or chooses(suite, kind))]
        assert len(choosing) == 1, place
        assert (choosing[0] in {run_tests.WHOLE, run_tests.FAULTS}) == bool(kind and not dags)


def test_the_many_worlds_have_a_plan_of_their_own() -> None:
    (((suite,),),) = run_tests.PLANS["world"]
    assert suite is run_tests.WORLDS
    assert chooses(suite, "worlds")
    assert collects(suite, Path("tests/world/test_worlds.py"))
    everything = [one for lanes in run_tests.PLANS["all"] for lane in lanes for one in lane]
    assert [one for one in everything if one is not run_tests.DAGS and chooses(one, "worlds")] == []


def collects(suite: run_tests.Suite, place: Path) -> bool:
    """Tell whether a suite's folders hold a file."""
    ignored = [Path(option.split("=")[1]) for option in suite.options if option.startswith("--ignore=")]
    folders = [option for option in suite.options if option.startswith("tests")]
    inside = any(place.is_relative_to(folder) for folder in folders)
    return inside and not any(place.is_relative_to(folder) for folder in ignored)


def chooses(suite: run_tests.Suite, kind: str) -> bool:
    """Tell whether pytest's own reading of the suite's expression takes a test of this kind."""
    return Expression.compile(suite.options[-1]).evaluate(lambda name, **_: name == kind)


def test_lanes_run_side_by_side_and_every_status_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = {"stages": 0, "rooms": 1, "dags": 0}

    def end(suite: run_tests.Suite, extra: list[str], environ: dict[str, str], output: Any = None) -> int:
        print(f"ran {suite.name}", file=output)
        return ends[suite.name]

    monkeypatch.setattr(run_tests, "run_suite", end)
    assert run_tests.run_step(run_tests.FAST, [], {}) == [0, 1, 0]
    assert capsys.readouterr().out.split() == ["ran", "stages", "ran", "rooms", "ran", "dags"]
