"""The one Spark session of a process."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from pipelines.errors import UnavailableError
from pipelines.params import SparkParams

DELTA_PACKAGE = "io.delta:delta-spark_4.2_2.13:4.4.0"
PROJECT_ROOT = Path(__file__).resolve().parents[2]
JAR_FOLDER = PROJECT_ROOT / ".jars"

_FIXED = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "100000",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.databricks.delta.properties.defaults.enableChangeDataFeed": "true",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.debug.maxToStringFields": "60",
}


def build_session(params: SparkParams, *, warehouse: Path) -> SparkSession:
    """Return the process's Spark session, started at the first call.

    Parameters
    ----------
    params : SparkParams
        Master, memory, shuffle partitions and any further option.
    warehouse : Path
        Folder for Spark's own scratch files.

    Raises
    ------
    UnavailableError
        If the Delta jars are missing.
    """
    os.environ.setdefault("PYSPARK_PYTHON", params.python or sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    builder = SparkSession.builder.appName("bellwether").master(params.master)
    options = {
        **_FIXED,
        "spark.jars": _delta_jars(params),
        "spark.driver.memory": params.driver_memory,
        "spark.driver.host": params.driver_host,
        "spark.driver.extraJavaOptions": _java_options(warehouse),
        "spark.sql.shuffle.partitions": str(params.shuffle_partitions),
        "spark.default.parallelism": str(params.shuffle_partitions),
        "spark.sql.warehouse.dir": str(warehouse / "warehouse"),
        "spark.local.dir": str(warehouse / "scratch"),
        "spark.log.level": params.log_level,
        **params.options,
    }
    for key, value in options.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def _java_options(warehouse: Path) -> str:
    return f"-Dderby.system.home={warehouse} -XX:+UseSerialGC -XX:TieredStopAtLevel=4 -Xss4m"


def _delta_jars(params: SparkParams) -> str:
    folder = Path(params.jar_folder) if params.jar_folder else JAR_FOLDER
    jars = sorted(folder.glob("*.jar"))
    if not jars:
        msg = f"no Delta jar in {folder}; run `make setup`, which fetches it once"
        raise UnavailableError(msg)
    return ",".join(str(jar) for jar in jars)
