"""Fixtures of the service's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.served_model import ServedModel, load_served_model
from tests.serving.parts import write_champion


@pytest.fixture(scope="session")
def champion_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small fitted champion."""
    return write_champion(tmp_path_factory.mktemp("champion"))


@pytest.fixture(scope="session")
def champion(champion_folder: Path) -> ServedModel:
    """The same champion, loaded."""
    return load_served_model(champion_folder)
