"""Bentos are built whole, once, and pointed at in one step."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from benchmarks.serving_load import wait_until_ready
from pipelines.base.project import PROJECT_ROOT
from pipelines.io.bento import BentoRepository, BuiltBento, bento_tag, code_files, requirements
from serving.pointer import POINTER_FILE
from serving.served_model import digest_folder, read_manifest
from tests.serving.homes import publish
from tests.serving.parts import manifest_of, write_champion
from tests.serving.process import free_port, process_of

TAG = "bellwether:v1-aaaaaaaaaaaa-test"


@pytest.fixture(scope="module")
def champion_at_hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A champion's folder."""
    return write_champion(tmp_path_factory.mktemp("staged"), manifest_of(bento=TAG))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory, champion_at_hand: Path) -> BentoRepository:
    """A store with one Bento, which takes seconds to build."""
    repository = BentoRepository(tmp_path_factory.mktemp("home") / "bento")
    repository.build(TAG, champion_at_hand)
    return repository


def found(repository: BentoRepository) -> BuiltBento:
    built = repository.find(TAG)
    assert built is not None
    return built


def test_it_carries_the_champion_byte_for_byte_and_the_code(
    repository: BentoRepository, champion_at_hand: Path
) -> None:
    built = found(repository)
    assert digest_folder(built.champion) == digest_folder(champion_at_hand)
    source = built.folder / "src"
    assert (source / "serving" / "service.py").is_file()
    assert {path.name for path in source.iterdir()} == {
        "bentofile.yaml", "champion", "features", "models", "serving",
    }  # fmt: skip
    assert {path.name for path in (source / "features").iterdir()} == {"__init__.py", "sessions.py"}


def test_it_is_its_owners_alone_and_so_are_its_copies_in_an_image(repository: BentoRepository) -> None:
    """In the store nobody else reads it; the image hands each file to the user that runs there."""
    folder = found(repository).folder
    entry = folder / "env" / "docker" / "entrypoint.sh"
    assert stat.S_IMODE(entry.stat().st_mode) == 0o700
    steps = (folder / "env" / "docker" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    user = [step.split()[1] for step in steps if step.startswith("USER ")][-1]
    copies = [step for step in steps if step.startswith(("COPY ", "ADD "))]
    assert copies
    assert [step for step in copies if f"--chown={user}:{user} " not in step] == []


def test_its_requirements_are_pinned_and_name_no_registry(repository: BentoRepository) -> None:
    lines = (found(repository).folder / "env" / "python" / "requirements.txt").read_text().splitlines()
    assert all("==" in line and "://" not in line for line in lines)
    assert {line.partition("==")[0] for line in lines} >= {"bentoml", "feast", "polars", "xgboost"}
    assert not any(line.startswith("torch") for line in lines)
    assert any(line.startswith("torch==") for line in requirements("tft"))


def test_a_second_build_changes_nothing(repository: BentoRepository, champion_at_hand: Path) -> None:
    before = (found(repository).folder / "bento.yaml").stat().st_mtime_ns
    assert repository.build(TAG, champion_at_hand) == found(repository)
    assert (found(repository).folder / "bento.yaml").stat().st_mtime_ns == before


def test_a_bento_that_was_torn_is_set_aside_and_built_anew(
    repository: BentoRepository, champion_at_hand: Path, tmp_path: Path
) -> None:
    other = BentoRepository(tmp_path / "bento")
    shutil.copytree(repository.folder, other.folder)
    assert other.point_at(found(other))
    pointer = other.current()
    assert pointer is not None
    assert other.is_whole(pointer)
    manifest = found(other).champion / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-1])
    assert not other.is_whole(pointer)
    built = other.build(TAG, champion_at_hand)
    assert (built, other.is_whole(pointer)) == (found(other), True)
    (kept,) = (other.folder / "damaged").iterdir()
    assert (kept / manifest.relative_to(built.folder)).read_bytes() != manifest.read_bytes()


