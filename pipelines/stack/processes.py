"""Starting, finding and ending processes, so that exactly those of this stack are touched."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from pipelines.base.home import OWNER_ALONE
from pipelines.base.project import PROJECT_ROOT
from pipelines.base.quiet_telemetry import QUIET_TELEMETRY

STACK_VARIABLE = "BELLWETHER_STACK"
"""Handed down to every process that a service starts, so that none is lost when its parent has gone."""
HOME_VARIABLE = "BELLWETHER_STACK_HOME"
"""Beside it: whose stack it is, for the case that the record of the mark is torn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A process of the stack. Its number may belong to another program one day, so its start is kept too."""

    name: str
    pid: int
    created_at: float
    address: str
    log: str

    def to_dict(self) -> dict[str, object]:
        """Return the record as plain values."""
        return asdict(self)


FEAST_COUNTERS = ("PROMETHEUS_MULTIPROC_DIR", "PROMETHEUS_MULTIPROCESS_DIR")
"""Name the folder in which Feast counts for this process, and which it removes: not handed down."""


def start_process(
    name: str,
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    log: Path,
    address: str,
) -> Started:
    """Start `command` in a session of its own, its output appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if name not in FEAST_COUNTERS}
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env={**inherited, **QUIET_TELEMETRY, **environment},
            cwd=PROJECT_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            umask=OWNER_ALONE,
        )
    created_at = psutil.Process(process.pid).create_time()
    return Started(name=name, pid=process.pid, created_at=created_at, address=address, log=str(log))


def find_process(started: Started) -> psutil.Process | None:
    """Return the process if it still runs and is the one that was started, else None."""
    try:
        process = psutil.Process(started.pid)
        same = abs(process.create_time() - started.created_at) < 1
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def stop_processes(started: Iterable[Started], stack: str, seconds: float) -> None:
    """End the processes with all that they started; whoever is left after `seconds` is killed.

    Parameters
    ----------
    stack : str
        The mark of this stack. Processes that carry it are ended even if their parents have gone.
    """
    roots = [process for one in started if (process := find_process(one))]
    family = {one.pid: one for process in roots for one in _family(process)}
    for process in roots:
        _signal(process, signal.SIGTERM)
    _, alive = psutil.wait_procs(roots, timeout=seconds)
    family |= {one.pid: one for one in _marked(stack)} | {one.pid: one for one in alive}
    _end(family.values(), seconds)


def count_marked(stack: str) -> int:
    """Return how many processes of this user carry a stack's mark."""
    return len(_marked(stack))


def find_mark(home: str) -> str | None:
    """Return the mark that processes of a home's stack carry, None where none runs."""
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if environment.get(HOME_VARIABLE) == home and STACK_VARIABLE in environment:
            return str(environment[STACK_VARIABLE])
    return None


def last_lines(log: Path, count: int = 15) -> str:
    """Return the end of a log file, or a remark that there is none."""
    if not log.exists():
        return f"(no {log})"
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _marked(stack: str) -> list[psutil.Process]:
    """Return every process of this user that carries the stack's mark, this one aside."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(STACK_VARIABLE) == stack:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def _end(processes: Iterable[psutil.Process], seconds: float) -> None:
    living = [process for process in processes if process.is_running()]
    for process in living:
        _signal(process, signal.SIGTERM)
    _, alive = psutil.wait_procs(living, timeout=min(seconds, 5))
    for process in alive:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=5)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
