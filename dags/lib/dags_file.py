"""Reads `conf/dags.yaml`, or the file that BELLWETHER_DAGS names."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


def settings_path() -> Path:
    """Return the file in force."""
    return Path(os.environ.get("BELLWETHER_DAGS") or ROOT / "conf/dags.yaml")


def read_settings() -> dict[str, Any]:
    """Return the sections of the file in force; it is read once a process."""
    return _read(settings_path())


@cache
def _read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))
