"""Starts the service in the foreground, in this process, on the host of the local stack."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from features.params import CalendarParams
from pipelines.base.context import Sections
from pipelines.base.home import Home
from pipelines.base.project import PROJECT_ROOT
from pipelines.base.quiet_telemetry import QUIET_TELEMETRY
from pipelines.base.small_files import replace_text
from pipelines.stack.page_guards import check_token_file, page_passwords
from pipelines.stack.params import ServicesParams
from pipelines.stack.processes import FEAST_COUNTERS
from pipelines.stack.served_params import served_params
from serving.online.params import FeatureStoreParams
from serving.params import ServingParams
from serving.settings import ServiceSettings, dump_settings

SETTINGS_FILE = "serving.json"


def serve(settings: Sections, home: Path, *, port: int | None = None) -> NoReturn:
    """Replace this process by the service.

    It may be started before anything was trained: it lives, and is ready once a Bento is current
    and features are published.

    Parameters
    ----------
    settings : Sections
        Those that the service reads are handed on as the command line left them.
    home : Path
        The home whose Bento store and online store are served.
    port : int, optional
        Instead of ``services.forecasts_port``.
    """
    place = Home(home.resolve())
    check_token_file(settings.section(ServingParams).token_file)
    handed_on = write_settings(service_settings(settings, place), place)
    for folder in ("bentos", "models"):
        (place.bento / folder).mkdir(parents=True, exist_ok=True)
    command = serve_command(settings.section(ServicesParams), port=port)
    os.chdir(PROJECT_ROOT)
    os.execve(command[0], command, service_environment(place, handed_on))  # noqa: S606 - a list, no shell


def service_settings(settings: Sections, home: Home) -> ServiceSettings:
    """Return what the service is told of the settings, and where it finds this home's stores."""
    calendar = settings.section(CalendarParams)
    return ServiceSettings(
        serving=served_params(settings),
        calendar_name=calendar.name,
        decision_lead_minutes=calendar.decision_lead_minutes,
        cutoff_local=calendar.cutoff_local,
        issue_minutes=calendar.issue_minutes,
        feature_store=settings.section(FeatureStoreParams),
        feast_folder=home.feast,
        bento_folder=home.bento,
        allowed_hosts=settings.section(ServicesParams).allowed_hosts,
        passwords_file=page_passwords(settings, home),
    )


def write_settings(settings: ServiceSettings, home: Home) -> Path:
    """Write the service's settings where it reads them, for this user's eyes only: they hold secrets."""
    home.run.mkdir(parents=True, exist_ok=True)
    path = home.run / SETTINGS_FILE
    replace_text(path, dump_settings(settings), mode=0o600)
    return path


def serve_command(services: ServicesParams, *, port: int | None = None) -> list[str]:
    """Return the command that serves with the settings that its environment names."""
    return [sys.executable, "-m", "serving.server", services.host, str(port or services.forecasts_port)]


def service_environment(home: Home, handed_on: Path) -> dict[str, str]:
    """Return the environment of the service: this one, its settings, BentoML's home within ours."""
    inherited = {name: value for name, value in os.environ.items() if name not in FEAST_COUNTERS}
    return {
        **inherited,
        **QUIET_TELEMETRY,
        "BENTOML_HOME": str(home.bento),
        "PYTHONPATH": str(PROJECT_ROOT),
        "BELLWETHER_SERVICE_SETTINGS": str(handed_on),
        # Each thread would keep a heap of its own, as large as the largest batch it has ever answered; fewer
        # than one a slot of the busier route, and they wait for each other.
        "MALLOC_ARENA_MAX": "4",
    }
