from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.base.errors import SettingsError
from pipelines.stack.airflow_home import airflow_command, airflow_environment, read_password
from tests.pipelines.stack.test_params import PARAMS


def test_the_password_is_made_once_and_private(tmp_path: Path) -> None:
    password, fresh = read_password(tmp_path)
    assert fresh
    assert len(password) >= 20
    assert read_password(tmp_path) == (password, False)
    assert stat.S_IMODE((tmp_path / "passwords.json").stat().st_mode) == 0o600


def test_all_processes_of_a_home_share_their_secrets(tmp_path: Path) -> None:
    first, second = airflow_environment(PARAMS, tmp_path), airflow_environment(PARAMS, tmp_path)
    assert first == second
    assert len(bytes.fromhex(first["AIRFLOW__API_AUTH__JWT_SECRET"])) == 64
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert airflow_environment(PARAMS, tmp_path / "other")["AIRFLOW__CORE__FERNET_KEY"] not in first.values()


@pytest.mark.parametrize(
    "content", [b"", b'{"admin": ', b"\xff\xfe", b"[]", b'{"admin": 7}', b'{"fernet": "x"}']
)
def test_torn_passwords_and_secrets_are_made_anew_and_private(content: bytes, tmp_path: Path) -> None:
    for name in ("passwords.json", "secrets.json"):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o644)
    password, fresh = read_password(tmp_path)
    assert (fresh, len(password) >= 20) == (True, True)
    assert read_password(tmp_path) == (password, False)
    assert airflow_environment(PARAMS, tmp_path) == airflow_environment(PARAMS, tmp_path)
    for name in ("passwords.json", "secrets.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_airflow_listens_on_loopback_and_keeps_to_itself(tmp_path: Path) -> None:
    environment = airflow_environment(replace(PARAMS, airflow_port=9999), tmp_path)
    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert environment["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:9999/execution/"
    assert environment["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] == "False"
    assert environment["AIRFLOW_HOME"] == str(tmp_path)


def test_a_missing_environment_names_the_fix() -> None:
    with pytest.raises(SettingsError, match=r"services\.airflow_environment='nowhere': .*run `make setup`"):
        airflow_command(replace(PARAMS, airflow_environment="nowhere"))
