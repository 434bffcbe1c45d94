"""What a Spark session is told, by where it runs."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.app.settings import load_settings
from pipelines.base.errors import UnavailableError
from pipelines.base.jdk import CLASS_ARCHIVE
from pipelines.io import spark
from pipelines.io.spark_params import SparkParams


@pytest.fixture
def params(tmp_path: Path) -> SparkParams:
    (tmp_path / "delta.jar").touch()
    return replace(load_settings()[0].spark, jar_folder=str(tmp_path))


@pytest.mark.parametrize(
    ("master", "key"), [("local[2]", "spark.driver.extraClassPath"), ("spark://host:7077", "spark.jars")]
)
def test_delta_is_found_where_the_executors_look(params: SparkParams, master: str, key: str) -> None:
    options = spark._jar_options(replace(params, master=master))
    assert options == {key: str(Path(params.jar_folder) / "delta.jar")}


def test_missing_jars_say_what_to_do(params: SparkParams, tmp_path: Path) -> None:
    (tmp_path / "delta.jar").unlink()
    with pytest.raises(UnavailableError, match="make setup"):
        spark._jar_options(params)


@pytest.mark.parametrize(("master", "shared"), [("local[2]", True), ("spark://host:7077", False)])
def test_only_a_local_driver_maps_the_class_archive(
    params: SparkParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, master: str, shared: bool
) -> None:
    monkeypatch.setattr(spark, "JAR_FOLDER", tmp_path)
    (tmp_path / CLASS_ARCHIVE).touch()
    options = spark._java_options(replace(params, master=master), tmp_path)
    assert ("-XX:SharedArchiveFile" in options) is shared


def test_a_folder_may_have_a_blank_in_its_name(params: SparkParams, tmp_path: Path) -> None:
    folder = tmp_path / "my home"
    assert f"-Dderby.system.home={folder}" in shlex.split(spark._java_options(params, folder))
