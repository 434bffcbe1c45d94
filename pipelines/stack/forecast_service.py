"""Starts the service in the foreground: one BentoML worker on the host of the local stack."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from pydantic import SecretStr

from pipelines.app.settings import Settings
from pipelines.base.home import Home
from pipelines.base.project import PROJECT_ROOT

SERVICE = "serving.service:BellwetherService"
SETTINGS_FILE = "serving.json"
_QUIET = {"BENTOML_DO_NOT_TRACK": "True", "DO_NOT_TRACK": "1", "FEAST_USAGE": "False"}


def serve(settings: Settings, home: Path, *, port: int | None = None) -> NoReturn:
    """Replace this process by the service.

    It may be started before anything was trained: it lives, and is ready once a Bento is current
    and features are published.

    Parameters
    ----------
    settings : Settings
        Handed on whole, so that the service runs with what the command line said.
    home : Path
        The home whose Bento store and online store are served.
    port : int, optional
        Instead of ``services.forecasts_port``.
    """
    place = Home(home.resolve())
    handed_on = write_settings(settings, place)
    for folder in ("bentos", "models"):
        (place.bento / folder).mkdir(parents=True, exist_ok=True)
    command = serve_command(settings, place, handed_on, port=port)
    os.chdir(PROJECT_ROOT)
    os.execve(command[0], command, service_environment(place))  # noqa: S606 - a list, no shell


def write_settings(settings: Settings, home: Home) -> Path:
    """Write the effective settings where the service reads them, for this user's eyes only."""
    home.run.mkdir(parents=True, exist_ok=True)
    path = home.run / SETTINGS_FILE
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(settings.model_dump(), default=_plain), encoding="utf-8")
    fresh.replace(path)
    return path


def _plain(value: Any) -> str:
    """Return a setting as JSON text; secrets are told, because the service needs them."""
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def serve_command(settings: Settings, home: Home, handed_on: Path, *, port: int | None = None) -> list[str]:
    """Return the command that serves a home."""
    services = settings.services
    return [
        sys.executable, "-m", "bentoml", "serve", SERVICE,
        "--host", services.host, "--port", str(port or services.forecasts_port),
        "--working-dir", str(PROJECT_ROOT),
        "--arg", f"home={home.root}", "--arg", f"settings={handed_on}",
    ]  # fmt: skip


def service_environment(home: Home) -> dict[str, str]:
    """Return the environment of the service: this one, BentoML's home within ours, nobody phoning home."""
    return {**os.environ, **_QUIET, "BENTOML_HOME": str(home.bento), "PYTHONPATH": str(PROJECT_ROOT)}
