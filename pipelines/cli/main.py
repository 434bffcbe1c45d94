"""The `bellwether` command: one sub-command a stage, and what an operator needs beside them."""

from __future__ import annotations

import click

from pipelines.base.parent_pipe import follow_parent
from pipelines.cli import (
    data_commands,
    feature_commands,
    leakcheck_command,
    registry_commands,
    stack_commands,
    stage_commands,
    view_commands,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Batch MLOps for market forecasting: bars in, honest forecasts out."""
    follow_parent()


for _module in (
    stage_commands,
    view_commands,
    feature_commands,
    leakcheck_command,
    data_commands,
    registry_commands,
    stack_commands,
):
    for _command in _module.COMMANDS:
        main.add_command(_command)
