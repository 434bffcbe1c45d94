"""Airflow's home: its secrets, its environment, its database."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path

from pipelines.base.errors import SettingsError, UnavailableError
from pipelines.base.home import OWNER_ALONE
from pipelines.base.project import PROJECT_ROOT
from pipelines.base.small_files import read_record, replace_text
from pipelines.stack.params import ServicesParams

USER = "admin"
_PATIENCE = {
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
    "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "300",
    "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "240",
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
    "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS": "10",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "120",
}
"""A stage that keeps every core busy slows Airflow down too. With the defaults a task then failed because its
first call took more than five seconds, and reading the DAG files again every 30 s took a third of a core."""


def airflow_command(params: ServicesParams) -> str:
    """Return the path of the `airflow` command.

    Raises
    ------
    SettingsError
        If the environment holds none.
    """
    path = PROJECT_ROOT / params.airflow_environment / "bin" / "airflow"
    if not path.exists():
        msg = f"services.airflow_environment={params.airflow_environment!r}: no {path}; run `make setup`"
        raise SettingsError(msg)
    return str(path)


def airflow_environment(params: ServicesParams, folder: Path) -> dict[str, str]:
    """Return the variables that make an Airflow process part of this home.

    Parameters
    ----------
    folder : Path
        Airflow's home; its secrets are created at the first call.

    Notes
    -----
    Each value differs from Airflow's default for a measured reason: the default forks 32 workers,
    listens on every interface, sleeps a second between scheduling rounds and reports usage.
    """
    keys = _secrets(folder)
    address = params.address("airflow_port")
    return {
        "AIRFLOW_HOME": str(folder),
        "PYTHONPATH": str(PROJECT_ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT_ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT_ROOT / "dags" / "lib" / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(params.parallelism),
        "AIRFLOW__CORE__DEFAULT_POOL_TASK_SLOT_COUNT": "1",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__CORE__FERNET_KEY": keys["fernet"],
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords_file(folder)),
        "AIRFLOW__API__HOST": params.host,
        "AIRFLOW__API__PORT": str(params.airflow_port),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__SECRET_KEY": keys["session"],
        "AIRFLOW__API_AUTH__JWT_SECRET": keys["token"],
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        **_PATIENCE,
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        "AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS": "0o700",
        "AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS": "0o600",
    }


def passwords_file(folder: Path) -> Path:
    """Return where the names and passwords of an Airflow's home lie."""
    return folder / "passwords.json"


def read_password(folder: Path) -> tuple[str, bool]:
    """Return the password of `USER`, and whether this call made it.

    The file is readable by its owner alone and the password is never written anywhere else.
    """
    path = passwords_file(folder)
    kept = read_record(path).get(USER)
    if isinstance(kept, str) and kept:
        return kept, False
    password = secrets.token_urlsafe(18)
    _write_private(path, json.dumps({USER: password}))
    return password, True


def page_credentials(params: ServicesParams, folder: Path) -> tuple[str, str] | None:
    """Return name and password for our own pages, None where they ask for none."""
    return (USER, read_password(folder)[0]) if params.login else None


def announce_login(folder: Path, say: Callable[[str], None]) -> None:
    """Say the login when this call has made it, and only then."""
    password, fresh = read_password(folder)
    if fresh:
        say(f"Airflow login: {USER} / {password}  (shown once; kept in {passwords_file(folder)})")


def migrate_database(params: ServicesParams, environment: Mapping[str, str], log: Path) -> None:
    """Create or upgrade Airflow's database; nothing else of Airflow may run meanwhile.

    Raises
    ------
    UnavailableError
        If Airflow refuses; its own words are in `log`.
    """
    with log.open("ab") as output:
        done = subprocess.run(
            [airflow_command(params), "db", "migrate"],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            umask=OWNER_ALONE,
            check=False,
        )
    if done.returncode:
        msg = f"`airflow db migrate` ended with {done.returncode}; see {log}"
        raise UnavailableError(msg)


def _secrets(folder: Path) -> dict[str, str]:
    """Return the keys of this home, made once: processes that disagree on them refuse each other."""
    path = folder / "secrets.json"
    kept = read_record(path)
    if all(isinstance(kept.get(name), str) for name in ("fernet", "session", "token")):
        return kept
    fresh = {
        "fernet": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "session": secrets.token_hex(32),
        "token": secrets.token_hex(64),
    }
    _write_private(path, json.dumps(fresh))
    return fresh


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, text, mode=0o600)
