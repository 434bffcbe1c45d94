"""The settings that a Bento carries say everything but places and secrets."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from serving.settings import ServiceSettings, dump_settings, read_settings, settings_of_home
from tests.serving.parts import DEFAULTS

REDIS = DEFAULTS.model_copy(
    update={
        "feature_store": replace(
            DEFAULTS.feature_store, online="redis", connection=SecretStr("cache:6379,password=hush")
        )
    }
)


def test_settings_read_back_with_their_secret(tmp_path: Path) -> None:
    settings = ServiceSettings(
        serving=REDIS.serving, calendar_name="XNYS", decision_lead_minutes=60,
        feature_store=REDIS.feature_store,
        feast_folder=tmp_path / "feast", bento_folder=tmp_path / "bento",
    )  # fmt: skip
    (tmp_path / "settings.json").write_text(dump_settings(settings))
    assert read_settings(tmp_path / "settings.json") == settings


def test_defaults_find_the_stores_of_a_home(tmp_path: Path) -> None:
    settings = settings_of_home(DEFAULTS.without_secrets(), tmp_path)
    assert (settings.feast_folder, settings.bento_folder) == (tmp_path / "feast", tmp_path / "bento")
    assert (settings.serving, settings.calendar_name) == (DEFAULTS.serving, DEFAULTS.calendar_name)
    assert settings.feature_store == DEFAULTS.feature_store


def test_a_bento_of_before_the_cut_is_read(tmp_path: Path) -> None:
    carried = DEFAULTS.without_secrets()
    del carried["cutoff_local"], carried["issue_minutes"]
    calendar = settings_of_home(carried, tmp_path).session_calendar()
    assert (calendar.cutoff_local, calendar.issue_time) == (time(22), timedelta(minutes=60))


def test_a_bento_carries_no_secret_and_asks_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried = REDIS.without_secrets()
    assert "hush" not in json.dumps(carried)
    monkeypatch.delenv("FEAST_REDIS_CONNECTION", raising=False)
    with pytest.raises(ValueError, match="FEAST_REDIS_CONNECTION is not set; set it to Redis's connection"):
        settings_of_home(carried, tmp_path)
    monkeypatch.setenv("FEAST_REDIS_CONNECTION", "cache:6379,password=hush")
    assert settings_of_home(carried, tmp_path).feature_store == REDIS.feature_store
