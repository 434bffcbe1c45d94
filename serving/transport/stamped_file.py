"""A file that is asked for at every request and read only when another stands in its place."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

Content = TypeVar("Content")
_Stamp = tuple[int, int, int]


class StampedFile(Generic[Content]):
    """Keeps what a file says until it says something else; torn or gone, it says what it said before.

    Parameters
    ----------
    path : Path
    parse : callable
        Returns what the bytes say, None where that is nothing; may raise ValueError.
    """

    def __init__(self, path: Path, parse: Callable[[bytes], Content | None]) -> None:
        self._path = path
        self._parse = parse
        self._stamp: _Stamp | None = None
        self._content: Content | None = None

    def read(self) -> Content | None:
        """Return what the file says, None before it has said anything."""
        try:
            status = self._path.stat()
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            if stamp != self._stamp:
                # The stamp is older than what is read: what comes between is read once more. What is torn is
                # not read again before it changes.
                self._stamp = stamp
                said = self._parse(self._path.read_bytes())
                self._content = said if said is not None else self._content
        except FileNotFoundError:
            self._stamp = None
        except (OSError, ValueError, AttributeError) as error:
            log.warning("%s cannot be read (%s); what it said before still holds", self._path, error)
        return self._content
