"""The guides are followed, block by block, in a copy of the project, and what they promise is there then."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import polars as pl
import pytest

from features.code_digest import feature_digest
from pipelines.base.project import PROJECT_ROOT
from tests.docs.guide import PLACE, copy_project, follow

GUIDES = ("add_a_feature.md", "add_a_model.md", "add_a_source.md", "add_a_stage.md")
RECORDED = PROJECT_ROOT / "tests" / "compatibility" / "home-d76d8ce.tar.gz"
SESSION = "2022-10-03"
PROOFS = (
    "tests/features/test_momentum.py",
    "tests/features/test_weekly.py",
    "tests/leakage",
    "tests/models/test_huber_forecaster.py",
    "tests/contracts/test_forecasters.py",
    "tests/pipelines/io/sources/test_vendor.py",
    "tests/pipelines/stages/export_forecasts",
)
ADDED = "acceleration or weekly or 41 or huber or vendor or export"
"""Of the common suites what is about the additions; 41 sessions are the new feature's look-back."""


class Copy:
    """A copy of the project in which all guides have been followed."""

    def __init__(self, root: Path) -> None:
        self.root = copy_project(root)
        self.touched = [file for guide in GUIDES for file in follow(guide, root)]

    def run(self, *words: str) -> str:
        """Run Python in the copy; return what it prints."""
        environment = {**os.environ, "PYTHONPATH": str(self.root)}
        command = [sys.executable, *words]
        done = subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """All guides followed, one after another."""
    return Copy(tmp_path_factory.mktemp("guides"))


def test_every_guide_puts_something_somewhere(copy: Copy) -> None:
    assert {"features/momentum.py", "models/huber_forecaster.py"} < set(copy.touched)
    assert {"pipelines/io/sources/vendor.py", "pipelines/stages/export_forecasts/job.py"} < set(copy.touched)


def test_what_the_guides_add_keeps_the_style_and_the_rooms(copy: Copy) -> None:
    code = [file for file in copy.touched if file.endswith(".py")]
    copy.run("-m", "ruff", "check", *code)
    copy.run("-m", "ruff", "format", "--check", *code)
    assert "0 broken" in copy.run(str(PROJECT_ROOT / ".venv" / "bin" / "lint-imports"), "--no-cache")


def test_the_guides_own_tests_and_the_common_suites_pass(copy: Copy) -> None:
    said = copy.run("-m", "pytest", "-v", "-p", "no:cacheprovider", "-k", ADDED, *PROOFS)
    passed = [line for line in said.splitlines() if " PASSED" in line]
    for name, least in (("acceleration", 2), ("[41]", 1), ("weekly", 1), ("[huber]", 10), ("vendor", 7)):
        assert sum(name in line for line in passed) >= least, f"{name}: {passed}"
    assert "test_the_best_are_taken" in said


def test_features_sets_and_views_reach_feast_and_leave_core_alone(copy: Copy) -> None:
    told = json.loads(
        copy.run(
            "-c",
            "import json; from datetime import timedelta\n"
            "from feature_repo.definitions import build_definitions\n"
            "from features.code_digest import feature_digest\n"
            "from pipelines.app.settings import load_settings\n"
            "sets = load_settings()[0].features.feature_sets()\n"
            "made = build_definitions(timedelta(days=5), sets)\n"
            "fields = {v.name: [f.name for f in v.features] for v in made.views}\n"
            "services = {s.name: {p.name: [f.name for f in p.features] for p in s.feature_view_projections}"
            " for s in made.services}\n"
            "core = next(one for one in sets if one.name == 'core')\n"
            "print(json.dumps([fields, services, {n: feature_digest(n) for n in core.features}]))",
        )
    )
    fields, services, digests = told
    assert "mom_acceleration_20d" in fields["features_daily"]
    assert "week_return_5d" in fields["features_weekly"]
    chosen = ["mom_return_5d", "mom_return_20d", "mom_return_252d_skip21", "vol_realised_20d"]
    assert services["paces"]["features_daily"][-5:] == ["mom_acceleration_20d", *chosen]
    assert "mom_acceleration_20d" not in services["core"]["features_daily"]
    assert digests == {name: feature_digest(name) for name in digests}


def test_family_source_set_and_stage_are_settings_of_the_command_line(copy: Copy) -> None:
    chosen = ("models.family=huber", "models.feature_set=paces", "feeds.bars=vendor")
    options = [word for choice in chosen for word in ("--set", choice)]
    printed = copy.run("-m", "pipelines", "settings", *options)
    assert "models.huber.epsilon=1.35" in printed
    assert 'sources.vendor.token=""' in printed
    assert "export_forecasts.symbols=20" in printed
    helped = copy.run("-m", "pipelines", "train", "--help")
    assert "huber" in helped
    pinned = copy.run("-c", "from pipelines.io.bento import requirements; print(*requirements('huber'))")
    assert "scikit-learn==" in pinned


def test_the_stage_runs_on_a_home(copy: Copy, tmp_path: Path) -> None:
    with tarfile.open(RECORDED) as packed:
        packed.extractall(tmp_path, filter="data")
    asked = ["export_forecasts", "--as-of", SESSION, "--home", str(tmp_path)]
    report = json.loads(copy.run("-m", "pipelines", *asked, "--set", "export_forecasts.symbols=3"))
    assert (report["stage"], report["status"], report["rows_out"]) == ("export_forecasts", "done", 3)
    assert list(report["inputs"]) == ["gold.forecasts"]
    written = pl.read_csv(tmp_path / "exports" / f"{SESSION}.csv")
    assert written["rank"].to_list() == sorted(written["rank"], reverse=True)
    logged = copy.run("-m", "pipelines", "show", "ops.stage_runs", "--home", str(tmp_path), "--format", "csv")
    assert "export_forecasts" in logged


def test_the_list_of_the_dags_has_the_stage_too(copy: Copy) -> None:
    listed = (copy.root / "dags" / "lib" / "spec.py").read_text(encoding="utf-8")
    folders = {path.parent.name for path in (copy.root / "pipelines" / "stages").glob("*/job.py")}
    assert "export_forecasts" in folders
    assert [stage for stage in folders if f'    "{stage}",\n' not in listed] == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("# a/b.py", {"file": "a/b.py"}),
        ("# a/b.py, at the end", {"file": "a/b.py", "end": "at the end"}),
        ('# a/b.py, below "x = ("', {"file": "a/b.py", "how": "below", "line": "x = ("}),
        ('# a/b.py, in place of "x = "1""', {"file": "a/b.py", "how": "in place of", "line": 'x = "1"'}),
    ],
)
def test_first_lines_say_where_a_block_goes(line: str, told: dict[str, str]) -> None:
    place = PLACE.fullmatch(line)
    assert place is not None
    assert {name: value for name, value in place.groupdict().items() if value} == told
