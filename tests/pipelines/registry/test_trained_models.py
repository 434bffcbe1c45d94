"""What training records of a model in the lake."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.io.lake import Lake
from pipelines.io.model_folder import forecaster_folder
from pipelines.registry.trained_models import find_trained, record_trained, recorded_keys
from pipelines.tables import queries
from pipelines.tables.contracts import OPS_TRAINED_MODELS
from serving.served_model import digest_folder
from tests.pipelines.registry.test_lineage import lineage

MODEL = replace(lineage(), model_settings={})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder as training leaves it: the forecaster's files, and MLflow's around them."""
    model = tmp_path / "model"
    forecaster_folder(model).mkdir(parents=True)
    (forecaster_folder(model) / "trees.ubj").write_bytes(b"trees")
    (model / "MLmodel").write_text("at nine")
    return model


def rows(lake: Lake) -> list[dict[str, object]]:
    every = queries.rows_of(OPS_TRAINED_MODELS, OPS_TRAINED_MODELS.columns, "true")
    return lake.collect_query(every, OPS_TRAINED_MODELS).to_dicts()


def test_before_the_first_training_nothing_is_known(lake: Lake) -> None:
    assert find_trained(lake, MODEL.model_key) is None
    assert recorded_keys(lake) == set()


def test_lineage_and_digest_come_back_as_they_were_recorded(lake: Lake, folder: Path) -> None:
    record_trained(lake, MODEL, folder)
    record_trained(lake, replace(MODEL, model_key="another"), folder)
    found = find_trained(lake, MODEL.model_key)
    assert found is not None
    assert found.lineage == MODEL
    assert found.digests == {digest_folder(forecaster_folder(folder))}
    assert recorded_keys(lake) == {MODEL.model_key, "another"}


def test_the_same_fit_again_writes_nothing_though_mlflow_writes_another_hour(
    lake: Lake, folder: Path
) -> None:
    record_trained(lake, MODEL, folder)
    (folder / "MLmodel").write_text("at ten")
    before = lake.version(OPS_TRAINED_MODELS)
    record_trained(lake, MODEL, folder)
    assert lake.version(OPS_TRAINED_MODELS) == before


def test_another_fit_of_the_same_key_that_gives_other_bytes_stands_beside_the_first(
    lake: Lake, folder: Path
) -> None:
    record_trained(lake, MODEL, folder)
    first = digest_folder(forecaster_folder(folder))
    (forecaster_folder(folder) / "trees.ubj").write_bytes(b"other trees")
    record_trained(lake, MODEL, folder)
    found = find_trained(lake, MODEL.model_key)
    assert found is not None
    assert found.digests == {first, digest_folder(forecaster_folder(folder))}
    assert found.lineage == MODEL
    assert len(rows(lake)) == 2
