"""Parameters of the feature store, as the settings nest them (section ``feature_store``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr

CONNECTION_VARIABLE = "FEAST_REDIS_CONNECTION"
"""Environment variable with Redis's connection, for whoever is handed settings without secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureStoreParams:
    """Where Feast keeps what it serves. See `conf/base/feature_store.yaml` for each key."""

    online: Literal["sqlite", "redis"]
    connection: SecretStr

    def __post_init__(self) -> None:
        if self.online == "redis" and not self.connection.get_secret_value():
            msg = "connection is empty but online=redis needs one, such as host:6379,password=…"
            raise ValueError(msg)
