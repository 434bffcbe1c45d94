"""Secrets come from the environment or a file of their owner's, and are told to nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.app.secret_settings import VARIABLES
from pipelines.app.settings import Settings, is_secret_key, load_settings, secret_keys
from pipelines.base.errors import SettingsError
from pipelines.base.project import PROJECT_ROOT

REDIS = "redis:6379,password=hunter2"
SECRETS = {
    "feature_store.connection": REDIS,
    "tracking.uri": "postgresql://ann:hunter2@db/mlflow",
    "spark.options": {"spark.hadoop.fs.s3a.bucket.ours.secret.key": "hunter2"},
}


def nested(key: str, value: Any) -> dict[str, Any]:
    section, _, name = key.partition(".")
    return {section: {name: value}}


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """A folder of settings with the base of the project and an overlay without a file."""
    (tmp_path / "conf" / "mine").mkdir(parents=True)
    (tmp_path / "conf" / "base").symlink_to(PROJECT_ROOT / "conf" / "base")
    return tmp_path / "conf"


def load(conf: Path, name: str, part: dict[str, Any], mode: int = 0o600) -> Settings:
    path = conf / "mine" / name
    path.write_text(yaml.safe_dump(part), encoding="utf-8")
    path.chmod(mode)
    return load_settings("mine", folder=conf, environ={})[0]


@pytest.mark.parametrize("key", SECRETS)
def test_a_secret_of_the_command_line_is_refused(key: str) -> None:
    with pytest.raises(SettingsError, match=rf"--set {key}.*: a secret in a command line") as refused:
        load_settings(overrides=[f"{key}={yaml.safe_dump(SECRETS[key], default_flow_style=True)}"])
    assert "conf/ENV/secret.yaml" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_secret_of_the_command_line_is_sent_to_its_variable() -> None:
    with pytest.raises(SettingsError, match=r"or into the environment as FEAST_REDIS_CONNECTION$"):
        load_settings(overrides=[f"feature_store.connection={REDIS}"])


@pytest.mark.parametrize("key", SECRETS)
def test_a_secret_stands_in_a_file_of_its_owner_s_alone(conf: Path, key: str) -> None:
    part = nested(key, SECRETS[key])
    assert load(conf, "secret.yaml", part)
    with pytest.raises(
        SettingsError, match=r"others may read the file \(mode 0640\); chmod 600 .*secret"
    ) as no:
        load(conf, "secret.yaml", part, mode=0o640)
    assert "hunter2" not in str(no.value)


@pytest.mark.parametrize("key", SECRETS)
def test_a_secret_in_a_file_that_git_and_images_take_is_refused(conf: Path, key: str) -> None:
    with pytest.raises(
        SettingsError, match=rf"conf/mine/own.yaml: {key}.* holds a secret; put it into"
    ) as no:
        load(conf, "own.yaml", nested(key, SECRETS[key]))
    assert "hunter2" not in str(no.value)


@pytest.mark.parametrize(
    "key", ["lake.root", "sources.files.bars", "spark.master", "tracking.experiment", "serving.token_file"]
)
def test_a_password_in_an_address_that_is_written_down_is_refused(conf: Path, key: str) -> None:
    part: Any = "s3a://ann:hunter2@bucket/x"
    for name in reversed(key.split(".")):
        part = {name: part}
    with pytest.raises(SettingsError, match=rf"{key} holds a password.* its keys as spark.options") as no:
        load(conf, "secret.yaml", part)
    assert "hunter2" not in str(no.value)


def test_a_secret_comes_from_the_environment_and_wins(conf: Path) -> None:
    load(conf, "secret.yaml", nested("feature_store.connection", "redis:6379,password=older"))
    environ = {"FEAST_REDIS_CONNECTION": REDIS}
    settings, origins = load_settings("mine", folder=conf, environ=environ)
    assert settings.feature_store.connection.get_secret_value() == REDIS
    assert origins["feature_store.connection"] == "$FEAST_REDIS_CONNECTION"


def test_every_secret_has_a_variable_that_commands_of_dags_see() -> None:
    allowed = yaml.safe_load((PROJECT_ROOT / "conf" / "dags.yaml").read_text())["executor"]["environment"]
    assert set(VARIABLES) == {key for key in secret_keys() if "*" not in key}
    assert set(VARIABLES.values()) <= set(allowed)


def test_a_source_s_secret_is_one_whatever_the_source_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.app.settings.secret_keys", lambda: frozenset({"sources.*.api_key"}))
    assert is_secret_key("sources.wire.api_key")
    assert not is_secret_key("sources.wire.bars")


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"feature_store": {"online": "redi", "connection": REDIS}}, "feature_store.online='redi'"),
        ({"feature_store": {"connection": [REDIS]}}, "feature_store.connection"),
        ({"feature_store": {"connection": REDIS, "more": 1}}, "feature_store.more is not a known key"),
        ({"spark": {"options": {"fs.s3a.secret.key": ["hunter2"]}}}, "spark.options"),
        ({"spark": {"options": {"spark.executor.extraJavaOptions": "-Dx.trustStorePassword=hunter2"}}},
         "spark.executor.extraJavaOptions=********** holds a secret"),
        ({"spark": {"java_options": "-Dx.trustStorePassword=hunter2"}},
         "spark.java_options: java_options=********** holds a secret"),
    ],
)  # fmt: skip
def test_a_fault_beside_a_secret_does_not_quote_it(conf: Path, part: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(conf, "secret.yaml", part)
    assert said in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_provider_of_credentials_is_no_secret() -> None:
    option = "spark.options={spark.hadoop.fs.s3a.aws.credentials.provider: org.example.Provider}"
    assert load_settings(overrides=[option])[0].spark.options
