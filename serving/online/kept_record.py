"""A small JSON record that is asked for at every request and seldom changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_Stamp = tuple[int, int, int]


class KeptRecord:
    """Reads a record that is replaced in one step, again only when another file stands in its place.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: tuple[_Stamp | None, dict[str, Any] | None] = (None, {})

    def read(self) -> dict[str, Any] | None:
        """Return the record, the same object while it stands; empty where there is none, None if torn."""
        try:
            status = self._path.stat()
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            if stamp != self._kept[0]:
                # The stamp is older than what is read: what comes between is read once more.
                self._kept = (stamp, _parse(self._path.read_bytes()))
        except FileNotFoundError:
            self._kept = (None, {})
        return self._kept[1]


def _parse(content: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None
