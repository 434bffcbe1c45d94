"""Hands uploaded files to a process of their own, which is replaced when it dies."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import polars as pl

from serving.parquet_rows import BatchLimits, check_count
from serving.refusals import Refusal
from serving.upload_child import READY

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[1]
MEMORY_BYTES = 384 * 1024 * 1024
CPU_SECONDS = 5
LONGEST_SECONDS = 20.0
"""A process of low priority waits for the others; so long a file, or a start, may take by the clock."""
AT_ONCE = 2
"""One is read and one waits; a caller too many is asked to come again."""
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")
"""Variables that the child sees: whoever takes it over finds no secret there."""
_QUIET = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",
    "OMP_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
}
_BY_THE_FILE = (0, 1, -signal.SIGXCPU, -signal.SIGABRT, -signal.SIGSEGV)
"""Ends of the child that its limits, or what it reads, have brought about."""


class UploadReader:
    """Reads Parquet files in a child process with limits on memory and time.

    What a file says of itself is not believed: a few kilobytes can stand for gigabytes. What does not fit
    ends the child, not the service.

    Parameters
    ----------
    memory_bytes : int
        Address space that the child may take beyond its start.
    cpu_seconds : int
        CPU time of one file.
    command : sequence of str, optional
        What is started instead of `serving.upload_child`.
    longest_seconds : float
        Time by the clock that a file, or a start, may take.
    """

    def __init__(
        self,
        *,
        memory_bytes: int = MEMORY_BYTES,
        cpu_seconds: int = CPU_SECONDS,
        command: Sequence[str] = (sys.executable, "-m", "serving.upload_child"),
        longest_seconds: float = LONGEST_SECONDS,
    ) -> None:
        self._command = [*command, str(memory_bytes), str(cpu_seconds)]
        self._longest_seconds = longest_seconds
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._turn = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def start(self) -> None:
        """Start the child, so that no caller waits for it."""
        try:
            with self._turn:
                self._running()
        except Refusal:
            log.warning("the process that reads uploads did not start; it is tried again with the next one")

    def stop(self) -> None:
        """End the child, whatever it is doing."""
        self._stopped = True
        child = self._child
        if child is not None:
            child.kill()
        with self._turn:
            self._end()

    def read(self, content: bytes, names: Sequence[str], limits: BatchLimits) -> pl.DataFrame:
        """Return the rows of a file; see `serving.parquet_rows.read_parquet_rows`.

        Raises
        ------
        Refusal
            As that function does; 413 if reading takes more memory or time than a file may, 503 if others are
            being read, or it took too long because the machine is busy.
        """
        if not self._places.acquire(blocking=False):
            raise _busy("other uploads are being read")
        try:
            if not self._turn.acquire(timeout=self._longest_seconds):
                raise _busy("another upload takes long")
            try:
                return self._read(content, names, limits)
            finally:
                self._turn.release()
        finally:
            self._places.release()

    def _read(self, content: bytes, names: Sequence[str], limits: BatchLimits) -> pl.DataFrame:
        child = self._running()
        question = {"names": list(names), "rows": limits.rows, "bytes": limits.bytes, "size": len(content)}
        try:
            with self._in_time(child):
                head, answer = _ask(child, json.dumps(question).encode() + b"\n", content)
        except BaseException as error:
            # Half an answer may be in the pipe: nobody else must get it.
            ended = self._end()
            if not isinstance(error, (OSError, ValueError, EOFError)):
                raise
            log.warning("the process that reads uploads ended (%s) at one of %d bytes", ended, len(content))
            raise (_too_much() if ended in _BY_THE_FILE else _busy("the upload took too long")) from error
        if head["last"]:
            self._end()
        if "size" in head:
            frame = pl.read_ipc_stream(answer)
            check_count(frame.height, limits)
            return frame
        if not head["message"]:
            raise _too_much()
        raise Refusal(head["status"], head["error"], head["message"], head["details"])

    @contextmanager
    def _in_time(self, child: subprocess.Popen[bytes]) -> Iterator[None]:
        """Kill the child if the block takes too long: its pipes close, and whoever waits for them goes on."""
        deadline = threading.Timer(self._longest_seconds, child.kill)
        deadline.daemon = True
        deadline.start()
        try:
            yield
        finally:
            deadline.cancel()
            deadline.join()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._end()
            if self._stopped:
                raise _busy("the service ends")
            paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
            inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
            self._child = subprocess.Popen(
                self._command,
                env={**inherited, **_QUIET, "PYTHONPATH": os.pathsep.join(paths)},
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
            with self._in_time(self._child):
                said = cast("IO[bytes]", self._child.stdout).readline()
            if said != READY:
                log.error("the process that reads uploads ended while it started (%s)", self._end())
                raise _busy("uploads cannot be read")
        return self._child

    def _end(self) -> int | None:
        """End the child and return how it ended, None if there was none."""
        if self._child is None:
            return None
        self._child.kill()
        self._child.communicate()
        ended, self._child = self._child.returncode, None
        return ended


def _ask(child: subprocess.Popen[bytes], question: bytes, content: bytes) -> tuple[dict[str, Any], bytes]:
    asked, told = cast("IO[bytes]", child.stdin), cast("IO[bytes]", child.stdout)
    asked.write(question)
    asked.write(content)
    asked.flush()
    line = told.readline()
    if not line:
        raise EOFError
    head = json.loads(line)
    size = head.get("size", 0)
    answer = told.read(size)
    if len(answer) != size:
        raise EOFError
    return head, answer


def _too_much() -> Refusal:
    msg = "reading the file takes more memory or time than one upload may; send fewer rows or columns"
    return Refusal(413, "batch_size", msg)


def _busy(why: str) -> Refusal:
    return Refusal(503, "busy", f"{why}; send it again, and see the service's log if this goes on")
