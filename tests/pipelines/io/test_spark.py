"""What a Spark session is told, by where it runs."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from pyspark.sql import SparkSession

from pipelines.app.settings import load_settings
from pipelines.base.errors import UnavailableError
from pipelines.base.jdk import CLASS_ARCHIVE
from pipelines.io import spark
from pipelines.io.spark import private_session, session_left_as_found
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


def test_a_private_session_shares_neither_settings_nor_views(spark: SparkSession, tmp_path: Path) -> None:
    zone, before = "spark.sql.session.timeZone", SparkSession.getActiveSession()
    spark.conf.set(zone, "Asia/Tokyo")
    try:
        with session_left_as_found():
            own = private_session(load_settings()[0].spark, warehouse=tmp_path)
            own.range(3).createOrReplaceTempView("only_here")
            own.createDataFrame([(1,)], "one int").collect()
            assert (own.conf.get(zone), spark.conf.get(zone)) == ("UTC", "Asia/Tokyo")
            assert own.sparkContext is spark.sparkContext
        assert not spark.catalog.tableExists("only_here")
        assert SparkSession.getActiveSession() is before
        assert list(tmp_path.iterdir()) == []
    finally:
        spark.conf.set(zone, "UTC")


def test_a_running_session_without_delta_is_not_read_with(
    params: SparkParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = SimpleNamespace(conf=SimpleNamespace(get=lambda _key, otherwise: otherwise))
    monkeypatch.setattr(SparkSession, "_instantiatedSession", foreign)
    with pytest.raises(
        UnavailableError, match=r"without Delta runs in this process; stop it first: spark\.stop"
    ):
        private_session(params, warehouse=tmp_path)


def test_a_session_that_the_block_started_is_stopped_whatever_happens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopped: list[bool] = []
    monkeypatch.setattr(SparkSession, "_instantiatedSession", None)
    started = SimpleNamespace(stop=lambda: stopped.append(True))

    def start_and_lose() -> None:
        monkeypatch.setattr(SparkSession, "_instantiatedSession", started)
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"), session_left_as_found():
        start_and_lose()
    assert stopped == [True]
