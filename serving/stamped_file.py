"""A file that is asked for at every request and read only when another stands in its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

Content = TypeVar("Content")
_Stamp = tuple[int, int, int]


class StampedFile(Generic[Content]):
    """Keeps what a file says until another stands in its place; safe to share between threads.

    Parameters
    ----------
    path : Path
    parse : callable
        Returns what the bytes say, None where they are torn.
    """

    def __init__(self, path: Path, parse: Callable[[bytes], Content | None]) -> None:
        self.path = path
        self._parse = parse
        self._kept: tuple[_Stamp | None, Content | None] = (None, None)

    @property
    def is_there(self) -> bool:
        """Whether the file was there at the last look."""
        return self._kept[0] is not None

    def read(self) -> Content | None:
        """Return what the file says, the same object while it stands; None where it is torn or not there."""
        try:
            status = self.path.stat()
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            if stamp != self._kept[0]:
                # The stamp is older than what is read: what comes between is read once more.
                self._kept = (stamp, self._parse(self.path.read_bytes()))
        except FileNotFoundError:
            self._kept = (None, None)
        return self._kept[1]
