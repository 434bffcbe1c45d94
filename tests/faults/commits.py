"""Run a `bellwether` command and kill its whole process group at a chosen commit.

Usage: python -m tests.faults.commits PLAN.json COMMAND …

PLAN.json holds `journal` (a file that gets one line a commit), and either `at` (index of the commit)
with `side` ("before" or "after"), or `after_seconds`, or neither: then nothing is killed.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

COMMITS = {
    "pipelines.io.lake:Lake": ("ensure", "append", "_merge"),
    "pipelines.io.tracking:Tracking": ("begin_run", "log_folder", "complete_run", "register", "set_champion"),
    "pipelines.io.feature_store:FeatureStore": ("apply", "publish"),
    "pipelines.io.bento:BentoShelf": ("build", "point_at"),
}
"""Every method that leaves something behind in the lake, MLflow, Feast or the Bento store."""


def die() -> None:
    """End this process, the JVM and the Python workers, with no chance to clean up."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


class Recorder:
    """Counts commits and strikes at the planned one."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.seen = 0

    def watch(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        """Return `method` with a strike before or after it, if its turn is planned."""

        @functools.wraps(method)
        def watched(*args: Any, **more: Any) -> Any:
            index, self.seen = self.seen, self.seen + 1
            with Path(self.plan["journal"]).open("a", encoding="utf-8") as journal:
                journal.write(f"{name}\n")
            self.strike(index, "before")
            result = method(*args, **more)
            self.strike(index, "after")
            return result

        return watched

    def strike(self, index: int, side: str) -> None:
        """Die if this is the planned moment."""
        if self.plan.get("at") == index and self.plan.get("side") == side:
            die()


def main() -> None:
    """Patch the commit methods, set the timer if there is one, and run the command."""
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    recorder = Recorder(plan)
    for place, methods in COMMITS.items():
        module, owner = place.split(":")
        kind = getattr(import_module(module), owner)
        for name in methods:
            setattr(kind, name, recorder.watch(f"{owner}.{name}", getattr(kind, name)))
    if plan.get("after_seconds"):
        timer = threading.Timer(plan["after_seconds"], die)
        timer.daemon = True
        timer.start()
    sys.argv = ["bellwether", *sys.argv[2:]]
    import_module("pipelines.cli").main()


if __name__ == "__main__":
    main()
