"""The files that Feast's own commands read."""

from __future__ import annotations

import runpy
from datetime import timedelta
from pathlib import Path

import feast
import yaml
from pydantic import SecretStr

from features.sets import FeatureSet
from pipelines.io.feature_config import write_command_files
from serving.online.params import FeatureStoreParams

TTL = timedelta(days=8)
SQLITE = FeatureStoreParams(online="sqlite", connection=SecretStr(""))
FEW = FeatureSet(name="few", features=("mom_return_5d", "text_count_1d"))
REDIS = FeatureStoreParams(online="redis", connection=SecretStr("cache:6379,password=hush"))


def test_command_files_never_hold_the_secret(tmp_path: Path) -> None:
    write_command_files(REDIS, tmp_path, [], ttl=TTL)
    text = (tmp_path / "feature_store.yaml").read_text()
    assert "hush" not in text
    assert yaml.safe_load(text)["online_store"]["connection_string"] == "${FEAST_REDIS_CONNECTION}"


def test_command_files_define_what_the_platform_applies(tmp_path: Path) -> None:
    write_command_files(SQLITE, tmp_path, [FEW], ttl=TTL)
    defined = runpy.run_path(str(tmp_path / "definitions.py"))
    views = [value.name for value in defined.values() if isinstance(value, feast.FeatureView)]
    assert {value.ttl for value in defined.values() if isinstance(value, feast.FeatureView)} == {TTL}
    assert views == ["features_daily", "features_alpha158", "features_text", "issued_forecasts"]
    assert [projection.name for projection in defined["few"].feature_view_projections] == [views[0], views[2]]
    assert feast.FeatureStore(fs_yaml_file=tmp_path / "feature_store.yaml").project == "bellwether"
