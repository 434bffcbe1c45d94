"""The folder that a run writes to, and what lies where in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

OWNER_ALONE = 0o077
"""Umask of commands and of what they start: what is in a home is its owner's alone. It holds texts, models,
logins and keys."""


@dataclass(frozen=True, slots=True)
class Home:
    """The one folder that a run writes to; two homes never touch each other."""

    root: Path

    @property
    def lake(self) -> Path:
        """Delta tables, unless settings name another place."""
        return self.root / "lake"

    @property
    def feast(self) -> Path:
        """Feast's registry and its SQLite online store."""
        return self.root / "feast"

    @property
    def mlflow(self) -> Path:
        """MLflow's database and artefacts."""
        return self.root / "mlflow"

    @property
    def reports(self) -> Path:
        """Drift reports and their index page."""
        return self.root / "reports"

    @property
    def bento(self) -> Path:
        """The Bento store."""
        return self.root / "bento"

    @property
    def airflow(self) -> Path:
        """Airflow's home."""
        return self.root / "airflow"

    @property
    def logs(self) -> Path:
        """Log files of the services."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Process records and locks."""
        return self.root / "run"

    @property
    def services_record(self) -> Path:
        """Which services `up` has started, and where they answer."""
        return self.run / "services.json"
