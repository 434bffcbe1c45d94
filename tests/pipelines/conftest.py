"""Fixtures of the stage tests: a home with a migrated MLflow database, opened under a clock of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.app.runner import open_context
from pipelines.app.settings import load_settings
from pipelines.base.context import Context
from pipelines.io.tracking import Tracking
from pipelines.io.tracking_params import TrackingParams

TRACKING = TrackingParams(
    uri="",
    registry_uri="",
    experiment="bellwether",
    registered_model="bellwether",
    signed_by="tests",
    signed_model="",
)
SMALL_MODEL = (
    "labels.horizon_sessions=[1]",
    "models.split.horizon_sessions=1",
    "models.split.embargo_sessions=1",
    "models.split.n_folds=2",
    "models.split.test_sessions=10",
    "models.split.validation_sessions=10",
    "models.split.min_train_sessions=20",
    "models.split.holdout_sessions=15",
    "models.split.min_holdout_sessions=10",
    "models.xgboost.max_rounds=8",
    "models.xgboost.early_stopping_rounds=4",
    "models.xgboost.threads=1",
)
NOON = datetime(2016, 7, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh MLflow database: its migrations take seconds, a copy takes none."""
    folder = tmp_path_factory.mktemp("mlflow")
    tracking = Tracking(TRACKING, folder)
    tracking.client.search_registered_models()
    return tracking.database


@pytest.fixture(scope="session")
def seed_mlflow(mlflow_database: Path) -> Callable[[Path], Path]:
    """Put a copy of the fresh database into a home's MLflow folder and return the folder."""

    def seed(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(mlflow_database, folder / "mlflow.db")
        return folder

    return seed


@pytest.fixture(scope="session")
def open_home(seed_mlflow: Callable[[Path], Path]) -> Callable[..., Context]:
    """Open a home with settings for small models; its MLflow database is there from the start."""

    def open_one(folder: Path, *overrides: str, now: datetime = NOON) -> Context:
        settings, _ = load_settings(overrides=[*SMALL_MODEL, *overrides])
        if not (folder / "mlflow" / "mlflow.db").exists():
            seed_mlflow(folder / "mlflow")
        return open_context(settings, folder, clock=lambda: now)

    return open_one
