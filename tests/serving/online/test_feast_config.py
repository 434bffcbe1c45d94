"""Where Feast keeps what it serves."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from serving.online.feast_config import build_config
from serving.online.params import FeatureStoreParams

SQLITE = FeatureStoreParams(online="sqlite", connection=SecretStr(""))
REDIS = FeatureStoreParams(online="redis", connection=SecretStr("cache:6379,password=hush"))


def test_config_keeps_everything_in_the_folder(tmp_path: Path) -> None:
    config = build_config(SQLITE, tmp_path, offline_store="pipelines.io.point_in_time.DeltaOfflineStore")
    assert config.registry.path == str(tmp_path / "registry.db")
    assert config.online_store.path == str(tmp_path / "online.db")
    assert type(config.offline_store).__name__ == "DeltaOfflineStoreConfig"


def test_config_of_redis_holds_the_connection(tmp_path: Path) -> None:
    assert build_config(REDIS, tmp_path).online_config["connection_string"] == "cache:6379,password=hush"
