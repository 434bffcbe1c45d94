"""A stage begins only where there is room; what gives room back always does."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipelines.app import free_space, runner
from pipelines.base.report import StageReport
from pipelines.cli.main import main


@pytest.fixture(autouse=True)
def stages_that_do_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "run_stage", lambda _context, name, _sessions: StageReport(stage=name))
    monkeypatch.setattr(runner, "load_ahead", lambda _: None)


def bellwether(home: Path, *command: str) -> Result:
    return CliRunner().invoke(main, [*command, "--as-of", "2024-01-09", "--home", str(home)])


@pytest.mark.parametrize("stage", ["curate", "forecast", "promote"])
def test_a_stage_without_room_is_told_before_it_writes(tmp_path: Path, stage: str) -> None:
    home = tmp_path / "home"
    result = bellwether(home, stage, "--set", "lake.min_free_gib=1000000")
    why = json.loads(result.stdout)["why"]
    assert result.exit_code == 75, result.output
    assert why.startswith(f"{home} has ")
    assert why.endswith(
        " GiB free, below lake.min_free_gib=1000000.0; run `bellwether maintain`, which removes old "
        "files, or make room there, or lower the setting"
    )
    assert not home.exists()


def test_maintain_runs_without_room(tmp_path: Path) -> None:
    assert bellwether(tmp_path, "maintain", "--set", "lake.min_free_gib=1000000").exit_code == 0


@pytest.mark.parametrize(
    ("root", "said"),
    [("file:{lake}", "lake has 0.5 GiB free"), ("{lake}", "lake has 0.5 GiB free"), ("s3a://ours/lake", "")],
)
def test_a_lake_of_its_own_disk_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str, said: str
) -> None:
    lake = tmp_path / "lake"
    lake.mkdir()

    def usage(folder: Path) -> Any:
        return SimpleNamespace(free=2**29 if folder == lake else 2**40)

    monkeypatch.setattr(free_space.shutil, "disk_usage", usage)
    place = ["--set", f"lake.root={root.format(lake=lake)}"]
    place += [] if said else ["--set", f"lake.lock_file={tmp_path / 'lock'}"]
    result = bellwether(tmp_path / "home", "curate", *place)
    assert (result.exit_code, said in result.output) == (75 if said else 0, True), result.output


def test_a_floor_below_zero_is_refused(tmp_path: Path) -> None:
    result = bellwether(tmp_path, "curate", "--set", "lake.min_free_gib=-1")
    assert (result.exit_code, "min_free_gib=-1.0 must not be negative" in result.output) == (78, True)
