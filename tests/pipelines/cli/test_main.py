"""What the command line says to people who mistype: one line, an exit code, nothing written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipelines.base.errors import SettingsError
from pipelines.cli.main import main


def bellwether(*command: str) -> Result:
    return CliRunner().invoke(main, list(command))


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (("show", "silver.bar"), 2, "near matches: silver.bars"),
        (("show", "silver.bars", "--limit", "-1"), 2, "-1 is not in the range x>=0"),
        (("show", "ops.stage_runs", "--symbol", "A"), 2, "has no symbol; leave --symbol out"),
        (("show", "ops.model_ledger", "--session", "2024-01-02"), 2, "has no session"),
        (("audit", "--session", "2024-01-06"), 99, "2024-01-06 is no session of XNYS: the market was closed"),
        (("audit", "--session", "2024-13-01"), 2, "is not a date; give YYYY-MM-DD"),
        (("ingest", "--as-of", "2099-01-02"), 78, "the calendar XNYS ends on"),
        (("ingest", "--bars", "no/such/*.csv"), 78, "--bars no/such/*.csv: there is no such file"),
        (("ingest", "--source", "files"), 78, "sources.files.bars='' must name a file"),
        (
            ("ingest", "--source", "vendor"),
            78,
            "feeds.bars='vendor' must be a key of sources",
        ),
        (("run", "--set", "source.name=files"), 78, "source.name is called feeds.bars and feeds.texts now"),
        (("run", "--stages", "ingest,shake"), 2, "--stages names shake"),
        (("ingest", "--set", "features.sets.mine=[]"), 78, "features.sets.mine=[] must name at least one"),
        (
            ("run", "--set", "features.sets.mine=[mom_retrun_5d]"),
            78,
            "features.sets.mine=['mom_retrun_5d']: no feature is called 'mom_retrun_5d'; near matches: mom_",
        ),
        (
            ("run", "--set", "models.baselines.momentum_feature=mom_retrun_5d"),
            78,
            "models.baselines.momentum_feature='mom_retrun_5d': no feature is called 'mom_retrun_5d'; near",
        ),
        (("status", "--set", "calendar.name=XNYC"), 78, "is no calendar of exchange_calendars"),
        (
            ("ingest", "--set", "calendar.name=XTKS"),
            78,
            "calendar.name='XTKS', but sources.simulated.calendar='XNYS'",
        ),
        (
            ("ingest", "--set", "calendar.name=XEUR", "--set", "sources.simulated.calendar=XEUR"),
            78,
            "calendar.cutoff_local=22:00 cuts",
        ),
    ],
)
def test_a_slip_is_named(command: tuple[str, ...], status: int, said: str, tmp_path: Path) -> None:
    result = bellwether(*command, "--home", str(tmp_path))
    assert (result.exit_code, said in result.output) == (status, True), result.output


@pytest.mark.parametrize(
    "command", [("status",), ("show", "silver.bars"), ("audit", "--session", "2024-01-02")]
)
def test_a_home_that_is_not_there_is_not_looked_at(command: tuple[str, ...], tmp_path: Path) -> None:
    result = bellwether(*command, "--home", str(tmp_path / "mistyped"))
    assert result.exit_code == SettingsError.exit_code
    assert "there is no such folder" in result.output
    assert not (tmp_path / "mistyped").exists()


def test_settings_load_without_the_catalog_of_features() -> None:
    script = (
        "import sys; from pipelines.app.settings import load_settings; load_settings(); "
        "sys.exit('features.views' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_misspelt_feature_stops_a_stage_before_its_home_is_made(tmp_path: Path) -> None:
    result = bellwether("ingest", "--set", "features.sets.mine=[mom_x]", "--home", str(tmp_path / "home"))
    assert (result.exit_code, "no feature is called 'mom_x'" in result.output) == (78, True), result.output
    assert not (tmp_path / "home").exists()


def test_an_empty_home_says_that_nothing_has_run(tmp_path: Path) -> None:
    result = bellwether("status", "--home", str(tmp_path))
    assert (result.exit_code, "no stage has run yet" in result.output) == (0, True), result.output
