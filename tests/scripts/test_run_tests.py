"""The test runner: one closing line over all suites, and skips that may not pass unseen."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

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
    run_tests.WORK.report.write_text(REPORT)
    line, skips = run_tests.judge([run_tests.WORK], strict=strict)
    assert "7 passed" in line
    assert len(skips) == refused


def test_an_unknown_plan_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_tests.main(["quick"]) == 2
    assert "usage: run_tests.py {fast,all,faults}" in capsys.readouterr().err


def test_every_test_of_the_work_environment_belongs_to_one_suite() -> None:
    assert run_tests.WORK.options[-1] == "not scheduler and not cluster and not replay and not faults"
    assert run_tests.WHOLE.options[-1] == "replay or cluster"
    assert run_tests.PLANS["all"] == (*run_tests.PLANS["fast"], run_tests.WHOLE)
