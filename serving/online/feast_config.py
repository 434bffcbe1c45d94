"""Feast's configuration, in code and as the file that Feast's own commands read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from feast import RepoConfig

from feature_repo.definitions import PROJECT
from pipelines.base.small_files import replace_text
from serving.online.params import FeatureStoreParams

REGISTRY_FILE = "registry.db"
ONLINE_FILE = "online.db"
APPLIED_FILE = "applied.json"
PUBLISHED_FILE = "published.json"
OFFLINE_STORE = "pipelines.io.point_in_time.DeltaOfflineStore"
CONNECTION_VARIABLE = "FEAST_REDIS_CONNECTION"


def build_config(
    params: FeatureStoreParams, folder: Path, *, registry: str = REGISTRY_FILE, offline: str = OFFLINE_STORE
) -> RepoConfig:
    """Return the configuration of the feature store whose files lie in `folder`.

    `offline` names Feast's offline store; a reader of the online store alone names one without Spark.
    """
    connection = params.connection.get_secret_value()
    fields = _fields(params, folder, registry=registry, connection=connection)
    return RepoConfig(**fields | {"offline_store": {"type": offline}})


def write_command_files(params: FeatureStoreParams, folder: Path) -> None:
    """Write what ``feast -c FOLDER …`` reads: the configuration, without its secret, and the definitions."""
    fields = _fields(params, folder, registry=REGISTRY_FILE, connection=f"${{{CONNECTION_VARIABLE}}}")
    replace_text(folder / "feature_store.yaml", yaml.safe_dump(fields, sort_keys=False))
    replace_text(folder / "definitions.py", _DEFINITIONS.format(days=params.ttl_days))


def _fields(params: FeatureStoreParams, folder: Path, *, registry: str, connection: str) -> dict[str, Any]:
    online = {"type": "sqlite", "path": str(folder / ONLINE_FILE)}
    if params.online == "redis":
        online = {"type": "redis", "connection_string": connection}
    return {
        "project": PROJECT,
        "provider": "local",
        "registry": {"path": str(folder / registry), "cache_ttl_seconds": 0},
        "online_store": online,
        "offline_store": {"type": OFFLINE_STORE},
        "entity_key_serialization_version": 3,
    }


_DEFINITIONS = '''"""Written by the platform; `feast -c FOLDER apply` reads it."""

from datetime import timedelta

from feature_repo.definitions import build_definitions

globals().update({{each.name: each for each in build_definitions(timedelta(days={days})).objects}})
'''
