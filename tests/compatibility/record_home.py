"""Record a small home of the checked-out version, so that later versions can be tested on it.

    python -m tests.compatibility.record_home ARCHIVE.tar.gz

A simulated market of six symbols is loaded, a model is trained, evaluated and promoted, and one more
session is run. Kept are the tables, the fetched model folder, the online store and the verdicts. MLflow's
database and the Bento name the folder in which they were made and nobody reads them here; the reports' pages
hold megabytes of plotting code: they are left out.
`recorded.json` names revision, day and sessions.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path

KEPT = ("lake", "mlflow/models", "feast", "reports")
LEFT_OUT = (".html", ".crc", "feature_store.yaml")
HISTORY, ADDED = ("2022-01-03", "2022-09-30"), "2022-10-03"
SETTINGS = (
    "sources.simulated.symbols=6", "sources.simulated.sectors=2", "sources.simulated.start=2022-01-03",
    "labels.horizon_sessions=[1]", "models.split.horizon_sessions=1", "models.split.embargo_sessions=1",
    "models.split.n_folds=2", "models.split.test_sessions=15", "models.split.validation_sessions=15",
    "models.split.min_train_sessions=30", "models.split.holdout_sessions=15",
    "models.split.min_holdout_sessions=10", "models.xgboost.max_rounds=8", "monitor.min_symbols=3",
)  # fmt: skip


def run_chain(home: Path, *window: str) -> None:
    """Run the whole chain of this checkout over a window.

    Raises
    ------
    subprocess.CalledProcessError
        If it fails.
    """
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    subprocess.run(
        [sys.executable, "-m", "pipelines", "run", "--home", str(home), *window, *settings],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def describe() -> dict[str, str]:
    """Return which version recorded the home, when, and of which sessions."""
    head = ["git", "rev-parse", "HEAD"]
    revision = subprocess.run(head, check=True, capture_output=True, text=True).stdout.strip()
    return {
        "revision": revision,
        "recorded_on": str(datetime.now(tz=UTC).date()),
        "first_session": HISTORY[0],
        "last_session": ADDED,
    }


def keep(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Return what is packed of one file: without its owner, None for what is left out."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return None if entry.name.endswith(LEFT_OUT) else entry


def record(archive: Path) -> None:
    """Make the home and pack what is kept of it."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        run_chain(home, "--start", HISTORY[0], "--end", HISTORY[1])
        run_chain(home, "--as-of", ADDED)
        (home / "recorded.json").write_text(json.dumps(describe(), indent=1), encoding="utf-8")
        with tarfile.open(archive, "w:gz") as packed:
            for name in (*KEPT, "recorded.json"):
                packed.add(home / name, arcname=name, filter=keep)


if __name__ == "__main__":
    record(Path(sys.argv[1]))
