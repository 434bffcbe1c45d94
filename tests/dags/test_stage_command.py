"""Command lines of tasks: stages, options of time, words of the settings."""

from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowFailException

from dags.lib.stage_command import fill_command, stage_arguments, task_name, with_window


def test_a_daily_run_without_a_session_says_how_to_start_it() -> None:
    with pytest.raises(AirflowFailException, match='"partition_key": "2026-11-10"'):
        with_window(["bellwether", "{window}"], {"as-of": "None"})


def test_an_empty_option_is_left_out() -> None:
    assert with_window(["bellwether", "train", "{window}", "--json"], {"as-of": ""}) == [
        "bellwether",
        "train",
        "--json",
    ]


def test_commands_are_filled() -> None:
    template = ["{bellwether}", "{stages}", "--home", "{home}/x", "{window}"]
    words, lists = {"bellwether": "b", "home": "/h"}, {"stages": ["run", "--stages", "a,b"]}
    filled = fill_command(template, words, lists)
    assert filled == ["b", "run", "--stages", "a,b", "--home", "/h/x", "{window}"]


def test_one_stage_is_its_own_command_and_several_are_a_run() -> None:
    assert stage_arguments(["ingest"]) == ["ingest"]
    assert stage_arguments(["ingest", "curate"]) == ["run", "--stages", "ingest,curate"]
    assert task_name(["ingest"]) == "ingest"
    assert task_name(["ingest", "curate"]) == "ingest_to_curate"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["load"], "must be among ingest"),
        ([], "must be among ingest"),
        (["curate", "ingest"], "follow the order"),
    ],
)
def test_task_names_are_checked(names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        task_name(names)
