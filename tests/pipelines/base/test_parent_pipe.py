"""A stage ends with the process that started it; parents here are killed as the kernel kills them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from dags.lib.process import StageProcess
from pipelines.base.parent_pipe import PARENT_PIPE, follow_parent
from pipelines.base.project import PROJECT_ROOT

PARENT = """
import sys
from dags.lib.process import StageProcess
print(StageProcess(sys.argv[1:], ["PATH", "JAVA_HOME"], print).wait())
"""
SUPERVISOR = """
import os, sys
reading, writing = os.pipe()
if os.fork() == 0:
    os.close(reading)
    from dags.lib.process import StageProcess
    say = lambda form, *rest: os.write(writing, (form % rest).encode())
    StageProcess(sys.argv[1:], ["PATH"], say).wait()
    os._exit(0)
os.close(writing)
while os.read(reading, 65536):
    pass
"""
TALK = """
while True:
    print("x" * 1000, file=sys.stderr)
"""
STUBBORN = """
import os, signal, subprocess, sys
from pipelines.base.parent_pipe import follow_parent
follow_parent()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
with open(sys.argv[1], "w") as fifo:
    print(os.getpid(), child.pid, file=fifo)
child.wait()
"""
HASTY = """
import os, subprocess, sys
from pipelines.base.parent_pipe import follow_parent
follow_parent()
shell = f"(trap '' TERM; echo $PPID $(exec sh -c 'echo $PPID') > {sys.argv[1]}; exec sleep 600) & wait"
subprocess.Popen(["sh", "-c", shell], start_new_session=bool(sys.argv[2:])).wait()
"""
"""Ends as soon as its child has, which leaves a grandchild that takes no signal."""
BLOCKED_JAVA = """#!/bin/sh
trap '' TERM
echo $$ $PPID > {fifo}
exec sleep 600
"""


def start_parent(
    command: Sequence[str], program: str = PARENT, **environment: str
) -> subprocess.Popen[bytes]:
    """Start what stands for a task runner, with a command of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *command],
        cwd=PROJECT_ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def ended(handle: int) -> bool:
    """Wait up to a minute for the end of a process."""
    try:
        return bool(select.select([handle], [], [], 60)[0])
    finally:
        os.close(handle)


def kill(parent: subprocess.Popen[bytes], fifo: Path) -> list[bool]:
    """Kill the parent once its command has named its processes; tell which of these have ended."""
    handles = [os.pidfd_open(int(pid)) for pid in fifo.read_text(encoding="utf-8").split()]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    return [ended(handle) for handle in handles]


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pids")
    return tmp_path / "pids"


def test_a_command_that_takes_no_signal_ends_with_its_killed_parent(fifo: Path) -> None:
    parent = start_parent([sys.executable, "-c", STUBBORN, str(fifo)])
    assert kill(parent, fifo) == [True, True]


@pytest.mark.parametrize("chatty", [False, True], ids=["silent", "talking into a closed log"])
def test_a_command_ends_when_the_supervisor_of_its_runner_is_killed(fifo: Path, *, chatty: bool) -> None:
    """Airflow's supervisor forks the runner and reads its log; the runner outlives it."""
    code = STUBBORN if not chatty else STUBBORN.replace("child.wait()", TALK)
    supervisor = start_parent([sys.executable, "-c", code, str(fifo)], program=SUPERVISOR)
    assert kill(supervisor, fifo) == [True, True]


@pytest.mark.parametrize("apart", [[], ["apart"]], ids=["its group", "a group of its own"])
def test_a_grandchild_ends_though_the_command_is_the_first_to_end(fifo: Path, apart: list[str]) -> None:
    parent = start_parent([sys.executable, "-c", HASTY, str(fifo), *apart])
    assert kill(parent, fifo) == [True, True]


def test_a_stage_and_its_java_end_with_a_killed_task_runner(fifo: Path, tmp_path: Path) -> None:
    java = tmp_path / "jdk" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(BLOCKED_JAVA.format(fifo=fifo), encoding="utf-8")
    java.chmod(0o755)
    stage = [sys.executable, "-m", "pipelines", "score_text", "--home", str(tmp_path / "home")]
    parent = start_parent(stage, JAVA_HOME=str(tmp_path / "jdk"))
    assert kill(parent, fifo) == [True, True]


def test_a_command_that_ends_by_itself_is_left_alone() -> None:
    said: list[str] = []
    command = [sys.executable, "-m", "pipelines", "status", "--home", "/no/such/home"]
    process = StageProcess(command, ["PATH"], lambda _, line: said.append(line))
    assert process.wait() == (78, "")
    assert said == [
        "SettingsError: --home /no/such/home: there is no such folder; nothing has been run under it"
    ]


def test_nothing_is_watched_where_no_pipe_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PARENT_PIPE, raising=False)
    monkeypatch.setattr("threading.Thread.start", lambda _: pytest.fail("a thread was started"))
    follow_parent()


@pytest.mark.parametrize("named", ["pipe", "999999"], ids=["no number", "not open"])
def test_a_pipe_that_is_not_there_is_named(
    named: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(PARENT_PIPE, named)
    follow_parent()
    assert f"{PARENT_PIPE}={named} names no open pipe" in caplog.text
    assert PARENT_PIPE not in os.environ