def test_an_interrupted_build_is_not_found(repository: BentoRepository, tmp_path: Path) -> None:
    half = BentoRepository(tmp_path / "bento")
    shutil.copytree(found(repository).folder, half.bentos / "bellwether" / TAG.partition(":")[2])
    assert half.find(TAG) is not None
    (half.bentos / "bellwether" / TAG.partition(":")[2] / "bento.yaml").unlink()
    assert half.find(TAG) is None


def test_the_pointer_moves_once(repository: BentoRepository) -> None:
    built = found(repository)
    assert (repository.point_at(built), repository.point_at(built)) == (True, False)
    pointer = repository.current()
    assert pointer is not None
    assert read_manifest(repository.folder / pointer.champion).bento == pointer.tag == TAG
    assert json.loads((repository.folder / POINTER_FILE).read_text())["model_version"] == "1"


def test_an_archive_carries_it_to_another_home(repository: BentoRepository, tmp_path: Path) -> None:
    archive = repository.export_to(TAG, tmp_path / "champion.bento")
    elsewhere = BentoRepository(tmp_path / "elsewhere")
    built = elsewhere.import_from(archive)
    assert elsewhere.find(TAG) == built == elsewhere.import_from(archive)
    assert digest_folder(built.champion) == digest_folder(found(repository).champion)


def test_the_tag_names_model_code_and_default_settings() -> None:
    manifest = manifest_of(model_version="3", model_key="0123456789abcdef")
    tag = bento_tag(manifest)
    assert re.fullmatch(r"bellwether:v3-0123456789ab-[0-9a-f]{8}", tag)
    assert bento_tag(replace(manifest, bento=tag)) == tag
    assert bento_tag(replace(manifest, settings={})) != tag


def test_the_code_digest_covers_what_is_carried_and_no_more() -> None:
    carried = {path.relative_to(PROJECT_ROOT).as_posix() for path in code_files()}
    assert {"serving/service.py", "models/xgboost_forecaster.py", "features/sessions.py"} <= carried
    assert not {path for path in carried if path.startswith(("pipelines", "feature_repo", "simulation"))}
    assert "features/momentum.py" not in carried


ALONE = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in str(finder).lower()]
"""
"""Run at each start of Python: the installed project is not found, as on a machine with the Bento alone."""


def test_it_answers_on_a_machine_without_the_project(repository: BentoRepository, tmp_path: Path) -> None:
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "sitecustomize.py").write_text(ALONE)
    environment = {
        **os.environ, "PYTHONPATH": str(tmp_path / "path"), "BENTOML_HOME": str(repository.folder),
        "BENTOML_DO_NOT_TRACK": "True", "BELLWETHER_HOME": str(tmp_path / "home"),
    }  # fmt: skip
    probe = [sys.executable, "-c", "import pipelines"]
    absent = subprocess.run(probe, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert "No module named 'pipelines'" in absent.stderr
    publish(tmp_path / "home", ["S000", "S001"])
    port, log = free_port(), tmp_path / "service.log"
    command = [
        sys.executable, "-m", "bentoml", "serve", TAG, "--port", str(port), "--host", "127.0.0.1",
    ]  # fmt: skip
    with process_of(command, cwd=tmp_path, env=environment, log=log):
        answer, page = asyncio.run(ask(f"http://127.0.0.1:{port}"))
    assert [forecast["status"] for forecast in answer["forecasts"]] == ["ok", "unknown_symbol"], (
        log.read_text()
    )
    assert answer["model"]["bento"] == TAG
    assert set(answer["forecasts"][0]["feature_timestamps"]) == {"features_daily", "features_text"}
    assert page["info"]["version"] == f"0.1.0 ({TAG})"


async def ask(address: str) -> tuple[dict, dict]:
    """Wait for the service; return its answer for two symbols, and what it says of itself."""
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        await wait_until_ready(client, seconds=30)
        answer = await client.post("/forecast", json={"symbols": ["S000", "NONE"]})
        return answer.json(), (await client.get("/docs.json")).json()


def test_the_service_needs_no_pipeline_library() -> None:
    """A Bento installs what it serves with, not Spark, MLflow or torch."""
    heavy = ("pyspark", "delta", "mlflow", "evidently", "torch", "transformers", "lightning")
    code = f"import sys, serving.service; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
