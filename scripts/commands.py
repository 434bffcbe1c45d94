"""Run the commands of set-up: one line of progress each, the output only where one fails."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping

from pipelines.base.project import PROJECT_ROOT

HEARTBEAT_SECONDS = 20


class SetupError(Exception):
    """Set-up cannot go on; the message says what to do."""


def say(step: str, text: str) -> None:
    """Print one line of progress."""
    print(f"setup: {step:<14} {text}", file=sys.stderr, flush=True)


def run(step: str, command: list[str], env: Mapping[str, str] | None = None) -> str:
    """Return the output of `command`, or stop with the end of it where the command fails."""
    with subprocess.Popen(
        command,
        cwd=PROJECT_ROOT,
        env=env,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        output = wait_visibly(step, process)
    if process.returncode:
        tail = "\n".join(output.strip().splitlines()[-25:])
        raise SetupError(f"{step}: `{' '.join(command)}` ended with {process.returncode}\n{tail}")
    return output


def wait_visibly(step: str, process: subprocess.Popen[str]) -> str:
    """Return the output of `process` once it ends, saying now and then that it is still at work."""
    started = time.monotonic()
    while True:
        try:
            return process.communicate(timeout=HEARTBEAT_SECONDS)[0]
        except subprocess.TimeoutExpired:
            say(step, f"… {time.monotonic() - started:.0f} s")
