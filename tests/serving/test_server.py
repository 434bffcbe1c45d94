"""The process that `bellwether serve` becomes: its sockets, its names in the metrics, its end."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import psutil
import pytest

from pipelines.app.settings import load_settings
from pipelines.base.home import Home
from pipelines.base.project import PROJECT_ROOT
from pipelines.stack.forecast_service import (
    serve_command,
    service_environment,
    service_settings,
    write_settings,
)
from tests.serving.process import free_port

TRIES = 1_200
BODY = b'{"symbols": ["AAPL"]}'


async def until_alive(port: int) -> None:
    """Return once somebody listens."""
    for _ in range(TRIES):
        try:
            await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            return
    pytest.fail(f"nobody listens at {port}")


def ask(channel: socket.socket, request: str) -> bytes:
    """Send a request and return what comes until the server closes."""
    channel.sendall(request.encode())
    return b"".join(iter(lambda: channel.recv(65_536), b""))


def test_it_opens_one_socket_and_ends_when_what_is_under_way_is_answered(tmp_path: Path) -> None:
    home, port, spare = Home(tmp_path / "home"), free_port(), tmp_path / "spare"
    spare.mkdir()
    handed_on = write_settings(service_settings(load_settings()[0], home), home)
    environment = service_environment(home, handed_on) | {"TMPDIR": str(spare)}
    with (tmp_path / "log").open("wb") as log:
        service = subprocess.Popen(
            serve_command(load_settings()[0].services, port=port),
            cwd=PROJECT_ROOT, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        asyncio.run(until_alive(port))
        process = psutil.Process(service.pid)
        listening = [
            one.laddr
            for each in (process, *process.children(recursive=True))
            for one in each.net_connections("all")
            if one.status == psutil.CONN_LISTEN or (one.family == socket.AF_UNIX and one.laddr)
        ]
        assert [tuple(place) for place in listening] == [("127.0.0.1", port)]

        assert httpx.post(f"http://localhost:{port}/forecast", json={"symbols": ["AAPL"]}).status_code == 503
        with socket.create_connection(("127.0.0.1", port)) as channel:
            page = ask(
                channel, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            ).decode()
        assert 'service_name="bellwether"' in page
        assert list(spare.iterdir()), "the metrics lie in a folder of this process"

        with socket.create_connection(("127.0.0.1", port), timeout=60) as channel:
            head = "POST /forecast HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            # The server says when it has read the head: it is under way then.
            channel.sendall(f"{head}Content-Length: {len(BODY)}\r\nExpect: 100-continue\r\n\r\n".encode())
            assert channel.recv(1024).startswith(b"HTTP/1.1 100 ")
            service.send_signal(signal.SIGTERM)
            answer = ask(channel, BODY.decode())
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"] == "no_champion"
        assert service.wait(60) == 0
        assert list(spare.iterdir()) == []
        assert "Traceback" not in (tmp_path / "log").read_text()
    finally:
        service.kill()


def test_it_is_told_by_its_environment_and_by_nothing_else(tmp_path: Path) -> None:
    """Whatever a Bento's own arguments would be, the file that the environment names is what counts."""
    home = Home(tmp_path)
    handed_on = write_settings(service_settings(load_settings()[0], home), home)
    environment = service_environment(home, handed_on)
    assert environment["BELLWETHER_SERVICE_SETTINGS"] == str(handed_on)
    refused = subprocess.run(
        [*serve_command(load_settings()[0].services), "--arg", "settings=/nowhere"],
        cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (refused.returncode, "unrecognized arguments" in refused.stderr) == (2, True)


@pytest.mark.parametrize("missing", [True, False])
def test_a_settings_file_that_is_missing_or_torn_ends_it(tmp_path: Path, *, missing: bool) -> None:
    torn = tmp_path / "serving.json"
    if not missing:
        torn.write_text('{"serving": {"max_sy')
    ended = subprocess.run(
        serve_command(load_settings()[0].services, port=free_port()),
        cwd=PROJECT_ROOT, env=service_environment(Home(tmp_path), torn),
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ended.returncode != 0
    assert "serving.json" in ended.stderr
