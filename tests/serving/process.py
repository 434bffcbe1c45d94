"""The service as a process of its own, on a free port."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipelines.app.settings import load_settings
from pipelines.base.home import Home
from pipelines.base.project import PROJECT_ROOT
from pipelines.stack.forecast_service import serve_command, service_environment, write_settings


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
    command = serve_command(settings, place, write_settings(settings, place), port=port)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=PROJECT_ROOT, env=service_environment(place), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
