"""What commands write is its owner's alone, whatever the shell's umask is."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.base.project import PROJECT_ROOT
from pipelines.cli.main import main
from pipelines.stack.airflow_home import airflow_environment
from pipelines.stack.params import ServicesParams
from pipelines.stack.processes import find_process, start_process
from tests.pipelines.stages.files_home import DAYS, deliver, make_bars


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """A shell whose files everybody may read."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def open_to_others(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if mode(path) & 0o077]


def test_nothing_in_a_home_is_open_to_others(tmp_path: Path) -> None:
    """By Spark, in a process of its own: the JVM takes its umask from there."""
    deliver(tmp_path, make_bars())
    home = tmp_path / "above" / "home"
    command = [
        sys.executable, "-m", "pipelines", "ingest", "--bars", str(tmp_path / "drop"),
        "--start", str(DAYS[0]), "--end", str(DAYS[-1]), "--home", str(home),
        "--clock", "2024-03-01T12:00:00Z", "--set", "sources.files.price_basis=raw",
        "--set", "lake.local_rows=0",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (home / "lake" / "bronze" / "bars" / "_delta_log").is_dir()
    assert (mode(home), open_to_others(home)) == (0o700, [])


def test_a_home_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert CliRunner().invoke(main, ["doctor", "--home", str(tmp_path)]).exit_code == 0
    assert mode(tmp_path) == 0o755


def test_a_home_is_its_owners_from_its_first_command_on(tmp_path: Path) -> None:
    assert CliRunner().invoke(main, ["doctor", "--home", str(tmp_path / "home")]).exit_code == 0
    assert mode(tmp_path / "home") == 0o700


def test_airflow_gives_its_logs_no_rights_of_their_own(tmp_path: Path, services: ServicesParams) -> None:
    said = airflow_environment(services, tmp_path)
    modes = {name: value for name, value in said.items() if "PERMISSIONS" in name}
    assert sorted(modes.values()) == ["0o600", "0o700"]


def test_what_the_stack_starts_has_the_umask_whoever_starts_it(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    started = start_process("one", ["sh", "-c", "umask"], environment={}, log=log, address="")
    if (running := find_process(started)) is not None:
        running.wait(timeout=60)
    assert log.read_text(encoding="utf-8") == "0077\n"


@pytest.fixture
def services() -> ServicesParams:
    from pipelines.app.settings import load_settings

    return load_settings()[0].services
