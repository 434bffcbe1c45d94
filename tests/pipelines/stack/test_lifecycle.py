"""The supervisor with real processes: small HTTP servers instead of the services."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from pipelines.base.errors import SettingsError, TransientError, UnavailableError
from pipelines.base.home import Home
from pipelines.stack import lifecycle as stack
from pipelines.stack.lifecycle import read_stack, render_addresses, start_stack, stop_stack
from pipelines.stack.params import ServicesParams
from pipelines.stack.processes import STACK_VARIABLE, Started, find_process, start_process, stop_processes
from pipelines.stack.services import Service
from tests.e2e.stacks import free_ports
from tests.pipelines.stack.test_params import PARAMS

SERVER = """
import http.server, subprocess, sys
if len(sys.argv) > 3: subprocess.Popen(["sleep", "300"], start_new_session=True)
http.server.HTTPServer((sys.argv[1], int(sys.argv[2])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
BROKEN = "import sys; print('cannot read its file'); sys.exit(3)"


def service(name: str, address: str, script: str = SERVER, *more: str) -> Service:
    host, port = address.removeprefix("http://").split(":")
    command = [sys.executable, "-c", script, host, port, *more]
    return Service(name=name, title=name, command=command, probe=address, address=address)


@pytest.fixture
def params() -> ServicesParams:
    names = list(PARAMS.ports())
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    return replace(PARAMS, **ports, request_timeout_seconds=2.0, start_timeout_seconds=30.0)


@pytest.fixture
def services(params: ServicesParams, monkeypatch: pytest.MonkeyPatch) -> list[Service]:
    listed = [
        service("mlflow", params.address("mlflow_port"), SERVER, "with-child"),
        service("reports", params.address("reports_port")),
    ]
    monkeypatch.setattr(stack, "list_services", lambda *_: listed)
    monkeypatch.setattr(stack, "migrate_database", lambda *_: None)
    return listed


@pytest.fixture
def home(tmp_path: Path, params: ServicesParams) -> Iterator[Home]:
    place = Home(tmp_path)
    yield place
    stop_stack(params, place)


def marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(STACK_VARIABLE) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@pytest.mark.usefixtures("services")
def test_up_starts_all_and_down_leaves_nothing(params: ServicesParams, home: Home) -> None:
    started = start_stack(params, home)
    assert sorted(started.started) == ["mlflow", "reports"]
    assert len(marked(started.mark)) == 3
    assert stop_stack(params, home) == ["mlflow", "reports"]
    assert marked(started.mark) == []
    assert stop_stack(params, home) == []


@pytest.mark.usefixtures("services")
def test_a_second_up_keeps_what_runs_and_restarts_what_died(params: ServicesParams, home: Home) -> None:
    first = start_stack(params, home).started
    stop_processes([first["reports"]], "", 5)
    second = start_stack(params, home).started
    assert second["mlflow"] == first["mlflow"]
    assert second["reports"].pid != first["reports"].pid
    assert start_stack(params, home).started == second


@pytest.mark.usefixtures("services")
def test_other_arguments_need_a_down_first(params: ServicesParams, home: Home) -> None:
    start_stack(params, home, ["--env", "local"])
    with pytest.raises(
        SettingsError, match=r"runs with --env local, and was asked for --env prod; run `bellwether down`"
    ):
        start_stack(params, home, ["--env", "prod"])


def test_a_service_that_ends_takes_the_others_with_it(
    params: ServicesParams, home: Home, services: list[Service]
) -> None:
    services.append(service("feast", params.address("feast_port"), BROKEN))
    with pytest.raises(UnavailableError, match=r"(?s)feast ended while starting.*cannot read its file"):
        start_stack(params, home)
    assert read_stack(home).started == {}
    assert [port for port in params.ports().values() if is_taken(port)] == []


def test_a_service_that_never_answers_is_named(
    params: ServicesParams, home: Home, services: list[Service]
) -> None:
    services[:] = [replace(service("feast", params.address("feast_port")), probe="http://127.0.0.1:9")]
    with pytest.raises(
        UnavailableError, match=r"feast does not answer at http://127\.0\.0\.1:9; on a slow machine raise"
    ):
        start_stack(replace(params, start_timeout_seconds=0.1), home)


def test_an_interrupt_leaves_nothing_running(
    params: ServicesParams, home: Home, services: list[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(listed: Sequence[Service], running: stack.Stack, _: ServicesParams) -> None:
        assert len(running.started) == len(listed)
        raise KeyboardInterrupt

    monkeypatch.setattr(stack, "_wait_for", interrupt)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        start_stack(params, home)
    assert read_stack(home).started == {}
    assert [port for port in params.ports().values() if is_taken(port)] == []


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize(
    "content", [b"", b'{"mark": "', b"\xff\xfe", b"[]", b'{"mark": "m", "started": [{}]}']
)
def test_a_torn_record_of_a_running_stack_is_found_again_by_its_mark(
    content: bytes, params: ServicesParams, home: Home
) -> None:
    mark = start_stack(params, home).mark
    (home.run / "services.json").write_bytes(content)
    assert read_stack(home) == stack.Stack(mark=mark)
    inner = Home(home.root / "mlflow")
    inner.run.mkdir(parents=True)
    (inner.run / "services.json").write_bytes(content)
    assert read_stack(inner).mark != mark
    with pytest.raises(SettingsError, match=r"3 processes of this home's stack run that .* not name"):
        start_stack(params, home)
    stop_stack(params, home)
    assert marked(mark) == []
    assert start_stack(params, home).mark != mark


def test_a_torn_record_after_a_power_cut_is_a_fresh_start(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.run.mkdir()
    (home.run / "services.json").write_bytes(b"\x00" * 100)
    assert read_stack(home).started == {}
    assert len(read_stack(home).mark) == 16


@pytest.mark.usefixtures("services")
def test_a_taken_port_names_its_setting(params: ServicesParams, home: Home) -> None:
    with (
        socket.create_server((params.host, params.mlflow_port)),
        pytest.raises(
            SettingsError, match=r"port \d+ at 127\.0\.0\.1 is taken .*--set services\.mlflow_port=PORT"
        ),
    ):
        start_stack(params, home)


@pytest.mark.usefixtures("services")
def test_the_table_names_address_and_log(params: ServicesParams, home: Home) -> None:
    table = render_addresses(params, home, start_stack(params, home)).splitlines()
    assert table[0].split() == ["service", "address", "log"]
    assert table[2].split() == ["reports", params.address("reports_port"), str(home.logs / "reports.log")]


def test_a_number_that_now_belongs_to_another_program_is_left_alone(tmp_path: Path) -> None:
    own = psutil.Process()
    other = Started(name="x", pid=own.pid, created_at=own.create_time() - 60, address="", log="")
    assert find_process(other) is None
    stop_processes([other], "no such mark", 1)
    assert own.is_running()


def test_two_at_a_time_are_refused(params: ServicesParams, home: Home) -> None:
    with (
        stack._one_at_a_time(home),
        pytest.raises(TransientError, match=r"another `up` or `down` of .* is at work"),
    ):
        stop_stack(params, home)


def test_the_record_is_plain_json(tmp_path: Path) -> None:
    started = start_process("x", ["sleep", "300"], environment={}, log=tmp_path / "x.log", address="")
    try:
        assert Started(**json.loads(json.dumps(started.to_dict()))) == started
    finally:
        stop_processes([started], "", 5)
    assert find_process(started) is None


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
