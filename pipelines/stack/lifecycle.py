"""`up`, `down`: the services of one home, started once, recorded, ended exactly."""

from __future__ import annotations

import json
import logging
import secrets
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from filelock import FileLock, Timeout

from pipelines.base.errors import SettingsError, TransientError, UnavailableError
from pipelines.base.home import Home
from pipelines.base.signature import host
from pipelines.base.small_files import read_record, replace_text
from pipelines.base.text_table import text_table
from pipelines.stack.airflow_home import airflow_environment, migrate_database, read_password
from pipelines.stack.params import ServicesParams
from pipelines.stack.processes import (
    HOME_VARIABLE,
    STACK_VARIABLE,
    Started,
    count_marked,
    find_mark,
    find_process,
    last_lines,
    start_process,
    stop_processes,
)
from pipelines.stack.services import Service, list_services

log = logging.getLogger(__name__)

SECONDS_BETWEEN_PROBES = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """What runs now: the mark that all its processes carry, and the processes by name."""

    mark: str
    arguments: tuple[str, ...] = ()
    started: Mapping[str, Started] = field(default_factory=dict)


def start_stack(params: ServicesParams, home: Home, arguments: Sequence[str] = ()) -> Stack:
    """Start every service that is not running yet and wait until all of them answer.

    Parameters
    ----------
    arguments : sequence of str
        Options handed to every stage and to the forecast service.

    Raises
    ------
    SettingsError
        If a port is taken, or the stack runs with other arguments.
    UnavailableError
        If a service ends or does not answer in time; what this call started is ended again.
    """
    with _one_at_a_time(home):
        before = read_stack(home)
        running = {name: one for name, one in before.started.items() if find_process(one)}
        if running and before.arguments != tuple(arguments):
            msg = (
                f"this home's stack runs with {' '.join(before.arguments) or 'no options'}, and was asked "
                f"for {' '.join(arguments) or 'none'}; run `bellwether down` first"
            )
            raise SettingsError(msg)
        if not running and (left := count_marked(before.mark)):
            msg = (
                f"{left} processes of this home's stack run that {home.services_record} does not name; run "
                "`bellwether down` first"
            )
            raise SettingsError(msg)
        services = list_services(params, home, arguments)
        missing = [service for service in services if service.name not in running]
        try:
            _prepare(params, home, running, missing)
            stack = Stack(mark=before.mark, arguments=tuple(arguments), started=running)
            for service in missing:
                stack = _start(stack, service, home)
            _wait_for(services, stack, params)
        except BaseException:
            _stop_new(home, running, before.mark, params)
            raise
        return stack


def stop_stack(params: ServicesParams, home: Home) -> list[str]:
    """End what `start_stack` started, newest first, and return the names of what was running."""
    with _one_at_a_time(home):
        stack = read_stack(home)
        running = [one for one in stack.started.values() if find_process(one)]
        stop_processes(reversed(running), stack.mark, params.stop_timeout_seconds)
        home.services_record.unlink(missing_ok=True)
        return [one.name for one in running]


def read_stack(home: Home) -> Stack:
    """Return the recorded stack; an empty one with a fresh mark where nothing is recorded.

    Of a record that a power cut has torn nothing is left but the mark, if processes still carry it.
    """
    path = home.services_record
    record = read_record(path)
    try:
        started = {one["name"]: Started(**one) for one in record["started"]}
        return Stack(mark=record["mark"], arguments=tuple(record["arguments"]), started=started)
    except (KeyError, TypeError):
        torn = path.exists()
        return Stack(mark=(find_mark(str(home.root)) if torn else None) or secrets.token_hex(8))


def render_addresses(params: ServicesParams, home: Home, stack: Stack) -> str:
    """Return one table of services, addresses and log files."""
    rows = [
        (service.title, service.address or "-", stack.started[service.name].log)
        for service in list_services(params, home, stack.arguments)
    ]
    return text_table(("service", "address", "log"), rows)


