"""A standalone Spark cluster of two worker processes that know nothing of our source tree."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyspark

from pipelines.base.project import PROJECT_ROOT

SPARK_CLASS = Path(pyspark.__file__).parent / "bin" / "spark-class"
START_SECONDS = 90
INTERPRETER = """#!/bin/sh
# Third-party packages only: -S skips the editable install, so our code must come with the job.
export PYTHONPATH="$PYTHONPATH:{packages}"
exec {python} -S "$@"
"""


@contextmanager
def standalone_cluster(folder: Path, *, workers: int = 2) -> Iterator[str]:
    """Start a master and workers on loopback and yield the master's address."""
    port, ui = free_port(), free_port()
    address = f"spark://127.0.0.1:{port}"
    master = ["deploy.master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", str(ui)]
    commands = [master] + [
        ["deploy.worker.Worker", "--host", "127.0.0.1", "--webui-port", "0", "--cores", "1",
         "--memory", "2g", "--work-dir", str(folder / f"worker{number}"), address]
        for number in range(workers)
    ]  # fmt: skip
    processes = []
    try:
        for number, (name, *options) in enumerate(commands):
            processes.append(start(folder, number, f"org.apache.spark.{name}", options))
            wait_for(
                folder / f"{number}.log", "started|registered" if number else "I have been elected leader"
            )
        yield address
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait(timeout=30)


def start(folder: Path, number: int, name: str, options: list[str]) -> subprocess.Popen[bytes]:
    """Start one Spark daemon in the foreground of its own process, away from our source tree."""
    log = (folder / f"{number}.log").open("wb")
    clean = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PYSPARK", "SPARK"))
    }
    java = PROJECT_ROOT / ".jdk"
    extra = {"SPARK_NO_DAEMONIZE": "1", "SPARK_LOCAL_IP": "127.0.0.1"}
    if java.exists():
        extra["JAVA_HOME"] = str(java)
    return subprocess.Popen(
        [str(SPARK_CLASS), name, *options],
        cwd=folder,
        env={**clean, **extra},
        stdout=log,
        stderr=subprocess.STDOUT,
    )


def wait_for(log: Path, pattern: str) -> None:
    """Wait until the log says so.

    Raises
    ------
    TimeoutError
        With the end of the log.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        text = log.read_text(errors="replace")
        if re.search(pattern, text, flags=re.IGNORECASE):
            return
        time.sleep(0.2)
    msg = f"{log} does not say {pattern!r} within {START_SECONDS} s; it ends: {text[-600:]}"
    raise TimeoutError(msg)


def bare_interpreter(folder: Path) -> Path:
    """Write a Python interpreter that finds the installed libraries but not our packages."""
    script = folder / "python-of-a-worker"
    script.write_text(INTERPRETER.format(packages=sysconfig.get_paths()["purelib"], python=sys.executable))
    script.chmod(0o755)
    return script


def free_port() -> int:
    """Return a port on loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
