"""A command that was started with a pipe ends when the other end of the pipe closes."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import stat
import threading
import time
from typing import TYPE_CHECKING

from pipelines.base.errors import EXIT_TRANSIENT

if TYPE_CHECKING:
    import psutil

log = logging.getLogger(__name__)

PARENT_PIPE = "BELLWETHER_PARENT_PIPE"
"""Environment variable with the number of the descriptor to read; `dags/lib/process.py` sets it."""
SECONDS_TO_END = 3
SECONDS_BETWEEN_LOOKS = 0.02


def follow_parent() -> None:
    """End this process and all that it has started as soon as whoever holds the pipe's write end is gone.

    A task runner that is killed cannot end its command; the kernel closes its pipe all the same. Without
    the variable, as in a person's shell, nothing is watched.
    """
    # Taken out: a command that this one starts has no such descriptor, or another one of that number.
    named = os.environ.pop(PARENT_PIPE, None)
    if named is None:
        return
    descriptor = _open_pipe(named)
    if descriptor is None:
        log.warning("%s=%s names no open pipe: this command outlives a lost parent", PARENT_PIPE, named)
        return
    os.set_inheritable(descriptor, False)
    closed = threading.Event()
    ending = threading.Thread(
        target=_end_with_pipe, args=(descriptor, closed), name="parent pipe", daemon=True
    )
    atexit.register(_wait_for_end, ending, closed)
    ending.start()


def _open_pipe(named: str) -> int | None:
    """Return the descriptor if it is a pipe; `spark-submit` hands the variable on, but not the descriptor."""
    try:
        descriptor = int(named)
        return descriptor if stat.S_ISFIFO(os.fstat(descriptor).st_mode) else None
    except (ValueError, OSError):
        return None


def _wait_for_end(ending: threading.Thread, closed: threading.Event) -> None:
    """Stay until those that take no signal are killed, though what this process waited for has ended."""
    if closed.is_set():
        ending.join()


def _end_with_pipe(descriptor: int, closed: threading.Event) -> None:
    while os.read(descriptor, 1024):
        pass
    closed.set()
    log.error("whoever started this command is gone, and it ends with it; what it had begun is begun anew")
    try:
        end_family(SECONDS_TO_END)
    finally:
        # Not `sys.exit`, which ends this thread alone.
        os._exit(EXIT_TRANSIENT)


def end_family(seconds: float) -> None:
    """End all that this process has started; whoever is left after `seconds` is killed."""
    family = _family()
    for process in family:
        _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while any(map(_is_alive, family)) and time.monotonic() < deadline:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    # Looked for again: the main thread may have started others meanwhile. A grandchild whose parent has
    # ended by now is found no more where it has a group of its own.
    for process in {*filter(_is_alive, family), *_family()}:
        _signal(process, signal.SIGKILL)


def _family() -> list[psutil.Process]:
    """Return the descendants of this process and, where it leads a process group, whoever else is in it.

    Spark's Python workers have a group of their own; a child whose parent has ended is nobody's descendant.
    """
    import psutil

    own = os.getpid()
    found = {process.pid: process for process in psutil.Process(own).children(recursive=True)}
    if os.getpgrp() == own:
        found |= {process.pid: process for process in psutil.process_iter() if _group(process.pid) == own}
    found.pop(own, None)
    return list(found.values())


def _is_alive(process: psutil.Process) -> bool:
    """Tell whether a process runs; one that has ended is left to whoever waits for its exit status."""
    import psutil

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    import psutil

    try:
        process.send_signal(number)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return
