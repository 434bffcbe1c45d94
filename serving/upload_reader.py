"""Hands uploaded files to a process of their own, which is replaced when it dies."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, cast

import polars as pl

from serving.parquet_rows import BatchLimits
from serving.refusals import Refusal
from serving.upload_child import READY

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[1]
MEMORY_BYTES = 384 * 1024 * 1024
CPU_SECONDS = 5
LONGEST_SECONDS = 30.0
"""A process of low priority waits for the others; so long is an upload waited for, reading included."""
AT_ONCE = 2
"""One is read and one waits; a caller too many is asked to come again."""
_QUIET = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",
    "OMP_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
}


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
    """

    def __init__(self, *, memory_bytes: int = MEMORY_BYTES, cpu_seconds: int = CPU_SECONDS) -> None:
        self._command = [sys.executable, "-m", "serving.upload_child", str(memory_bytes), str(cpu_seconds)]
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._turn = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the child, so that no caller waits for it."""
        with self._turn:
            self._running()

    def stop(self) -> None:
        """End the child."""
        with self._turn:
            self._end()

    def read(self, content: bytes, names: Sequence[str], limits: BatchLimits) -> pl.DataFrame:
        """Return the rows of a file; see `serving.parquet_rows.read_parquet_rows`.

        Raises
        ------
        Refusal
            As that function does; 413 if reading takes more memory or time than a file may, 503 if others are
            being read.
        """
        if not self._places.acquire(blocking=False):
            raise Refusal(503, "busy", "other uploads are being read; send it again in a few seconds")
        try:
            with self._turn:
                return self._read(content, names, limits)
        finally:
            self._places.release()

    def _read(self, content: bytes, names: Sequence[str], limits: BatchLimits) -> pl.DataFrame:
        child = self._running()
        question = {"names": list(names), "rows": limits.rows, "bytes": limits.bytes, "size": len(content)}
        # Whatever it is doing by then, its pipes close and the reading below ends.
        deadline = threading.Timer(LONGEST_SECONDS, child.kill)
        deadline.start()
        try:
            head, answer = _ask(child, json.dumps(question).encode() + b"\n", content)
        except (OSError, ValueError, EOFError) as error:
            self._end()
            log.warning("the process that reads uploads ended at one of %d bytes (%s)", len(content), error)
            raise _too_much() from error
        finally:
            deadline.cancel()
        if head["last"]:
            self._end()
        if "size" in head:
            return pl.read_ipc_stream(answer)
        if not head["message"]:
            raise _too_much()
        raise Refusal(head["status"], head["error"], head["message"], head["details"])

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._end()
            environment = {**os.environ, **_QUIET, "PYTHONPATH": str(ROOT)}
            self._child = subprocess.Popen(
                self._command, env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            if cast("IO[bytes]", self._child.stdout).readline() != READY:
                self._end()
                raise Refusal(503, "busy", "uploads cannot be read just now; send it again in a few seconds")
        return self._child

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None


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
