from __future__ import annotations

import os
import select
import threading
from pathlib import Path

import pytest

from dags.lib.process import StageProcess


def ended(pid: int) -> bool:
    """Wait up to 30 s for a process's end: a signal that was sent is not yet a process that ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 30)[0])
    finally:
        os.close(handle)


def start(script: str, fifo: Path) -> tuple[StageProcess, list[int]]:
    """Start a script that writes the process ids of itself and its child once both run."""
    os.mkfifo(fifo)
    process = StageProcess(["bash", "-c", script, "stage", str(fifo)], ["PATH"], lambda *_: None)
    return process, [int(word) for word in fifo.read_text(encoding="utf-8").split()]


@pytest.mark.parametrize("trap", ["", "trap '' TERM;"], ids=["polite", "stubborn"])
def test_kill_ends_the_command_and_its_children(tmp_path: Path, trap: str) -> None:
    process, pids = start(f"{trap} sleep 300 & echo $$ $! > $1; wait; sleep 300", tmp_path / "pids")
    waiter = threading.Thread(target=process.wait)
    waiter.start()
    process.kill()
    waiter.join(timeout=30)
    assert not waiter.is_alive()
    assert all(ended(pid) for pid in pids)


def test_kill_after_the_end_is_harmless() -> None:
    process = StageProcess(["true"], ["PATH"], lambda *_: None)
    assert process.wait() == (0, "")
    process.kill()


def test_much_output_on_both_streams_does_not_block() -> None:
    lines: list[str] = []
    script = "for i in $(seq 20000); do echo out $i; echo err $i >&2; done"
    process = StageProcess(["bash", "-c", script], ["PATH"], lambda _, line: lines.append(line))
    assert process.wait() == (0, "out 20000")
    assert len(lines) == 20000
