"""Run `bellwether` commands that kill their whole process group at a chosen commit.

Each command runs in a process of its own, forked from a server that has imported the heavy libraries and
done nothing else: hundreds of commands run here, and their imports cost as much as their work.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from pyspark import SparkContext

from pipelines.io.lake import Lake

IMPORTED_AHEAD = [
    "pipelines.app.runner",
    "feast",
    "mlflow",
    "xgboost",
    "matplotlib.pyplot",
    "evidently",
    "bentoml",
]

COMMITS = {
    "pipelines.io.lake:Lake": ("ensure", "append", "append_parts", "_merge", "_overwrite"),
    "pipelines.io.tracking:Tracking": (
        "begin_run",
        "log_folder",
        "log_metrics",
        "tag_run",
        "complete_run",
        "_ensure_registered_model",
        "register",
        "set_champion",
        "describe_version",
    ),
    "pipelines.io.feature_store:FeatureStore": ("apply", "publish", "record_publication"),
    "pipelines.io.bento:BentoRepository": ("build", "point_at"),
}
"""Every method that can leave something behind in the lake, MLflow, Feast or the Bento store."""

_ONE_AT_A_TIME = threading.Lock()
"""Starting a process also asks after those that others wait for; an exit status can be read only once."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """When to strike: before or after the watched call of that index, or after some seconds, or never."""

    at: int | None = None
    side: str = ""
    after_seconds: float | None = None

    def __str__(self) -> str:
        return f"after {self.after_seconds:.1f} s" if self.after_seconds else f"{self.side} call {self.at}"


UNDISTURBED = Plan()


class Recorder:
    """Counts watched calls, notes in a journal which of them commit, and strikes at the planned one."""

    def __init__(self, plan: Plan, journal: Path) -> None:
        self.plan = plan
        self.journal = journal
        self.seen = 0

    def watch(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        """Return `method` with a strike before or after it, if its turn is planned."""

        @functools.wraps(method)
        def watched(owner: Any, *args: Any, **more: Any) -> Any:
            index, self.seen = self.seen, self.seen + 1
            self.strike(index, "before")
            before = table_version(owner, *args)
            result = method(owner, *args, **more)
            if isinstance(owner, Lake):
                left = table_version(owner, *args) != before
            else:
                left = bool(result) if isinstance(result, int) else True
            with self.journal.open("a", encoding="utf-8") as journal:
                journal.write(f"{index} {name} {'commit' if left else 'idle'}\n")
            self.strike(index, "after")
            return result

        return watched

    def strike(self, index: int, side: str) -> None:
        """Die if this is the planned moment."""
        if (self.plan.at, self.plan.side) == (index, side):
            die()


def table_version(owner: Any, *args: Any) -> int | None:
    """Return the version of the table that a call to a lake is about; other stores have none."""
    return owner.version(args[0]) if isinstance(owner, Lake) else None


def die() -> None:
    """End this process, the JVM and the Python workers, with no chance to clean up."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


def end_jvm() -> None:
    """Wait for the JVM, which ends when its input does: the next run finds the home at rest."""
    gateway = SparkContext._gateway
    if gateway is not None:
        gateway.proc.stdin.close()
        gateway.proc.wait()


def bellwether(command: list[str], *, log: Path, journal: Path, plan: Plan = UNDISTURBED) -> int:
    """Run a command in a process group of its own and return its exit status, negative for a signal."""
    process = fork_server().Process(target=_run, args=(command, log, journal, plan))
    with _ONE_AT_A_TIME:
        process.start()
    wait([process.sentinel])
    with _ONE_AT_A_TIME:
        process.join()
    return int(process.exitcode or 0)


@lru_cache(maxsize=1)
def fork_server() -> ForkServerContext:
    """Return the server that commands are forked from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED_AHEAD)
    return context


def _run(command: list[str], log: Path, journal: Path, plan: Plan) -> None:
    """Leave the test's process group, watch the commits, set the timer if asked, and run the command."""
    os.setsid()
    with log.open("ab") as output:
        os.dup2(output.fileno(), sys.stdout.fileno())
        os.dup2(output.fileno(), sys.stderr.fileno())
    recorder = Recorder(plan, journal)
    for place, methods in COMMITS.items():
        module, owner = place.split(":")
        kind = getattr(import_module(module), owner)
        for name in methods:
            setattr(kind, name, recorder.watch(f"{owner}.{name}", getattr(kind, name)))
    if plan.after_seconds:
        timer = threading.Timer(plan.after_seconds, die)
        timer.daemon = True
        timer.start()
    sys.argv = ["bellwether", *command]
    try:
        import_module("pipelines.cli.main").main()
    finally:
        end_jvm()
