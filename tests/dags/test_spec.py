from __future__ import annotations

import copy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.sdk import Asset, CronPartitionTimetable, CronTriggerTimetable, PartitionedAssetTimetable

from dags.lib.dags_file import ROOT
from dags.lib.spec import SpecError, load_executor, load_places, load_spec

BASE = yaml.safe_load((ROOT / "conf/dags.yaml").read_text(encoding="utf-8"))


def write(path: Path, **changes: Any) -> None:
    settings = copy.deepcopy(BASE)
    for section, values in changes.items():
        settings[section].update(values)
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")


def test_the_daily_root_runs_by_session() -> None:
    schedule = load_spec("ingest_daily").dag_kwargs["schedule"]
    assert isinstance(schedule, CronPartitionTimetable)
    assert (schedule.expression, schedule.key_format) == ("0 22 * * *", "%Y-%m-%d")
    assert schedule.run_immediately == timedelta(0)


def test_consumers_follow_their_asset_by_partition() -> None:
    schedule = load_spec("features_daily").dag_kwargs["schedule"]
    assert isinstance(schedule, PartitionedAssetTimetable)
    assert schedule.asset_condition == Asset("silver")


def test_training_runs_by_a_plain_clock_because_another_dag_may_start_it() -> None:
    assert type(load_spec("train_weekly").dag_kwargs["schedule"]) is CronTriggerTimetable


def test_history_is_started_by_hand_only() -> None:
    assert load_spec("load_history").dag_kwargs["schedule"] is None


def test_ingest_asks_again_at_even_intervals_others_less_and_less_often() -> None:
    ingest, others = (
        load_spec(name).dag_kwargs["default_args"] for name in ("ingest_daily", "forecast_daily")
    )
    assert (ingest["retries"], ingest["retry_delay"]) == (5, timedelta(minutes=5))
    assert (ingest["retry_exponential_backoff"], others["retry_exponential_backoff"]) == (False, True)


def test_a_dag_overrides_the_defaults() -> None:
    spec = load_spec("train_weekly")
    assert (spec.owner, spec.timeout_minutes, spec.retries) == ("research", 240, 5)
    assert spec.dag_kwargs["default_args"]["execution_timeout"] == timedelta(hours=4)


def test_several_assets_are_all_waited_for(settings_file: Path) -> None:
    write(settings_file, dags={"features_daily": {"tags": [], "schedule": {"assets": ["silver", "actions"]}}})
    schedule = load_spec("features_daily").dag_kwargs["schedule"]
    assert schedule.asset_condition == Asset("silver") & Asset("actions")


def test_an_unknown_key_is_named(settings_file: Path) -> None:
    write(settings_file, dags={"ingest_daily": {"tags": [], "owners": "me"}})
    with pytest.raises(
        SpecError, match=r"dags\.ingest_daily\.owners in .*dags\.yaml is not a setting; known: dag_id"
    ):
        load_spec("ingest_daily")


def test_a_missing_key_is_named(settings_file: Path) -> None:
    write(settings_file, dags={"ingest_daily": {}})
    with pytest.raises(SpecError, match=r"dags\.ingest_daily in .*'tags'"):
        load_spec("ingest_daily")


def test_an_unlisted_dag_is_named() -> None:
    with pytest.raises(SpecError, match=r"hourly is not under `dags`.*known: ingest_daily"):
        load_spec("hourly")


def test_an_unknown_executor_is_refused(settings_file: Path) -> None:
    write(settings_file, executor={"kind": "celery"})
    with pytest.raises(SpecError, match=r"kind='celery' must be one of kubernetes, local, spark-submit"):
        load_executor()


def test_secrets_of_airflow_are_not_on_the_list_of_variables() -> None:
    assert not [name for name in load_executor().environment if name.startswith("AIRFLOW")]


def test_places_come_from_airflows_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELLWETHER_HOME", "/data/home")
    monkeypatch.setenv("BELLWETHER_COMMAND", "/opt/work/bin/bellwether")
    monkeypatch.setenv("BELLWETHER_ARGUMENTS", '["--env", "prod"]')
    monkeypatch.setenv("BELLWETHER_LINKS", '{"reports": "http://127.0.0.1:8800"}')
    places = load_places()
    assert (places.home, places.bellwether) == ("/data/home", "/opt/work/bin/bellwether")
    assert (places.arguments, places.links) == (["--env", "prod"], {"reports": "http://127.0.0.1:8800"})
