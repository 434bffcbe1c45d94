"""The command line of a task: which stages, about which sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airflow.sdk.exceptions import AirflowFailException

from dags.lib.spec import STAGES, Window


def task_name(stages: Sequence[str]) -> str:
    """Return the task id: the stage, or ``first_to_last``. Raises `ValueError` for a list out of order."""
    unknown = [name for name in stages if name not in STAGES]
    if unknown or not stages:
        raise ValueError(f"stages={stages!r} must be among {', '.join(STAGES)}")
    if list(stages) != sorted(set(stages), key=STAGES.index):
        raise ValueError(f"stages={stages!r} must follow the order {', '.join(STAGES)}")
    return stages[0] if len(stages) == 1 else f"{stages[0]}_to_{stages[-1]}"


def stage_arguments(stages: Sequence[str]) -> list[str]:
    """Return the arguments that name `stages` to the command line."""
    return [stages[0]] if len(stages) == 1 else ["run", "--stages", ",".join(stages)]


def fill_command(
    template: Sequence[str], words: Mapping[str, str], lists: Mapping[str, list[str]]
) -> list[str]:
    """Return `template` with ``{name}`` replaced: by whole elements of `lists`, or inside one by `words`."""
    command: list[str] = []
    for element in template:
        name = element.strip("{}")
        if name in lists:
            command += lists[name]
            continue
        for word, value in words.items():
            element = element.replace(f"{{{word}}}", value)  # noqa: PLW2901
        command.append(element)
    return command


def with_window(command: Sequence[str], window: Window) -> list[str]:
    """Return `command` with its ``{window}`` replaced by options, one of several values each time anew.

    Raises
    ------
    AirflowFailException
        If a value is ``None``: the run was started without a partition key.
    """
    if "None" in window.values():
        raise AirflowFailException(
            "This run has no partition key, so no session: start it with one, such as "
            '{"logical_date": null, "partition_key": "2026-11-10"} to the dagRuns address of the API'
        )
    several = [(option, [values] if isinstance(values, str) else values) for option, values in window.items()]
    options = [
        part for option, values in several for value in values if value for part in (f"--{option}", value)
    ]
    return fill_command(command, {}, {"window": options})