def _prepare(
    params: ServicesParams, home: Home, running: Mapping[str, Started], missing: Sequence[Service]
) -> None:
    """Check the ports, and bring Airflow's database up to date while nothing of Airflow runs."""
    for folder in (home.root, home.reports, home.mlflow, home.logs, home.run, home.airflow):
        folder.mkdir(parents=True, exist_ok=True)
    _check_ports(params, [service.address for service in missing])
    read_password(home.airflow)
    if not any(name.startswith("airflow") for name in running):
        log.info("preparing Airflow's database")
        migrate_database(params, airflow_environment(params, home.airflow), home.logs / "airflow-migrate.log")


def _check_ports(params: ServicesParams, addresses: Sequence[str]) -> None:
    for name, port in params.ports().items():
        if params.address(name) not in addresses:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((params.host, port))
            except OSError as error:
                msg = (
                    f"port {port} at {params.host} is taken ({error}); free it or --set services.{name}=PORT"
                )
                raise SettingsError(msg) from error


def _start(stack: Stack, service: Service, home: Home) -> Stack:
    """Start one service and record it before anything else happens."""
    log.info("starting %s", service.title)
    started = start_process(
        service.name,
        service.command,
        environment={**service.environment, STACK_VARIABLE: stack.mark, HOME_VARIABLE: str(home.root)},
        log=home.logs / f"{service.name}.log",
        address=service.address,
    )
    grown = Stack(
        mark=stack.mark, arguments=stack.arguments, started={**stack.started, service.name: started}
    )
    _write_record(home, grown)
    return grown


def _wait_for(services: Sequence[Service], stack: Stack, params: ServicesParams) -> None:
    """Return once every service answers."""
    deadline = time.monotonic() + params.start_timeout_seconds
    waiting = list(services)
    while waiting:
        for service in list(waiting):
            if answers(service, params.request_timeout_seconds):
                log.info("%s answers", service.title)
                waiting.remove(service)
                continue
            _check_alive(service, stack.started[service.name], deadline)
        if waiting:
            time.sleep(SECONDS_BETWEEN_PROBES)


def answers(service: Service, seconds: float) -> bool:
    """Tell whether the service answers its probe, and the parts it stands for are healthy."""
    try:
        answer = httpx.get(service.probe, timeout=seconds, follow_redirects=True)
    except httpx.HTTPError:
        return False
    if not answer.is_success:
        return False
    body: Any = answer.json() if service.healthy else {}
    return all((body.get(part) or {}).get("status") == "healthy" for part in service.healthy)


def _check_alive(service: Service, started: Started, deadline: float) -> None:
    log_file = Path(started.log)
    if find_process(started) is None:
        msg = f"{service.title} ended while starting; the end of {log_file}:\n{last_lines(log_file)}"
        raise UnavailableError(msg)
    if time.monotonic() > deadline:
        msg = (
            f"{service.title} does not answer at {service.probe}; on a slow machine raise "
            f"services.start_timeout_seconds, else see {log_file}:\n{last_lines(log_file)}"
        )
        raise UnavailableError(msg)


def _stop_new(home: Home, running: Mapping[str, Started], mark: str, params: ServicesParams) -> None:
    """End what a failed or interrupted `up` has started; what ran before stays."""
    new = [one for name, one in read_stack(home).started.items() if name not in running]
    if running:
        stop_processes(reversed(new), "", params.stop_timeout_seconds)
        _write_record(home, Stack(mark=mark, started=running))
        return
    stop_processes(reversed(new), mark, params.stop_timeout_seconds)
    home.services_record.unlink(missing_ok=True)


@contextmanager
def _one_at_a_time(home: Home) -> Iterator[None]:
    home.run.mkdir(parents=True, exist_ok=True)
    path = home.run / "services.lock"
    try:
        with FileLock(path, timeout=0):
            yield
    except Timeout as error:
        msg = f"another `up` or `down` of {home.root} is at work; wait for it to end"
        raise TransientError(msg) from error


def _write_record(home: Home, stack: Stack) -> None:
    record: dict[str, Any] = {
        "mark": stack.mark,
        "host": host(),
        "arguments": list(stack.arguments),
        "started": [one.to_dict() for one in stack.started.values()],
    }
    replace_text(home.services_record, json.dumps(record, indent=2))
