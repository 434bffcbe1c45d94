"""Fetch Delta's jars once, through Spark's own Ivy, so that no session resolves them again."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import zipfile
from pathlib import Path

from pipelines.base.jdk import LINK_NAME
from pipelines.base.project import PROJECT_ROOT
from scripts.commands import SetupError, run, say
from scripts.network import ivy_options
from scripts.stamps import is_current, write_stamp

DELTA_JARS = "io.delta_*.jar"


def delta_package(requirements: str) -> str:
    """Return the jar's coordinates for the pinned pyspark and delta-spark."""
    versions = dict(re.findall(r"^(pyspark|delta-spark)==(\S+)", requirements, re.MULTILINE))
    missing = {"pyspark", "delta-spark"} - versions.keys()
    if missing:
        raise SetupError(f"requirements/work.txt pins no {', '.join(sorted(missing))}; run `make lock`")
    spark = ".".join(versions["pyspark"].split(".")[:2])
    return f"io.delta:delta-spark_{spark}_2.13:{versions['delta-spark']}"


def fetch_jars() -> None:
    """Resolve Delta once through Spark's own Ivy and keep its jars in `.jars`."""
    package = delta_package((PROJECT_ROOT / "requirements" / "work.txt").read_text(encoding="utf-8"))
    folder = PROJECT_ROOT / ".jars"
    if is_current(folder, package):
        return
    say("jars", f"fetching {package}")
    with tempfile.TemporaryDirectory(prefix="bellwether-ivy-") as scratch:
        resolve_with_ivy(package, Path(scratch))
        keep_jars(Path(scratch) / "jars", folder)
    write_stamp(folder, package)


def resolve_with_ivy(package: str, scratch: Path) -> None:
    """Let spark-submit fetch `package` into a private Ivy folder; the program it then runs is empty."""
    program = scratch / "nothing.py"
    program.write_text("", encoding="utf-8")
    command = [
        str(PROJECT_ROOT / ".venv" / "bin" / "spark-submit"),
        "--master",
        "local[1]",
        "--packages",
        package,
    ]
    for key, value in ivy_options(os.environ, Path.home(), scratch).items():
        command += ["--conf", f"{key}={value}"]
    env = dict(
        os.environ,
        JAVA_HOME=str(PROJECT_ROOT / LINK_NAME),
        PYSPARK_PYTHON=str(PROJECT_ROOT / ".venv" / "bin" / "python"),
    )
    env.pop("SPARK_HOME", None)
    run("jars", [*command, str(program)], env=env)


def keep_jars(fetched: Path, folder: Path) -> None:
    """Replace the jars in `folder` by Delta's own of `fetched`; Spark brings what they depend on."""
    jars = sorted(fetched.glob(DELTA_JARS))
    broken = [jar.name for jar in jars if not zipfile.is_zipfile(jar)]
    if not jars or broken:
        raise SetupError(f"jars: Ivy left {broken or 'no Delta jar'} in {fetched}; run `make setup` again")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for jar in jars:
        shutil.copy2(jar, folder / jar.name)
