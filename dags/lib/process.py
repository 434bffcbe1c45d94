"""One command in a process group of its own, its output streamed."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import IO

PARENT_PIPE = "BELLWETHER_PARENT_PIPE"
"""Tells the command which descriptor to watch: see `pipelines/base/parent_pipe.py`."""
# Airflow follows its first signal with a harder one after five seconds.
SECONDS_TO_END = 3
SECONDS_BETWEEN_LOOKS = 1.0


class StageProcess:
    """A running command, which ends with this process, however that one ends.

    The command inherits the read end of a pipe. Its write end is held here alone and never written to: the
    kernel closes it when this process is killed, and the command that reads it sees the end of the file.

    Parameters
    ----------
    command : sequence of str
        The command and its arguments; no shell reads them.
    environment : sequence of str
        Names of the variables of this process that the command may see.
    write : callable
        Receives each line of standard error.
    """

    def __init__(
        self, command: Sequence[str], environment: Sequence[str], write: Callable[..., None]
    ) -> None:
        self._write = write
        read_end, write_end = os.pipe()
        # Neither end is inherited unless it is named, so no command holds its own or another's write end.
        self._held = os.fdopen(write_end, "wb")
        inherited = {name: os.environ[name] for name in environment if name in os.environ}
        try:
            self._process = subprocess.Popen(
                command,
                env={**inherited, PARENT_PIPE: str(read_end)},
                pass_fds=(read_end,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        finally:
            os.close(read_end)

    def wait(self) -> tuple[int, str]:
        """Return exit code and last line of standard output, once the command has ended."""
        reader = threading.Thread(target=self._forward, args=(self._process.stderr,), daemon=True)
        reader.start()
        ended = threading.Event()
        threading.Thread(target=self._follow, args=(os.getppid(), ended), daemon=True).start()
        last_line = ""
        for line in self._process.stdout or ():
            last_line = line.strip() or last_line
        exit_code = self._process.wait()
        ended.set()
        reader.join(timeout=SECONDS_TO_END)
        self._held.close()
        return exit_code, last_line

    def kill(self) -> None:
        """End the whole process group: asked first, made to after `SECONDS_TO_END`."""
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._write("The command did not end within %s s and is killed", SECONDS_TO_END)
        self._signal(signal.SIGKILL)

    def _forward(self, stream: IO[str]) -> None:
        for line in stream:
            text = line.rstrip()
            if not text or self._held.closed:
                continue  # drained, or the command would wait for ever with what it holds
            try:
                self._write("%s", text)
            except OSError:  # whoever reads our log is gone, and with him who waits for the outcome
                self._held.close()

    def _follow(self, parent: int, ended: threading.Event) -> None:
        """Let the command end when the process that started this one has gone: Airflow's supervisor."""
        while not ended.wait(SECONDS_BETWEEN_LOOKS):
            if os.getppid() != parent:
                self._held.close()
                return

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            self._write("The command's process group has ended")
