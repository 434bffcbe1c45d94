"""A home for the views: its lake is that of the run's Spark session, its clock stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.app.runner import open_context
from pipelines.app.settings import load_settings
from pipelines.base.context import Context
from pipelines.io.lake import Lake
from tests.pipelines.conftest import NOON

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def open_empty(spark: SparkSession) -> Callable[..., Context]:
    """Open a home without tables, under settings of its own."""

    def open_one(folder: Path, *overrides: str) -> Context:
        settings, _ = load_settings(overrides=overrides)
        lake = Lake(str(folder / "lake"), lambda: spark, local_rows=settings.lake.local_rows)
        return replace(open_context(settings, folder, clock=lambda: NOON), lake=lake)

    return open_one
