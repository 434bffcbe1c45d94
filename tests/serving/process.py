"""The service as a process of its own, on a free port."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipelines.app.settings import load_settings
from pipelines.base.home import Home
from pipelines.base.project import PROJECT_ROOT
from pipelines.stack.forecast_service import (
    serve_command,
    service_environment,
    service_settings,
    write_settings,
)


def free_port() -> int:
    """A port that nobody listens at just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(home: Path, *, overrides: Sequence[str] = (), log: Path) -> Iterator[str]:
    """Start the service as `bellwether serve` does, give its address, and end it."""
    place, port = Home(home.resolve()), free_port()
    settings = load_settings(overrides=overrides)[0]
    for folder in ("bentos", "models"):
        (place.bento / folder).mkdir(parents=True, exist_ok=True)
    handed_on = write_settings(service_settings(settings, place), place)
    command = serve_command(settings.services, port=port)
    with process_of(command, cwd=PROJECT_ROOT, env=service_environment(place, handed_on), log=log):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def process_of(command: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path) -> Iterator[None]:
    """Run a command beside the test and end it."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
