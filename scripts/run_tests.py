"""Run the test suites, each in the environment it belongs to, and close with one line over all of them.

Usage: python -m scripts.run_tests {fast,all,faults,world} [PYTEST OPTION …]

A skip is allowed only for a reason in ALLOWED_SKIPS; with CI=true any other one fails the run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipelines.base.project import PROJECT_ROOT

REPORTS = PROJECT_ROOT / ".test-reports"
NO_TESTS_COLLECTED = 5
ALLOWED_SKIPS = (r"\bGPU\b", r"\bCUDA\b", r"\bdocker\b", r"\bredis-server\b")
OUTCOMES = ("passed", "failed", "errors", "skipped")


@dataclass(frozen=True)
class Suite:
    """One call of pytest.

    Attributes
    ----------
    name : str
        Names the report file.
    environment : str
        Folder of the virtual environment.
    options : tuple of str
        What pytest is told.
    """

    name: str
    environment: str
    options: tuple[str, ...]

    @property
    def report(self) -> Path:
        """JUnit file that the call writes."""
        return REPORTS / f"{self.name}.xml"


SLOW = "scheduler or cluster or chain or replay or world"
LONG = f"{SLOW} or faults or worlds"
APART = ("tests/pipelines", "tests/contracts", "tests/feature_repo")
BESIDE = "tests/pipelines/io"
"""Two lanes that take about as long as each other: stages and seams, and everything else."""
STAGES = Suite("stages", ".venv", (*APART, f"--ignore={BESIDE}", "-m", f"not ({LONG})"))
ROOMS = Suite(
    "rooms",
    ".venv",
    (
        "tests",
        "--ignore=tests/dags",
        *(
            f"--ignore={one.relative_to(PROJECT_ROOT)}"
            for folder in APART
            for one in sorted((PROJECT_ROOT / folder).iterdir())
            if str(one.relative_to(PROJECT_ROOT)) != BESIDE
        ),
        "-m",
        f"not ({LONG})",
    ),
)
DAGS = Suite("dags", ".venv-airflow", ("tests/dags", "--confcutdir=tests/dags"))
WHOLE = Suite("whole", ".venv", ("tests", "--ignore=tests/dags", "-m", SLOW))
FAULTS = Suite("faults", ".venv", ("tests", "--ignore=tests/dags", "--log-cli-level=INFO", "-m", "faults"))
WORLDS = Suite("worlds", ".venv", ("tests/world", "-m", "worlds"))
FAST = ((STAGES,), (ROOMS, DAGS))
PLANS = {
    "fast": (FAST,),
    "all": (FAST, ((WHOLE, FAULTS),)),
    "faults": (((FAULTS,),),),
    "world": (((WORLDS,),),),
}
"""A plan is a sequence of steps; the lanes of a step run side by side, the suites of a lane in turn."""


def run_suite(suite: Suite, extra: list[str], environ: dict[str, str], output: IO[str] | None = None) -> int:
    """Run one suite and return pytest's exit status; its output is shown as it comes, or kept in `output`.

    A suite without a test fails, unless options of the caller have left none.
    """
    python = str(PROJECT_ROOT / suite.environment / "bin" / "python")
    command = [python, "-m", "pytest", *suite.options, f"--junitxml={suite.report}", *extra]
    print(f"\n--- {suite.name}: {suite.environment} ---", file=output, flush=True)
    done = subprocess.run(
        command,
        cwd=PROJECT_ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        check=False,
    )
    return 0 if extra and done.returncode == NO_TESTS_COLLECTED else done.returncode


def run_step(lanes: Sequence[Sequence[Suite]], extra: list[str], environ: dict[str, str]) -> list[int]:
    """Run lanes side by side, each with a Spark session of its own.

    The first lane's output is shown as it comes, that of the others when all are done.
    """

    def run_lane(lane: Sequence[Suite], output: IO[str] | None = None) -> list[int]:
        return [run_suite(suite, extra, environ, output) for suite in lane]

    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        kept = [stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _ in lanes[1:]]
        beside = [pool.submit(run_lane, lane, output) for lane, output in zip(lanes[1:], kept, strict=True)]
        try:
            return run_lane(lanes[0]) + [status for lane in beside for status in lane.result()]
        finally:
            for output in kept:
                output.seek(0)
                print(output.read(), flush=True)


def count_outcomes(report: str) -> tuple[Counter[str], float]:
    """Return the number of tests by outcome, and the seconds, of one JUnit report."""
    counts: Counter[str] = Counter()
    seconds = 0.0
    for suite in ET.fromstring(report).iter("testsuite"):  # noqa: S314 - our own file of a moment ago
        failed, errors, skipped = (int(suite.get(key, 0)) for key in ("failures", "errors", "skipped"))
        counts.update(failed=failed, errors=errors, skipped=skipped)
        counts.update(passed=int(suite.get("tests", 0)) - failed - errors - skipped)
        seconds += float(suite.get("time", 0))
    return counts, seconds


def list_skips(report: str) -> Iterator[tuple[str, str]]:
    """Yield test and reason of each skip of one JUnit report."""
    for case in ET.fromstring(report).iter("testcase"):  # noqa: S314 - our own file of a moment ago
        for skip in case.findall("skipped"):
            yield f"{case.get('classname')}::{case.get('name')}", skip.get("message", "")


def unexpected_skips(skips: Iterable[tuple[str, str]]) -> list[str]:
    """Return, one line each, the skips whose reason is not an allowed one."""
    allowed = re.compile("|".join(ALLOWED_SKIPS), re.IGNORECASE)
    return [f"{test}: {reason}" for test, reason in skips if not allowed.search(reason)]


def closing_line(counts: Counter[str], seconds: float) -> str:
    """Return the sum of all suites in pytest's own words."""
    parts = [f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome] or outcome == "passed"]
    return f" {', '.join(parts)} in {seconds:.2f}s ".center(80, "=")


def judge(suites: Iterable[Suite], *, strict: bool) -> tuple[str, list[str]]:
    """Return the closing line and the skips that fail the run."""
    counts: Counter[str] = Counter()
    seconds, refused = 0.0, []
    for report in (suite.report.read_text(encoding="utf-8") for suite in suites if suite.report.is_file()):
        part, took = count_outcomes(report)
        counts.update(part)
        seconds += took
        refused += unexpected_skips(list_skips(report))
    return closing_line(counts, seconds), refused if strict else []


def main(arguments: list[str]) -> int:
    """Run one plan to its end and return 0 only if every suite passed."""
    if not arguments or arguments[0] not in PLANS:
        print(f"usage: run_tests.py {{{','.join(PLANS)}}} [PYTEST OPTION …]", file=sys.stderr)
        return 2
    steps = PLANS[arguments[0]]
    suites = [suite for lanes in steps for lane in lanes for suite in lane]
    REPORTS.mkdir(exist_ok=True)
    for suite in suites:
        suite.report.unlink(missing_ok=True)
    asked = os.environ.get("BELLWETHER_FAULTS", "all") if arguments[0] == "faults" else "sample"
    environ = dict(os.environ, BELLWETHER_FAULTS=asked)
    statuses = [status for lanes in steps for status in run_step(lanes, arguments[1:], environ)]
    line, refused = judge(suites, strict=os.environ.get("CI") == "true")
    for skip in refused:
        print(f"unexpected skip: {skip}")
    print(line, flush=True)
    return 1 if any(statuses) or refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
