"""Another account of the machine that tries every socket of a stack."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

import psutil
import pytest

from pipelines.stack.lifecycle import Stack
from pipelines.stack.processes import STACK_VARIABLE

NOBODY = 65534
Place = tuple[str, int]
SECONDS = 20.0
"""How long an answer is waited for; what is no HTTP may say nothing, and keeps a try waiting no longer."""
RAW_SECONDS = 1.0
TRIES: tuple[tuple[str, str, str], ...] = (
    ("airflow_port", "POST", "/api/v2/dags/load_history/dagRuns"),
    ("airflow_port", "PATCH", "/api/v2/dags/load_history"),
    ("airflow_port", "POST", "/api/v2/variables"),
    ("airflow_port", "GET", "/api/v2/connections"),
    ("airflow_port", "POST", "/execution/variables/x"),
    ("airflow_port", "PUT", "/execution/variables/x"),
    ("mlflow_port", "POST", "/api/2.0/mlflow/registered-models/create"),
    ("mlflow_port", "POST", "/ajax-api/2.0/mlflow/experiments/create"),
    ("mlflow_port", "DELETE", "/api/2.0/mlflow/registered-models/delete"),
    ("mlflow_port", "PUT", "/api/2.0/mlflow-artifacts/artifacts/x"),
    ("mlflow_port", "GET", "/ajax-api/3.0/mlflow/assistant/providers/claude_code/health"),
    ("mlflow_port", "POST", "/ajax-api/3.0/mlflow/jobs/"),
    ("feast_port", "POST", "/api/v1/push"),
    ("feast_port", "DELETE", "/api/v1/feature_views/features_daily?project=bellwether"),
    ("feast_port", "POST", "/api/v1/entities"),
    ("feast_port", "POST", "/api/v1/monitoring/compute"),
    ("forecasts_port", "POST", "/champion"),
    ("forecasts_port", "PUT", "/forecast"),
    ("reports_port", "PUT", "/index.html"),
    ("reports_port", "POST", "/metrics"),
)
"""What would change something, by the setting of the port that it is tried at."""
RAW = (
    b"c\nt\njava.lang.Runtime\ngetRuntime\ne\n",
    b"A\nguessed\ne\n",
    b"r\nu\njava.lang.Runtime\ne\n",
    bytes(64),
)
"""Words of py4j without its token, and noise, for the sockets of Spark and of Python's own."""


def sockets_of(stack: Stack) -> list[tuple[str, Place]]:
    """Return process name and address of every listening socket of a stack and of what it has started."""
    found = []
    for process in _family_of(stack):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            for one in process.net_connections("all"):
                if one.family == socket.AF_UNIX and one.laddr:
                    found.append((process.name(), (str(one.laddr), 0)))
                elif one.status == psutil.CONN_LISTEN:
                    found.append((process.name(), (one.laddr.ip, one.laddr.port)))
    return found


def _family_of(stack: Stack) -> Iterator[psutil.Process]:
    """Yield the recorded processes with their children, and whoever carries the mark.

    Airflow's processes write their title over their environment, and with it the mark.
    """
    family = {}
    for started in stack.started.values():
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(started.pid)
            family |= {one.pid: one for one in (root, *root.children(recursive=True))}
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            if process.environ().get(STACK_VARIABLE) == stack.mark:
                family[process.pid] = process
    yield from family.values()


def as_stranger(services: Mapping[str, Place], others: Iterable[Place]) -> dict[str, object]:
    """Try everything as another account, and return what each try was told.

    A fork, not a program: the account may read no interpreter of ours.
    """
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            told = {"uid": os.getuid(), **_try_services(services), **_try_raw(others)}
            os.write(writing, json.dumps(told).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answers:
        said = answers.read()
    os.waitpid(child, 0)
    found: dict[str, object] = json.loads(said)
    return found


def _try_services(services: Mapping[str, Place]) -> dict[str, str]:
    told = {}
    for name, method, path in TRIES:
        body = "{}"
        words = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        words += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
        said = _say(services[name], words.encode())
        told[f"{name} {method} {path}"] = said.split(b" ")[1].decode() if b" " in said else repr(said)
    return told


def _try_raw(others: Iterable[Place]) -> dict[str, str]:
    told = {}
    for place in others:
        for number, words in enumerate(RAW):
            said = _say(place, words, RAW_SECONDS)
            # py4j's yes begins with !y; a socket that says nothing has understood nothing.
            told[f"{place} {number}"] = repr(said) if said.startswith(b"!y") else "401"
    return told


def _say(place: Place, words: bytes, seconds: float = SECONDS) -> bytes:
    try:
        with socket.create_connection(place, timeout=seconds) as channel:
            channel.sendall(words)
            return channel.recv(4096)
    except OSError:
        return b""
