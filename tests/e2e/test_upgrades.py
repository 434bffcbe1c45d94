"""Another release of the code on a home with a champion: what it reads is the same, or it is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from pipelines.app.runner import run_stage
from pipelines.base.context import Context
from pipelines.base.project import PACKAGES, PROJECT_ROOT
from pipelines.base.report import SessionRange
from pipelines.registry.ledger import read_ledger
from tests.e2e.homes import MARKET, NOW, QUICK_MODEL, open_market

pytestmark = pytest.mark.chain
START, TRAINED = date(2022, 10, 3), date(2023, 3, 15)
SMALL = (
    f"sources.simulated.start={START}",
    "sources.simulated.symbols=10",
    *QUICK_MODEL,
)
FEATURE = 'expression=windows.total("overnight_log_return", 20)'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """A home with a history, a champion and nothing issued."""
    context = open_market(tmp_path_factory.mktemp("upgrades"), *SMALL)
    history = SessionRange(start=START, end=TRAINED, history=True)
    for stage in ("ingest", "curate", "score_text", "build_features", "train", "evaluate", "promote"):
        run_stage(context, stage, history)
    return context


def release(folder: Path, edited: str) -> Path:
    """Lay out the project with another expression of one feature, as an upgrade would bring it."""
    for name in (*PACKAGES, "conf"):
        shutil.copytree(PROJECT_ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".jars", ".jdk"):
        (folder / name).symlink_to(PROJECT_ROOT / name)
    momentum = folder / "features" / "momentum.py"
    source = momentum.read_text(encoding="utf-8")
    assert source.count(f"{FEATURE},") == 1
    momentum.write_text(source.replace(FEATURE, f"{FEATURE}{edited}"), encoding="utf-8")
    return folder


def bellwether(code: Path, home: Context, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of that release on the home."""
    settings = [part for value in (*MARKET, *SMALL) for part in ("--set", value)]
    place = ["--home", str(home.home.root), "--clock", NOW.isoformat()]
    return subprocess.run(
        [sys.executable, "-m", "pipelines", *command, *place, *settings],
        cwd=code, env={**os.environ, "PYTHONPATH": str(code)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_same_values_pass_and_other_values_do_not(home: Context, tmp_path: Path) -> None:
    chain = ("run", "--stages", "build_features,materialize,forecast", "--as-of", str(TRAINED))
    ended = bellwether(release(tmp_path / "refactored", " * 1.0"), home, *chain)
    assert ended.returncode == 0, ended.stderr[-3000:]
    (noted,) = [entry for entry in read_ledger(home.lake) if entry.kind == "lineage"]
    assert noted.why.startswith("mom_overnight_20d are made otherwise, and all ")
    assert not noted.numbers["by_person"]

    mended = release(tmp_path / "mended", " * 2.0")
    ended = bellwether(mended, home, *chain)
    assert ended.returncode == 78, ended.stderr[-3000:]
    assert "reads what is made otherwise than when it was trained: mom_overnight_20d; " in ended.stderr
    materialized = json.loads(ended.stdout)["stages"][1]
    assert "mom_overnight_20d" in materialized["details"]["alerts"][0]
    (told,) = json.loads((home.home.feast / "refused.json").read_text()).values()
    assert "have other values now" in told

    accepted = bellwether(mended, home, "accept-lineage", "--why", "it only changed its unit")
    assert accepted.returncode == 0, accepted.stderr[-3000:]
    assert json.loads((home.home.feast / "refused.json").read_text()) == {}
    assert bellwether(mended, home, "forecast", "--as-of", str(TRAINED)).returncode == 0
