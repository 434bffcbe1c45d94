"""Builds the running parts of the service from its arguments."""

from __future__ import annotations

import os
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from serving.champion_watch import ChampionWatch
from serving.handler import ForecastHandler
from serving.online.cached_store import CachedOnlineStore
from serving.served_model import MANIFEST_FILE, Manifest, read_manifest
from serving.settings import ServiceSettings, read_settings, settings_of_home
from serving.telemetry import SwitchRecorder, configure_request_log
from serving.transport.logins import Login
from serving.upload_reader import UploadReader

EMBEDDED_CHAMPION = Path(__file__).resolve().parents[1] / "champion"
"""Where a Bento carries its model; in a checkout there is none."""


class ServiceArguments(BaseModel):
    """What ``bentoml serve --arg name=value`` may say, else the environment.

    BentoML gives a built Bento the arguments of its build instead of those of the command line, so whoever
    starts one sets ``BELLWETHER_HOME`` or ``BELLWETHER_SERVICE_SETTINGS``.

    Attributes
    ----------
    home : str
        Folder with the online store and the pointer to the current Bento, served with the Bento's own default
        settings.
    settings : str
        File with all settings as JSON, places included; `home` then says nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    home: str = Field(default_factory=lambda: os.environ.get("BELLWETHER_HOME", "var"))
    settings: str = Field(default_factory=lambda: os.environ.get("BELLWETHER_SERVICE_SETTINGS", ""))


@dataclass(slots=True)
class RunningService:
    """The parts that live as long as the process."""

    handler: ForecastHandler
    watch: ChampionWatch
    uploads: UploadReader
    login: Login
    allowed_hosts: tuple[str, ...]
    why_not_ready: str | None = None

    def is_ready(self) -> bool:
        """Ask the store, which may take its time, and keep the reason for whoever asks for that alone."""
        self.why_not_ready = self.handler.why_not_ready()
        return self.why_not_ready is None

    def describe_champion(self) -> dict[str, Any]:
        """Return which champion answers from now on.

        Returns
        -------
        dict
            `bento`, `model_version` and `model_key` (null before the first one), `pointer` (what named it, as
            `serving.pointer.Pointer` has it; null for one that a Bento carries), `superseded_by` (a version
            that could not be loaded), `why_not_following`, and `why_not_ready` (what ``/readyz`` has answered
            503 for, last).
        """
        model, pointer = self.watch.current, None
        if model is not None and model.pointer is not None:
            pointer = asdict(model.pointer)
        return {
            "bento": model.manifest.bento if model else None,
            "model_version": model.manifest.model_version if model else None,
            "model_key": model.manifest.model_key if model else None,
            "pointer": pointer,
            "superseded_by": self.watch.awaited,
            "why_not_following": self.watch.why_not_following(),
            "why_not_ready": self.why_not_ready,
        }


def start(arguments: ServiceArguments) -> RunningService:
    """Open the store, load the champion if there is one, and follow the pointer."""
    from serving.online.feast_store import FeastOnlineStore

    settings = resolve_settings(arguments)
    params = settings.serving
    store = FeastOnlineStore(settings.feature_store, settings.feast_folder)
    configure_request_log()
    embedded = EMBEDDED_CHAMPION if embedded_manifest() is not None else None
    watch = ChampionWatch(settings.bento_folder, embedded=embedded, on_outcome=SwitchRecorder())
    uploads = UploadReader()
    handler = ForecastHandler(
        params=params,
        current_model=lambda: watch.current,
        store=CachedOnlineStore(store) if params.cache else store,
        calendar=settings.session_calendar(),
        clock=lambda: datetime.now(tz=UTC),
        why_not_following=watch.why_not_following,
        awaited_version=lambda: watch.awaited,
        read_parquet=uploads.read,
    )
    watch.start(params.poll_seconds)
    # Beside the start: it imports for seconds, and nobody has sent a file yet.
    threading.Thread(target=uploads.start, name="uploads", daemon=True).start()
    login = Login(passwords=settings.passwords_file, token_file=params.token_file)
    return RunningService(handler, watch, uploads, login, settings.allowed_hosts)


def resolve_settings(arguments: ServiceArguments) -> ServiceSettings:
    """Return the settings of the file, else those of the Bento for the home.

    Raises
    ------
    ValueError
        If no file is named and the code does not lie in a Bento.
    """
    if arguments.settings:
        return read_settings(Path(arguments.settings))
    manifest = embedded_manifest()
    if manifest is None:
        msg = "outside of a Bento the service needs --arg settings=FILE; `bellwether serve` writes that file"
        raise ValueError(msg)
    return settings_of_home(manifest.settings, Path(arguments.home).resolve())


def embedded_manifest() -> Manifest | None:
    """Return the manifest of the Bento that this code lies in, None in a checkout."""
    return read_manifest(EMBEDDED_CHAMPION) if (EMBEDDED_CHAMPION / MANIFEST_FILE).is_file() else None
