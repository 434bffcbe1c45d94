"""Fixtures that every test may use: one Spark session a run, and no telemetry."""

from __future__ import annotations

import os

import pytest

from pipelines.options import QUIET_TELEMETRY

os.environ.update(QUIET_TELEMETRY)
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("SPARK_TESTING", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the quick tests first, so that a mistake shows early."""
    slow = ("scheduler", "cluster", "faults")
    items.sort(key=lambda item: any(item.get_closest_marker(name) for name in slow))
