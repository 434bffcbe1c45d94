"""Bentos are built whole, once, and pointed at in one step."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.base.errors import BadDataError
from pipelines.io.bento import BentoShelf, BuiltBento, bento_tag, code_digest, requirements
from serving.pointer import POINTER_FILE
from serving.served_model import digest_folder, read_manifest
from tests.serving.parts import manifest_of, write_champion

TAG = "bellwether:v1-aaaaaaaaaaaa-test"


@pytest.fixture(scope="module")
def champion_at_hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A champion's folder."""
    return write_champion(tmp_path_factory.mktemp("staged"), manifest_of(bento=TAG))


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, champion_at_hand: Path) -> BentoShelf:
    """A store with one Bento, which takes seconds to build."""
    shelf = BentoShelf(tmp_path_factory.mktemp("home") / "bento")
    shelf.build(TAG, champion_at_hand)
    return shelf


def found(shelf: BentoShelf) -> BuiltBento:
    built = shelf.find(TAG)
    assert built is not None
    return built


def test_it_carries_the_champion_byte_for_byte_and_the_code(
    shelf: BentoShelf, champion_at_hand: Path
) -> None:
    built = found(shelf)
    assert digest_folder(built.champion) == digest_folder(champion_at_hand)
    source = built.folder / "src"
    assert (source / "serving" / "service.py").is_file()
    assert (source / "conf" / "base" / "serving.yaml").is_file()
    assert not list(source.rglob("__pycache__"))


def test_its_requirements_are_pinned_and_name_no_registry(shelf: BentoShelf) -> None:
    lines = (found(shelf).folder / "env" / "python" / "requirements.txt").read_text().splitlines()
    assert all("==" in line and "://" not in line for line in lines)
    assert {line.partition("==")[0] for line in lines} >= {"bentoml", "feast", "polars", "xgboost"}
    assert not any(line.startswith("torch") for line in lines)
    assert any(line.startswith("torch==") for line in requirements("tft"))


def test_a_second_build_changes_nothing(shelf: BentoShelf, champion_at_hand: Path) -> None:
    before = (found(shelf).folder / "bento.yaml").stat().st_mtime_ns
    assert shelf.build(TAG, champion_at_hand) == found(shelf)
    assert (found(shelf).folder / "bento.yaml").stat().st_mtime_ns == before


def test_another_champion_under_the_same_tag_is_refused(shelf: BentoShelf, tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match="holds another champion"):
        shelf.build(TAG, write_champion(tmp_path / "other", manifest_of(model_version="2"), seed=1))


def test_an_interrupted_build_is_not_found(shelf: BentoShelf, tmp_path: Path) -> None:
    half = BentoShelf(tmp_path / "bento")
    shutil.copytree(found(shelf).folder, half.bentos / "bellwether" / TAG.partition(":")[2])
    assert half.find(TAG) is not None
    (half.bentos / "bellwether" / TAG.partition(":")[2] / "bento.yaml").unlink()
    assert half.find(TAG) is None


def test_the_pointer_moves_once(shelf: BentoShelf) -> None:
    built = found(shelf)
    assert (shelf.point_at(built), shelf.point_at(built)) == (True, False)
    pointer = shelf.current()
    assert pointer is not None
    assert read_manifest(shelf.folder / pointer.champion).bento == pointer.tag == TAG
    assert json.loads((shelf.folder / POINTER_FILE).read_text())["model_version"] == "1"


def test_an_archive_carries_it_to_another_home(shelf: BentoShelf, tmp_path: Path) -> None:
    archive = shelf.export_to(TAG, tmp_path / "champion.bento")
    elsewhere = BentoShelf(tmp_path / "elsewhere")
    built = elsewhere.import_from(archive)
    assert elsewhere.find(TAG) == built == elsewhere.import_from(archive)
    assert digest_folder(built.champion) == digest_folder(found(shelf).champion)


def test_the_tag_names_model_and_code() -> None:
    assert bento_tag("3", "0123456789abcdef") == f"bellwether:v3-0123456789ab-{code_digest()[:8]}"


def test_the_service_needs_no_pipeline_library() -> None:
    """A Bento installs what it serves with, not Spark, MLflow or torch."""
    heavy = ("pyspark", "delta", "mlflow", "evidently", "torch", "transformers", "lightning")
    code = f"import sys, serving.service; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
