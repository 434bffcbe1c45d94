"""The guide to exploring features says what the commands take, and what changes are called."""

from __future__ import annotations

import re
import shlex
from typing import get_args

import click
import pytest
from click.testing import CliRunner

from pipelines.base.project import PROJECT_ROOT
from pipelines.cli.feature_commands import features
from pipelines.notebook import load_frame
from pipelines.registry.value_comparison import Change

PAGE = (PROJECT_ROOT / "docs" / "explore_features.md").read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line, comments=True)[2:] for line in PAGE.splitlines() if line.startswith("bellwether ")
]


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] != "diff"], ids=" ".join)
def test_what_is_shown_of_the_catalog_works(words: list[str]) -> None:
    result = CliRunner().invoke(features, words)
    assert (result.exit_code, len(result.stdout) > 200) == (0, True), result.output


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] == "diff"], ids=" ".join)
def test_options_of_the_comparison_are_known(words: list[str]) -> None:
    command = features.commands["diff"]
    context = click.Context(command)
    _, arguments, _ = command.make_parser(context).parse_args(words[1:])
    assert arguments == []


def test_every_change_is_explained() -> None:
    told = re.findall(r"`([^`]+)`", "".join(re.findall(r"^\| (`.+?) \|", PAGE, re.MULTILINE)))
    assert sorted([*told, "same"]) == sorted(get_args(Change))


def test_calls_in_a_notebook_name_what_there_is() -> None:
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        named = set(re.findall(r"(\w+)=(?!=)", re.sub(r"^\w+ = ", "", block, flags=re.MULTILINE)))
        assert named <= set(load_frame.__annotations__) | {"few"}
