"""Feast's configuration, and the files that a home's Feast folder holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from feast import RepoConfig

from serving.online.params import FeatureStoreParams

PROJECT = "bellwether"
KEY_VERSION = 3
"""How Feast writes an entity's key."""
REGISTRY_FILE = "registry.db"
ONLINE_FILE = "online.db"
APPLIED_FILE = "applied.json"
PUBLISHED_FILE = "published.json"
REFUSED_FILE = "refused.json"
SYMBOLS_FILE = "symbols.json"
WITHOUT_HISTORY = "dask"
"""Feast wants an offline store; this one is installed with it, and a reader of online rows never asks it."""


def build_config(
    params: FeatureStoreParams,
    folder: Path,
    *,
    registry: str = REGISTRY_FILE,
    offline_store: str = WITHOUT_HISTORY,
) -> RepoConfig:
    """Return the configuration of the feature store whose files lie in `folder`."""
    connection = params.connection.get_secret_value()
    return RepoConfig(
        **config_fields(params, folder, registry=registry, offline_store=offline_store, connection=connection)
    )


def config_fields(
    params: FeatureStoreParams, folder: Path, *, registry: str, offline_store: str, connection: str
) -> dict[str, Any]:
    """Return the configuration as Feast's file has it; `connection` is Redis's."""
    online: dict[str, Any] = {"type": "sqlite", "path": str(folder / ONLINE_FILE)}
    if params.online == "redis":
        # Feast's own check drops a row of the same event: a correction, or a retraction, would never arrive.
        # Which of two rows is the newer one has been judged before it is handed over.
        online = {"type": "redis", "connection_string": connection, "skip_dedup": True}
    return {
        "project": PROJECT,
        "provider": "local",
        "registry": {"path": str(folder / registry), "cache_ttl_seconds": 0},
        "online_store": online,
        "offline_store": {"type": offline_store},
        "entity_key_serialization_version": KEY_VERSION,
    }
