"""Another account of the machine that tries every socket of a stack."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Mapping

import psutil
import pytest

from pipelines.stack.processes import STACK_VARIABLE

NOBODY = 65534
PLACE = tuple[str, int]
SECONDS = 20.0
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


def sockets_of(mark: str) -> list[tuple[str, PLACE]]:
    """Return process name and address of every listening socket of a stack, by its mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(STACK_VARIABLE) != mark:
                continue
            for one in process.net_connections("all"):
                if one.family == socket.AF_UNIX and one.laddr:
                    found.append((process.name(), (str(one.laddr), 0)))
                elif one.status == psutil.CONN_LISTEN:
                    found.append((process.name(), (one.laddr.ip, one.laddr.port)))
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def as_stranger(services: Mapping[str, PLACE], others: Iterable[PLACE]) -> dict[str, object]:
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


def _try_services(services: Mapping[str, PLACE]) -> dict[str, str]:
    told = {}
    for name, method, path in TRIES:
        body = "{}"
        words = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        words += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
        said = _say(services[name], words.encode())
        told[f"{name} {method} {path}"] = said.split(b" ")[1].decode() if b" " in said else repr(said)
    return told


def _try_raw(others: Iterable[PLACE]) -> dict[str, str]:
    told = {}
    for place in others:
        for number, words in enumerate(RAW):
            said = _say(place, words)
            # py4j's yes begins with !y; a socket that says nothing has understood nothing.
            told[f"{place} {number}"] = repr(said) if said.startswith(b"!y") else "401"
    return told


def _say(place: PLACE, words: bytes) -> bytes:
    try:
        with socket.create_connection(place, timeout=SECONDS) as channel:
            channel.sendall(words)
            channel.shutdown(socket.SHUT_WR)
            return channel.recv(4096)
    except OSError:
        return b""
