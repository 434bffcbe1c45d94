"""The process that reads uploaded files, with little memory and little time.

    python -m serving.upload_child MEMORY_BYTES CPU_SECONDS

It takes questions on standard input and answers on standard output. A question is a line of JSON (`names`,
`rows`, `bytes` and the `size` of what follows) and the file; an answer a line of JSON (`size`, or the parts
of a refusal, and whether it is the `last`) and as many bytes of Arrow's IPC format. What does not fit into
its limits ends it, and whoever asked starts another one.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

LEAST_PRIORITY = 10
KEPT_BYTES = 64 * 1024 * 1024
"""So much more than at the start may be in memory after a file; with more it is the last one."""
READY = b"ready\n"


def main() -> None:
    """Read files until standard input ends."""
    memory, seconds = int(sys.argv[1]), int(sys.argv[2])
    # Whoever ends the service ends this by closing its input, once the file in hand is read.
    for ordered in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ordered, signal.SIG_IGN)
    os.nice(LEAST_PRIORITY)
    _limit(resource.RLIMIT_CORE, 0)
    # Imported before the limit is set, and warm: what is allowed counts from here.
    _answer(BytesIO(b""), {"names": [], "rows": 1, "bytes": 1, "size": 0})
    virtual, resident = memory_of_self()
    _limit(resource.RLIMIT_AS, virtual + memory)
    asked, told = sys.stdin.buffer, sys.stdout.buffer
    # What a library prints must not be taken for an answer.
    sys.stdout = sys.stderr
    told.write(READY)
    told.flush()
    while line := asked.readline():
        used = resource.getrusage(resource.RUSAGE_SELF)
        spent = int(used.ru_utime + used.ru_stime) + 1
        _limit(resource.RLIMIT_CPU, spent + seconds)
        head, content = _answer(asked, json.loads(line))
        last = "size" not in head and not head["message"]
        last = last or memory_of_self()[1] > resident + KEPT_BYTES
        told.write(json.dumps({**head, "last": last}).encode() + b"\n" + content)
        told.flush()
        if last:
            return


def _limit(kind: int, amount: int) -> None:
    """Set a limit that can be raised again, as far as whoever started this allows."""
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (amount if hard == resource.RLIM_INFINITY else min(amount, hard), hard))


def _answer(asked: BinaryIO, question: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    from serving.parquet_rows import BatchLimits, read_parquet_rows
    from serving.refusals import Refusal

    limits = BatchLimits(rows=question["rows"], bytes=question["bytes"])
    # Not within the try: of a file that was not taken whole the rest would pass for the next question.
    sent = asked.read(question["size"])
    try:
        frame = read_parquet_rows(sent, question["names"], limits)
        content = BytesIO()
        frame.write_ipc_stream(content)
    except Refusal as refusal:
        said = {"status": refusal.status, "error": refusal.error, "message": refusal.message}
        return said | {"details": refusal.details}, b""
    except MemoryError:
        return {"status": 413, "error": "batch_size", "message": "", "details": []}, b""
    return {"size": content.tell()}, content.getvalue()


def memory_of_self() -> tuple[int, int]:
    """Return this process's virtual and resident memory in bytes."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(pages[0]) * resource.getpagesize(), int(pages[1]) * resource.getpagesize()


if __name__ == "__main__":
    main()
