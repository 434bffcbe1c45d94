"""The one Spark session of a process."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pyspark import SparkContext
from pyspark.sql import SparkSession

from pipelines.base.errors import UnavailableError
from pipelines.base.jdk import CLASS_ARCHIVE
from pipelines.base.project import PACKAGES, PROJECT_ROOT
from pipelines.io.spark_params import SparkParams

DELTA_PACKAGE = "io.delta:delta-spark_4.2_2.13:4.4.0"
JAR_FOLDER = PROJECT_ROOT / ".jars"
JDK_FOLDER = PROJECT_ROOT / ".jdk"
LOG_FILE = PROJECT_ROOT / "conf" / "log4j2.properties"

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
    # Hadoop knows no umask of a process and would make folders and files that everybody may read.
    "spark.hadoop.fs.permissions.umask-mode": "077",
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
    os.environ.setdefault("SPARK_LOCAL_IP", params.driver_host)
    if JDK_FOLDER.exists():
        os.environ.setdefault("JAVA_HOME", str(JDK_FOLDER))
    options = {
        "spark.app.name": "bellwether",
        "spark.master": params.master,
        **_FIXED,
        **_jar_options(params),
        **_authentication(params),
        "spark.driver.memory": params.driver_memory,
        "spark.driver.host": params.driver_host,
        "spark.driver.extraJavaOptions": _java_options(params, warehouse),
        "spark.sql.shuffle.partitions": str(params.shuffle_partitions),
        "spark.default.parallelism": str(params.shuffle_partitions),
        # VACUUM lists a table in as many tasks, 10,000 unless told.
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": str(params.shuffle_partitions),
        "spark.sql.warehouse.dir": str(warehouse / "warehouse"),
        "spark.local.dir": str(warehouse / "scratch"),
        **params.options,
    }
    _start_java(options, warehouse)
    builder = SparkSession.builder
    for key, value in options.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    if params.ship_code:
        session.sparkContext.addPyFile(str(zip_packages(warehouse)))
    return session


def _start_java(options: Mapping[str, str], folder: Path) -> None:
    """Start the JVM unless this process has one, its options in a file that only this user reads.

    PySpark would write each option into the JVM's command line, the keys of a bucket too, and every account
    of a machine reads command lines.
    """
    if SparkContext._gateway is not None or "PYSPARK_GATEWAY_PORT" in os.environ:
        return
    folder.mkdir(parents=True, exist_ok=True)
    before = os.environ.get("PYSPARK_SUBMIT_ARGS")
    # Of mode 0600, and gone once the JVM has read it.
    with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".properties", encoding="utf-8") as file:
        file.writelines(f"{_escape(key)}={_escape(value)}\n" for key, value in options.items())
        file.flush()
        words = ["--properties-file", file.name, "--load-spark-defaults"]
        os.environ["PYSPARK_SUBMIT_ARGS"] = f"{shlex.join(words)} {before or 'pyspark-shell'}"
        try:
            SparkContext._ensure_initialized()
        finally:
            del os.environ["PYSPARK_SUBMIT_ARGS"]
            os.environ.update({} if before is None else {"PYSPARK_SUBMIT_ARGS": before})


def _escape(text: str) -> str:
    """Return a key or value as a file of Java properties has it."""
    for character, written in (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("=", "\\="), (":", "\\:")):
        text = text.replace(character, written)
    return text.replace(" ", "\\ ").replace("#", "\\#").replace("!", "\\!")


def _authentication(params: SparkParams) -> dict[str, str]:
    """Return what closes the driver's ports to other accounts of this machine.

    In one process Spark draws the secret itself, anew each time, and writes it nowhere. The executors of a
    cluster need one that its operator hands out: `spark.options` of the overlay.
    """
    return {"spark.authenticate": "true"} if _is_one_process(params) else {}


def zip_packages(folder: Path) -> Path:
    """Write our packages as a zip that workers can import from, and return its place."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "bellwether.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in PACKAGES:
            for path in sorted((PROJECT_ROOT / package).rglob("*")):
                if path.suffix in {".py", ".yaml"}:
                    archive.write(path, path.relative_to(PROJECT_ROOT))
    return target


def _java_options(params: SparkParams, warehouse: Path) -> str:
    logs = f"-Dlog4j2.configurationFile={LOG_FILE.as_uri()} -Dbellwether.spark.log.level={params.log_level}"
    # Quoted, since a folder may have a blank in its name.
    home = f'"-Dderby.system.home={warehouse}"'
    options = f"{home} {logs} -XX:+UseSerialGC -Xss4m {params.java_options}".strip()
    archive = JAR_FOLDER / CLASS_ARCHIVE
    if not _is_one_process(params) or not archive.is_file():
        return options
    # An archive of another Java or other jars is passed over by the JVM, which would say so on stdout.
    return f'{options} "-XX:SharedArchiveFile={archive}" -Xlog:disable -Xlog:all=error:stderr'


def _is_one_process(params: SparkParams) -> bool:
    """Tell whether the driver is the only executor; ``local-cluster[…]`` starts others."""
    return params.master == "local" or params.master.startswith("local[")


def _jar_options(params: SparkParams) -> dict[str, str]:
    """Return where Spark finds Delta: for a local JVM on the class path, which its archive covers."""
    folder = Path(params.jar_folder) if params.jar_folder else JAR_FOLDER
    jars = [str(jar) for jar in sorted(folder.glob("*.jar"))]
    if not jars:
        msg = f"no Delta jar in {folder}; run `make setup`, which fetches it once"
        raise UnavailableError(msg)
    if _is_one_process(params):
        return {"spark.driver.extraClassPath": os.pathsep.join(jars)}
    return {"spark.jars": ",".join(jars)}


def private_session(params: SparkParams, *, warehouse: Path) -> SparkSession:
    """Return a session whose settings and temporary views are nobody else's, for `session_left_as_found`.

    Where none runs in this process it is the one that `build_session` starts.

    Raises
    ------
    UnavailableError
        If a session runs here that cannot read Delta tables.
    """
    running = SparkSession._instantiatedSession
    if running is None:
        return build_session(params, warehouse=warehouse)
    if "delta" not in running.conf.get("spark.sql.extensions", "").lower():
        msg = "a Spark session without Delta runs in this process; stop it first: spark.stop()"
        raise UnavailableError(msg)
    beside = running.newSession()
    for key in ("spark.sql.session.timeZone", "spark.sql.execution.arrow.pyspark.enabled"):
        beside.conf.set(key, _FIXED[key])
    return beside


@contextmanager
def session_left_as_found() -> Iterator[None]:
    """Stop the Spark session that the block has started; one that ran before it is the active one again."""
    before = SparkSession._instantiatedSession
    active = SparkSession.getActiveSession() if before is not None else None
    try:
        yield
    finally:
        started = SparkSession._instantiatedSession
        if before is None and started is not None:
            started.stop()
        elif active is not None:
            active._jvm.SparkSession.setActiveSession(active._jsparkSession)
            SparkSession._activeSession = active
