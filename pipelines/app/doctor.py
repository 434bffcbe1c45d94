"""Check the machine: one line a prerequisite, with the fix where one is missing."""

from __future__ import annotations

import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
from exchange_calendars.errors import InvalidCalendarName

from features.sessions import SessionCalendar
from pipelines.app.settings import Settings
from pipelines.base.jdk import NEED, candidate_homes, choose_jdk
from pipelines.base.project import PROJECT_ROOT

MINIMUM_PYTHON = (3, 11)
MINIMUM_DISK_GIB = 10
MINIMUM_MEMORY_GIB = 6
GIB = 1024**3

Status = Literal["ok", "note", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was found of one prerequisite.

    Attributes
    ----------
    name : str
    status : {"ok", "note", "missing"}
        Only ``missing`` keeps the platform from running.
    found : str
        What is there.
    fix : str
        What to do; empty where nothing is.
    """

    name: str
    status: Status
    found: str
    fix: str = ""

    @property
    def ok(self) -> bool:
        """Whether the platform can run with it."""
        return self.status != "missing"

    def line(self) -> str:
        """Return the check as one line for people."""
        fix = f"  → {self.fix}" if self.fix else ""
        return f"{self.status:<8} {self.name:<12} {self.found}{fix}"


def run_checks(settings: Settings, home: Path) -> list[Check]:
    """Return one check a prerequisite, in the order in which to mend them.

    Parameters
    ----------
    settings : Settings
        Names the calendar, the jar folder and the ports.
    home : Path
        Folder that a run would write to; it is created if it can be.
    """
    jars = Path(settings.spark.jar_folder) if settings.spark.jar_folder else PROJECT_ROOT / ".jars"
    return [
        check_python(sys.version_info[:2]),
        check_java(PROJECT_ROOT),
        check_jars(jars),
        check_airflow(PROJECT_ROOT / settings.services.airflow_environment),
        check_home(home),
        check_disk(home),
        check_memory(psutil.virtual_memory().available),
        check_calendar(settings.calendar.name),
        *check_ports(settings.services.ports(), settings.services.host),
        check_gpu(),
    ]


def check_python(version: tuple[int, int]) -> Check:
    """Check the interpreter of the work environment."""
    found = f"{platform.python_version()} at {sys.prefix}"
    if version >= MINIMUM_PYTHON:
        return Check(name="python", status="ok", found=found)
    wanted = ".".join(map(str, MINIMUM_PYTHON))
    return Check(name="python", status="missing", found=found, fix=f"`make setup PYTHON=python{wanted}`")


def check_java(root: Path) -> Check:
    """Check that a Java is there on which Spark starts."""
    jdk = choose_jdk(candidate_homes(root, None))
    if jdk is not None:
        return Check(name="java", status="ok", found=f"{jdk.version} at {jdk.home.resolve()}")
    return Check(name="java", status="missing", found=f"no {NEED}", fix="`make setup` installs or names one")


def check_jars(folder: Path) -> Check:
    """Check that the Delta jars were fetched."""
    jars = sorted(folder.glob("*delta-spark_*.jar"))
    if jars:
        return Check(name="delta jars", status="ok", found=jars[-1].stem.removeprefix("io.delta_"))
    return Check(
        name="delta jars", status="missing", found=f"none in {folder}", fix="`make setup` fetches them"
    )


def check_airflow(folder: Path) -> Check:
    """Check Airflow's environment; `bellwether run` does without it."""
    if (folder / "bin" / "airflow").exists():
        return Check(name="airflow", status="ok", found=str(folder))
    found = f"no environment at {folder}"
    return Check(name="airflow", status="note", found=found, fix="`make setup`, needed for `make up`")


def check_home(home: Path) -> Check:
    """Check that the home folder can be written to."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        fix = "choose another folder with --home, or mend its permissions"
        return Check(name="home", status="missing", found=f"{home}: {error.strerror}", fix=fix)
    return Check(name="home", status="ok", found=str(home.resolve()))


def check_disk(home: Path) -> Check:
    """Check the room on the disk that holds the home folder."""
    existing = next(folder for folder in (home, *home.resolve().parents) if folder.exists())
    free = shutil.disk_usage(existing).free / GIB
    return _enough("disk", free, MINIMUM_DISK_GIB, fix="free some, or put --home on a larger disk")


def check_memory(available: int) -> Check:
    """Check the memory that is free now, in bytes."""
    fix = "close other programs, or lower spark.driver_memory"
    return _enough("memory", available / GIB, MINIMUM_MEMORY_GIB, fix=fix)


def _enough(name: str, gib: float, minimum: int, *, fix: str) -> Check:
    if gib >= minimum:
        return Check(name=name, status="ok", found=f"{gib:.0f} GiB free")
    return Check(name=name, status="note", found=f"{gib:.1f} GiB free, {minimum} advised", fix=fix)


def check_calendar(name: str) -> Check:
    """Check that the exchange calendar exists and how far ahead it reaches."""
    try:
        last = SessionCalendar(name).last
    except InvalidCalendarName as error:
        fix = "set calendar.name to one that exchange_calendars knows, such as XNYS"
        return Check(name="calendar", status="missing", found=f"{name}: {error}", fix=fix)
    return Check(name="calendar", status="ok", found=f"{name}, sessions to {last}")


def check_ports(ports: Mapping[str, int], host: str) -> Iterator[Check]:
    """Check each port that a service would listen on; one in use is right while the services are up."""
    for setting, port in ports.items():
        name, service = f"port {port}", setting.removesuffix("_port")
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            free = probe.connect_ex((host, port)) != 0
        if free:
            yield Check(name=name, status="ok", found=f"free for {service}")
        else:
            fix = f"as it should be after `make up`; else choose another in services.{setting}"
            yield Check(name=name, status="note", found=f"in use, wanted for {service}", fix=fix)


def check_gpu() -> Check:
    """Look for a GPU; training uses one and does without."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return Check(name="gpu", status="note", found="none; models train on the CPU")
    listing = subprocess.run([program, "-L"], capture_output=True, text=True, check=False, timeout=30)
    names = [line.split("(")[0].strip() for line in listing.stdout.splitlines() if line.startswith("GPU")]
    found = ", ".join(names) or "nvidia-smi lists none; models train on the CPU"
    return Check(name="gpu", status="ok" if names else "note", found=found)
