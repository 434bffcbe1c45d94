"""Parameters of the local stack."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from serving.transport.hosts import is_loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicesParams:
    """Where the services listen, how long they are waited for. See `conf/base/services.yaml` for each key."""

    host: str
    allowed_hosts: tuple[str, ...]
    behind_proxy: bool
    login: bool
    airflow_port: int
    mlflow_port: int
    forecasts_port: int
    feast_port: int
    reports_port: int
    airflow_environment: str
    parallelism: int
    start_timeout_seconds: float
    stop_timeout_seconds: float
    request_timeout_seconds: float

    def __post_init__(self) -> None:
        if not is_loopback(self.host) and not (self.behind_proxy and self.login):
            missing = [name for name in ("behind_proxy", "login") if not getattr(self, name)]
            msg = (
                f"host={self.host!r} lets other machines in without login and encryption; use 127.0.0.1, or "
                f"put a proxy with TLS before the ports and set {' and '.join(missing)}"
            )
            raise ValueError(msg)
        for name, port in self.ports().items():
            if not 1 <= port <= 65535:
                msg = f"{name}={port} must lie in 1..65535"
                raise ValueError(msg)
        twice = [str(port) for port, count in Counter(self.ports().values()).items() if count > 1]
        if twice:
            msg = f"port {', '.join(twice)} is given to two services; give each its own"
            raise ValueError(msg)
        if self.parallelism < 1:
            msg = f"parallelism={self.parallelism} must be at least 1"
            raise ValueError(msg)
        for name in ("start_timeout_seconds", "stop_timeout_seconds", "request_timeout_seconds"):
            if getattr(self, name) <= 0:
                msg = f"{name}={getattr(self, name)} must be positive"
                raise ValueError(msg)

    def ports(self) -> dict[str, int]:
        """Return each port by the name of its setting."""
        names = ("airflow_port", "mlflow_port", "forecasts_port", "feast_port", "reports_port")
        return {name: getattr(self, name) for name in names}

    def address(self, port_name: str) -> str:
        """Return the base address of the service that listens at the setting `port_name`."""
        return f"http://{self.host}:{getattr(self, port_name)}"
