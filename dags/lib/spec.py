"""What `conf/dags.yaml` says about a DAG, and where this Airflow's home is."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, Literal, TypeVar

from airflow.sdk import (
    Asset,
    CronPartitionTimetable,
    CronTriggerTimetable,
    DeadlineAlert,
    PartitionedAssetTimetable,
    SyncCallback,
)

from dags.lib.alerts import on_failure, on_late
from dags.lib.dags_file import ROOT, read_settings, settings_path
from dags.lib.deadlines import WhenCreated

Section = TypeVar("Section")

STAGES = (
    "ingest",
    "curate",
    "score_text",
    "build_features",
    "materialize",
    "train",
    "evaluate",
    "promote",
    "forecast",
    "monitor",
    "install",
    "maintain",
)
"""Every stage that a task may name, in the order in which one feeds the next."""

Window = Mapping[str, str | Sequence[str]]
"""What a command is told about time and consent: the value, or values, of each option."""
ExecutorKind = Literal["local", "spark-submit", "kubernetes"]


class SpecError(ValueError):
    """`conf/dags.yaml` says something that no DAG can follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """How a stage is started: kind, the command of each kind, variables it may see, settings of pods."""

    kind: ExecutorKind
    commands: Mapping[str, list[str]]
    environment: list[str]
    kubernetes: Mapping[str, str]

    def __post_init__(self) -> None:
        if self.kind not in self.commands:
            raise SpecError(f"executor.kind={self.kind!r} must be one of {', '.join(sorted(self.commands))}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where this Airflow's home, command and pages are; set by `bellwether up` in Airflow's environment."""

    home: str
    bellwether: str
    arguments: list[str]
    links: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DagSpec:
    """One DAG of `conf/dags.yaml`, defaults filled in. Each key is explained there."""

    dag_id: str
    owner: str
    tags: list[str]
    retries: int
    retry_delay_seconds: int
    retry_exponential_backoff: bool
    timeout_minutes: int
    deadline_minutes: int
    catchup: bool
    max_active_runs: int
    window: Window
    schedule: Mapping[str, Any] = field(default_factory=dict)
    emits: str | None = None
    require_approval: bool = False
    approval_hours: int = 48

    @property
    def asset(self) -> Asset | None:
        """The asset that the DAG's last task emits, or None."""
        return Asset(self.emits) if self.emits else None

    @property
    def dag_kwargs(self) -> dict[str, Any]:
        """Arguments of `airflow.sdk.DAG`, all but its documentation.

        There is no start date on purpose: with one, a DAG that is switched on runs its latest past
        tick at once, catch-up or not, and that tick belongs to no session that anybody asked for.
        """
        return {
            "dag_id": self.dag_id,
            "schedule": _timetable(self.schedule),
            "start_date": None,
            "catchup": self.catchup,
            "max_active_runs": self.max_active_runs,
            "tags": self.tags,
            "is_paused_upon_creation": False,
            "default_args": {
                "owner": self.owner,
                "retries": self.retries,
                "retry_delay": timedelta(seconds=self.retry_delay_seconds),
                "retry_exponential_backoff": self.retry_exponential_backoff,
                "execution_timeout": timedelta(minutes=self.timeout_minutes),
                "on_failure_callback": on_failure,
            },
            "deadline": DeadlineAlert(
                name=f"{self.dag_id} within {self.deadline_minutes} minutes",
                reference=WhenCreated(),
                interval=timedelta(minutes=self.deadline_minutes),
                callback=SyncCallback(on_late),
            ),
        }


def load_spec(dag_id: str) -> DagSpec:
    """Return what `conf/dags.yaml` says about `dag_id`.

    Raises
    ------
    SpecError
        If the DAG is not listed there, or a key is unknown or missing.
    """
    settings = read_settings()
    if dag_id not in settings["dags"]:
        known = ", ".join(settings["dags"])
        raise SpecError(f"{dag_id} is not under `dags` of {settings_path()} (known: {known}); add it there")
    values = {"dag_id": dag_id, **settings["defaults"], **settings["dags"][dag_id]}
    return _build(DagSpec, values, f"dags.{dag_id}")


def load_executor() -> Executor:
    """Return how stages are started. Raises `SpecError` for an unknown kind or key."""
    return _build(Executor, read_settings()["executor"], "executor")


def load_places() -> Places:
    """Return where home, command and pages are, from Airflow's environment, else the checkout's own."""
    return Places(
        home=os.environ.get("BELLWETHER_HOME", str(ROOT / "var")),
        bellwether=os.environ.get("BELLWETHER_COMMAND", str(ROOT / ".venv/bin/bellwether")),
        arguments=json.loads(os.environ.get("BELLWETHER_ARGUMENTS", "[]")),
        links=json.loads(os.environ.get("BELLWETHER_LINKS", "{}")),
    )


def _build(kind: type[Section], values: Mapping[str, Any], place: str) -> Section:
    known = [one.name for one in fields(kind)]  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise SpecError(f"{place}.{key} in {settings_path()} is not a setting; known: {', '.join(known)}")
    try:
        return kind(**values)
    except TypeError as error:
        raise SpecError(f"{place} in {settings_path()}: {error}") from error


def _timetable(schedule: Mapping[str, Any]) -> Any:
    """Return the timetable of a `schedule` entry; None for a DAG that only people and other DAGs start."""
    if not schedule:
        return None
    if "assets" in schedule:
        assets = [Asset(name) for name in schedule["assets"]]
        condition = assets[0]
        for other in assets[1:]:
            condition = condition & other
        return PartitionedAssetTimetable(assets=condition)
    # A zero interval, because the default also runs a tick that passed shortly before the DAG was first seen.
    common = {"timezone": schedule["timezone"], "run_immediately": timedelta(0)}
    if "key_format" in schedule:
        return CronPartitionTimetable(schedule["cron"], key_format=schedule["key_format"], **common)
    return CronTriggerTimetable(schedule["cron"], **common)
