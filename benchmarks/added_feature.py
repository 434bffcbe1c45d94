"""What one more feature in a set costs: which tables are built anew, and what goes online again.

A home is loaded with real bars and built and published. Then a copy of the project gets one more feature of
its primary view of bars, as the guide `docs/add_a_feature.md` writes it, and the set `core` names it. Stages
of the copy run on the home; what they touched is read from the tables themselves.

    python -m benchmarks.added_feature [--history HOME]    (at most 15 minutes on 2 cores)

With --history a home that is curated up to the last session is copied instead of loaded anew.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from features.views import feature_views
from tests.docs.guide import copy_project

RESULT = Path(__file__).parent / "results" / "added_feature.md"
DATA = Path(os.environ.get("BELLWETHER_DATA", "../shared/data"))
BARS = DATA / "bars_sp500_2013_2018" / "bars.parquet"
FIRST, LAST = "2013-02-08", "2018-02-06"
NAME, VIEW = "mom_acceleration_20d", "features_daily"
ENTRY = f'''    _feature(
        name="{NAME}",
        definition="total return of 20 sessions − total return of the 20 sessions before them",
        lookback_sessions=41,
        source="Gettleman and Marks (2006), Acceleration Strategies",
        expression=windows.change(20) - windows.change(40, skip=20),
    ),
'''
BELOW = "    _return(252, skip=21),\n"
TABLES = (*(view.name for view in feature_views()), "labels")


@dataclass(frozen=True, slots=True)
class Step:
    """One stage on the home: its report and its seconds, and the version of each gold table afterwards."""

    report: Mapping[str, Any]
    seconds: float
    versions: Mapping[str, int | None]


def add_feature(folder: Path) -> Path:
    """Return a copy of the project whose set `core` names one more feature."""
    root = copy_project(folder)
    module, sets = root / "features" / "momentum.py", root / "conf" / "base" / "features.yaml"
    for file, old, new in (
        (module, BELOW, BELOW + ENTRY),
        (sets, "    core: [\n", f"    core: [\n      {NAME},\n"),
    ):
        text = file.read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise RuntimeError(f"{file.name} does not hold {old!r} once")
        file.write_text(text.replace(old, new), encoding="utf-8")
    return root


def run(project: Path, home: Path, stage: str, *window: str) -> Step:
    """Run one stage by a project's own code.

    Raises
    ------
    RuntimeError
        If it fails.
    """
    call = [sys.executable, "-m", "pipelines", stage, "--home", str(home), "--source", "files"]
    call += ["--bars", str(BARS.resolve()), *window]
    environment = {**os.environ, "PYTHONPATH": str(project), "JAVA_HOME": str(project / ".jdk")}
    began = time.perf_counter()
    done = subprocess.run(call, cwd=project, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{stage} ended with {done.returncode}: {done.stderr[-2000:]}")
    return Step(json.loads(done.stdout.strip().splitlines()[-1]), seconds, read_versions(home))


def read_versions(home: Path) -> dict[str, int | None]:
    """Return the Delta version of each table that build_features writes."""
    places = {name: home / "lake" / "gold" / name for name in TABLES}
    return {name: DeltaTable(place).version() if place.is_dir() else None for name, place in places.items()}


def render(before: Mapping[str, Step], after: Mapping[str, Step]) -> tuple[str, bool]:
    """Return the page of results, and whether nothing but the one view was touched."""
    built, published = after["build_features"], after["materialize"]
    online = published.report["details"]["written"]
    rows, alone = [], True
    for name in TABLES:
        then, now = before["build_features"].versions[name], built.versions[name]
        written = built.report["details"].get(name, {}).get("rows_out", 0)
        rows.append(f"| {name} | {then} | {now} | {written:,} | {online.get(name, '')} |")
        alone &= (now != then) == (name == VIEW) and bool(online.get(name)) == (name == VIEW)
    story = (
        f"Real bars of 505 symbols, {FIRST} to {LAST}, all views built and published; then `{NAME}` is added "
        f"to {VIEW} and to the set `core`, and both stages run again: versions of the tables "
        f"before and after, rows written and rows that went online. Wall-clock seconds."
    )
    seconds = [f"| {stage} | {before[stage].seconds:.1f} | {after[stage].seconds:.1f} |" for stage in after]
    verdict = "met" if alone else "NOT met"
    parts = [
        "# One more feature\n",
        "Written by `python -m benchmarks.added_feature`.\n",
        textwrap.fill(story, 110),
        "",
        "| table | version before | after | rows written | rows online |",
        "|---|---|---|---|---|",
        *rows,
        "",
        "| stage | everything for the first time, s | with one more feature, s |",
        "|---|---|---|",
        *seconds,
        "",
        f"Wanted: {VIEW} alone is built anew and goes online again: {verdict}.",
        "",
    ]
    return "\n".join(parts), alone


def main() -> int:
    """Load, add, run again, print and write; return 0 if one view alone was touched."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--history", type=Path, help="a home that is curated up to the last session")
    asked = parser.parse_args()
    project = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        if asked.history is not None:
            shutil.copytree(asked.history, home)
        else:
            for stage in ("ingest", "curate"):
                run(project, home, stage, "--start", FIRST, "--end", LAST)
        before = {
            stage: run(project, home, stage, "--as-of", LAST) for stage in ("build_features", "materialize")
        }
        root = add_feature(Path(scratch) / "project")
        after = {
            stage: run(root, home, stage, "--as-of", LAST) for stage in ("build_features", "materialize")
        }
    page, met = render(before, after)
    print(page)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(page, encoding="utf-8")
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
