"""The Delta jars: which ones, and what is kept of them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from pipelines.base.project import PROJECT_ROOT
from pipelines.io.spark import DELTA_PACKAGE
from scripts.commands import SetupError
from scripts.delta_jars import delta_package, keep_jars


def make_jar(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")


def test_the_coordinates_follow_the_pins() -> None:
    assert delta_package("delta-spark==4.4.0\npyspark==4.2.0\n") == "io.delta:delta-spark_4.2_2.13:4.4.0"


def test_the_session_and_setup_mean_the_same_jar() -> None:
    assert delta_package((PROJECT_ROOT / "requirements" / "work.txt").read_text()) == DELTA_PACKAGE


def test_missing_pins_are_named() -> None:
    with pytest.raises(SetupError, match=r"pins no delta-spark, pyspark; run `make lock`"):
        delta_package("polars==2.1.0\n")


def test_only_deltas_own_jars_are_kept(tmp_path: Path) -> None:
    for name in ("io.delta_delta-spark_4.2_2.13-4.4.0.jar", "org.antlr_antlr4-runtime-4.13.1.jar"):
        make_jar(tmp_path / "fetched" / name)
    make_jar(tmp_path / ".jars" / "io.delta_delta-spark_4.1_2.13-4.3.0.jar")
    keep_jars(tmp_path / "fetched", tmp_path / ".jars")
    assert [jar.name for jar in (tmp_path / ".jars").iterdir()] == ["io.delta_delta-spark_4.2_2.13-4.4.0.jar"]


def test_a_truncated_jar_is_refused_and_the_old_ones_stay(tmp_path: Path) -> None:
    (tmp_path / "fetched").mkdir()
    (tmp_path / "fetched" / "io.delta_delta-storage-4.4.0.jar").write_bytes(b"PK\x03\x04")
    make_jar(tmp_path / ".jars" / "io.delta_delta-storage-4.3.0.jar")
    with pytest.raises(SetupError, match=r"Ivy left \['io\.delta_delta-storage-4\.4\.0\.jar'\]"):
        keep_jars(tmp_path / "fetched", tmp_path / ".jars")
    assert [jar.name for jar in (tmp_path / ".jars").iterdir()] == ["io.delta_delta-storage-4.3.0.jar"]
