"""What a stage states of itself, once: the command line, the runner and the documents derive from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FEATURE_TABLES = "gold.features_*"
"""Stands for the gold tables of all feature views."""

Chain = Literal["data", "training", "issue", "report", "release", "upkeep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage; its ``job.py`` holds `run` and, where something is rebuilt when it changes, `define`.

    `run` takes the context, the sessions and, where there is `define`, the digest that it returned.

    Attributes
    ----------
    name : str
        Folder below ``pipelines/stages`` and name of the command.
    help : str
        What it does, in one line.
    chain : {"data", "training", "issue", "report", "release", "upkeep"}
        Part of `bellwether run` that it belongs to: from records to features, from features to a champion,
        forecasts, drift, the service, and what runs apart from the chain.
    reads, writes : tuple of str
        Names of tables, or patterns of them such as `FEATURE_TABLES`.
    dated_by : str
        Table whose sessions are those of its rows, for a stage that asks the calendar about them: its
        definition covers the calendar of what is stored.
    installs : bool
        Whether it changes which model is champion: it then takes the home's installation lock and, for what
        it writes, the writer's, itself.
    fits : bool
        Whether it fits models, which takes long: it then runs under the home's training lock, reads tables
        that it has pinned, and takes the writer's for what it writes alone, itself.
    peeks : bool
        Whether ``job.py`` has `peek`, which may answer a command before lock and JVM are taken for it.
    """

    name: str
    help: str
    chain: Chain
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    dated_by: str = ""
    installs: bool = False
    fits: bool = False
    peeks: bool = False
