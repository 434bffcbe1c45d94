"""Where the real data sets lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipelines.base.project import PROJECT_ROOT


def data_set(name: str) -> Path:
    """Return a set's folder; without it the tests fail in CI and are skipped, saying so, elsewhere."""
    folder = Path(os.environ.get("BELLWETHER_DATA", PROJECT_ROOT / "../shared/data")) / name
    if not folder.is_dir():
        message = f"no {name} in {folder.parent}: set BELLWETHER_DATA to the data folder"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return folder
