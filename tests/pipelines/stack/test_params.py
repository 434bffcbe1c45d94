from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipelines.stack.params import ServicesParams

PARAMS = ServicesParams(
    host="127.0.0.1",
    allowed_hosts=(),
    behind_proxy=False,
    login=False,
    airflow_port=8080,
    mlflow_port=5000,
    forecasts_port=3000,
    feast_port=8888,
    reports_port=8800,
    airflow_environment=".venv-airflow",
    parallelism=2,
    start_timeout_seconds=60.0,
    stop_timeout_seconds=5.0,
    request_timeout_seconds=5.0,
)


def test_addresses_are_made_of_host_and_port() -> None:
    assert PARAMS.address("mlflow_port") == "http://127.0.0.1:5000"


def test_behind_a_proxy_and_a_login_any_address_will_do() -> None:
    assert replace(PARAMS, host="192.0.2.7", behind_proxy=True, login=True).host == "192.0.2.7"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mlflow_port": 0}, r"mlflow_port=0 must lie in 1\.\.65535"),
        ({"feast_port": 8080}, "port 8080 is given to two services"),
        ({"host": "192.0.2.7"}, r"host='192\.0\.2\.7' lets other machines in without login"),
        ({"host": "desk.example"}, "use 127\\.0\\.0\\.1, or put a proxy with TLS"),
        ({"host": "192.0.2.7", "login": True}, "before the ports and set behind_proxy$"),
        ({"host": "192.0.2.7", "behind_proxy": True}, "before the ports and set login$"),
        ({"parallelism": 0}, "parallelism=0 must be at least 1"),
        ({"stop_timeout_seconds": 0.0}, r"stop_timeout_seconds=0\.0 must be positive"),
    ],
)
def test_values_are_checked(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(PARAMS, **change)
