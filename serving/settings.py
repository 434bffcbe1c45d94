"""The service's settings: one JSON at start, or the defaults that its Bento carries."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr

from features.sessions import SessionCalendar
from serving.online.params import CONNECTION_VARIABLE, FeatureStoreParams
from serving.params import ServingParams

HOSTS_VARIABLE = "BELLWETHER_ALLOWED_HOSTS"
"""Names, separated by commas, under which a Bento elsewhere may be called."""


class ServiceDefaults(BaseModel):
    """What a Bento's manifest says: everything but places and secrets.

    Attributes
    ----------
    serving : ServingParams
    calendar_name : str
        Exchange calendar of the sessions, as `features.sessions.SessionCalendar` takes it.
    decision_lead_minutes : int
        Minutes before the next session's open at which a forecast must exist.
    cutoff_local : str
        Time of day of the information cut, ``HH:MM`` on the exchange's clock.
    issue_minutes : int
        Minutes after the cut before which no forecast must exist.
    feature_store : FeatureStoreParams
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    serving: ServingParams
    calendar_name: str
    decision_lead_minutes: int
    # Bentos that were packaged before the cut do not name it; these are what such a home used to have.
    cutoff_local: str = "22:00"
    issue_minutes: int = 60
    feature_store: FeatureStoreParams

    def session_calendar(self) -> SessionCalendar:
        """Return the calendar that these settings describe."""
        return SessionCalendar(
            self.calendar_name,
            decision_lead_minutes=self.decision_lead_minutes,
            cutoff_local=self.cutoff_local,
            issue_minutes=self.issue_minutes,
        )

    def without_secrets(self) -> dict[str, Any]:
        """Return them as JSON holds them, Redis's connection left empty."""
        sections = self.model_dump(mode="json")
        return sections | {"feature_store": sections["feature_store"] | {"connection": ""}}


class ServiceSettings(ServiceDefaults):
    """Everything that the service is told.

    Attributes
    ----------
    feast_folder : Path
        Where Feast's registry and the record of the last publication lie, and SQLite's online rows.
    bento_folder : Path
        The Bento store with the pointer to the current Bento.
    allowed_hosts : tuple of str
        Names under which the service may be called beside those of loopback.
    passwords_file : Path or None
        Names and passwords of those who may see its pages and ask; None where a token is enough, or nothing.
    """

    feast_folder: Path
    bento_folder: Path
    allowed_hosts: tuple[str, ...] = ()
    passwords_file: Path | None = None


def dump_settings(settings: ServiceSettings) -> str:
    """Return the settings as JSON with their secrets, which the service needs: for the owner's eyes only."""
    return json.dumps(settings.model_dump(), default=_plain)


def _plain(value: Any) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def read_settings(path: Path) -> ServiceSettings:
    """Return the settings that `dump_settings` wrote.

    Raises
    ------
    ValueError
        If the file is torn, or of another release.
    """
    try:
        return ServiceSettings.model_validate_json(path.read_bytes())
    except ValueError:
        msg = f"{path} is torn or of another release; `bellwether serve` and `bellwether up` write it anew"
        # Not chained: pydantic quotes what it read, which holds secrets.
        raise ValueError(msg) from None


def settings_of_home(defaults: Mapping[str, Any], home: Path) -> ServiceSettings:
    """Return default settings for a home, with Redis's connection from the environment.

    Raises
    ------
    ValueError
        If the defaults name Redis and the environment variable is not set.
    """
    feature_store = dict(defaults["feature_store"])
    if feature_store["online"] == "redis":
        feature_store["connection"] = os.environ.get(CONNECTION_VARIABLE, "")
        if not feature_store["connection"]:
            msg = f"{CONNECTION_VARIABLE} is not set; set it to Redis's connection, such as host:6379"
            raise ValueError(msg)
    # The one place of the service that knows what lies where in a home.
    folders = {"feast_folder": str(home / "feast"), "bento_folder": str(home / "bento")}
    hosts = [name.strip() for name in os.environ.get(HOSTS_VARIABLE, "").split(",") if name.strip()]
    sections = {**defaults, "feature_store": feature_store, **folders, "allowed_hosts": hosts}
    return ServiceSettings.model_validate_json(json.dumps(sections))
