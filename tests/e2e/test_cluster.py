"""The Spark stages on a standalone cluster whose workers share no Python path with us."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.cluster import PROJECT_ROOT, bare_interpreter, standalone_cluster
from tests.e2e.homes import BUILD, MARKET

pytestmark = pytest.mark.cluster
CLEAN = ["--start", "2023-01-03", "--end", "2023-02-15"]


def command(home: Path, *overrides: str) -> list[str]:
    settings = [part for pair in (*MARKET, *overrides) for part in ("--set", pair)]
    program = str(PROJECT_ROOT / ".venv" / "bin" / "bellwether")
    return [program, "run", "--home", str(home), "--stages", ",".join(BUILD), *CLEAN, *settings]


def run(home: Path, *overrides: str) -> dict[str, int]:
    """Run the stages in a process of their own and return rows out by stage."""
    done = subprocess.run(
        command(home, *overrides), cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout.strip().splitlines()[-1])
    return {stage["stage"]: stage["rows_out"] for stage in report["stages"]}


def test_a_worker_cannot_import_our_packages_by_itself(tmp_path: Path) -> None:
    probe = [str(bare_interpreter(tmp_path)), "-c", "import polars, pipelines"]
    done = subprocess.run(probe, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "No module named 'pipelines'" in done.stderr


def test_a_cluster_writes_what_one_process_writes(tmp_path: Path) -> None:
    alone = run(tmp_path / "alone")
    with standalone_cluster(tmp_path) as master:
        together = run(
            tmp_path / "together",
            f"spark.master={master}",
            "spark.ship_code=true",
            f"spark.python={bare_interpreter(tmp_path)}",
            "spark.options={spark.executor.memory: 1g, spark.cores.max: '2', spark.executor.cores: '1'}",
        )
    assert together == alone
    assert together["build_features"] > 100
