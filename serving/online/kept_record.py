"""A small JSON record that is asked for at every request and seldom changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from serving.stamped_file import StampedFile


class KeptRecord:
    """Reads a record that is replaced in one step, again only when another file stands in its place.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._file = StampedFile(path, _parse)

    def read(self) -> dict[str, Any] | None:
        """Return the record, the same object while it stands; empty where there is none, None if torn."""
        said = self._file.read()
        return said if said is not None or self._file.is_there else {}


def _parse(content: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None
