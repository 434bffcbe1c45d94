"""Builds the running parts of the service from its arguments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from features.sessions import SessionCalendar
from pipelines.app.settings import Settings, load_settings
from pipelines.base.home import Home
from serving.champion_watch import ChampionWatch
from serving.handler import Desk
from serving.response_cache import RememberingReader
from serving.telemetry import SwitchRecorder, configure_request_log

EMBEDDED_CHAMPION = Path(__file__).resolve().parents[1] / "champion"


class Arguments(BaseModel):
    """What ``bentoml serve --arg name=value`` may say.

    Attributes
    ----------
    home : str
        Folder with the online store and the pointer to the current Bento.
    env : str
        Overlay of the settings.
    settings : str
        File with effective settings as JSON; wins over `env`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    home: str = "var"
    env: str = "local"
    settings: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """The parts that live as long as the process."""

    desk: Desk
    watch: ChampionWatch
    token: str


def start(arguments: Arguments) -> Running:
    """Open the store, load the champion if there is one, and follow the pointer."""
    from serving.online.served_rows import open_served_rows

    settings, home = read_settings(arguments), Home(Path(arguments.home).resolve())
    params = settings.serving
    rows = open_served_rows(settings.feature_store, home)
    configure_request_log()
    embedded = EMBEDDED_CHAMPION if EMBEDDED_CHAMPION.is_dir() else None
    watch = ChampionWatch(home.bento, embedded=embedded, on_outcome=SwitchRecorder())
    desk = Desk(
        params=params,
        champions=watch,
        reader=RememberingReader(rows) if params.cache else rows,
        calendar=SessionCalendar(
            settings.calendar.name, decision_lead_minutes=settings.calendar.decision_lead_minutes
        ),
        clock=lambda: datetime.now(tz=UTC),
    )
    watch.start(params.poll_seconds)
    return Running(desk, watch, read_token(params.token_file))


def read_settings(arguments: Arguments) -> Settings:
    """Return the effective settings."""
    if arguments.settings:
        return Settings.model_validate_json(Path(arguments.settings).read_text(encoding="utf-8"))
    return load_settings(arguments.env)[0]


def read_token(path: str) -> str:
    """Return the token that callers must send, empty for none.

    Raises
    ------
    ValueError
        If the file is named and empty: an empty token would let everyone in.
    """
    if not path:
        return ""
    token = Path(path).read_text(encoding="utf-8").strip()
    if not token:
        msg = f"serving.token_file={path} is empty; write the token into it"
        raise ValueError(msg)
    return token
