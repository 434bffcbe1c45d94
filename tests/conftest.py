"""Fixtures that every test may use: one Spark session a run, and no telemetry."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.base.quiet_telemetry import QUIET_TELEMETRY

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pipelines.io.lake import Lake

os.environ.update(QUIET_TELEMETRY)
os.environ["HF_HUB_OFFLINE"] = "1"

LAST = ("chain", "replay", "cluster", "world", "worlds", "faults", "scheduler")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the quick tests first, so that a mistake shows early."""
    items.sort(key=lambda item: any(item.get_closest_marker(name) for name in LAST))


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> SparkSession:
    """The one Spark session of the run; every home opened in this process shares it."""
    from pipelines.app.settings import load_settings
    from pipelines.io.spark import build_session

    return build_session(load_settings()[0].spark, warehouse=tmp_path_factory.mktemp("spark"))


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    """An empty lake, opened as the settings say."""
    from pipelines.app.settings import load_settings
    from pipelines.io.lake import Lake

    return Lake(str(tmp_path / "lake"), lambda: spark, local_rows=load_settings()[0].lake.local_rows)
