"""Parameters of the Delta tables, as the settings nest them (section ``lake``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeParams:
    """Where the tables are and how long a writer waits for its turn, and the room that it needs.

    See `conf/base/lake.yaml` for each key.

    That a lake elsewhere than in a folder has a lock is asked of who writes to it, and not here: overlays may
    leave it to a file that is not committed, and reading needs none.
    """

    root: str
    lock_timeout_seconds: float
    lock_database: SecretStr
    lock_file: str
    local_rows: int
    min_free_gib: float

    def __post_init__(self) -> None:
        if self.lock_timeout_seconds < 0:
            msg = f"lock_timeout_seconds={self.lock_timeout_seconds} must not be negative"
            raise ValueError(msg)
        if not self.min_free_gib >= 0:
            msg = f"min_free_gib={self.min_free_gib} must not be negative; 0 asks for no room"
            raise ValueError(msg)
        if self.lock_file and self.lock_database.get_secret_value():
            msg = f"lock_file={self.lock_file!r} stands beside lock_database; a lake has one lock: empty one"
            raise ValueError(msg)
        named = next((name for name in ("lock_file", "lock_database") if getattr(self, name)), None)
        if named and folder_of(self.root) is not None:
            msg = (
                f"{named}={getattr(self, named)} is for a root that is no folder, and root={self.root!r} is "
                f"one: the lock lies in it, so leave {named} empty"
            )
            raise ValueError(msg)

    @property
    def is_locked(self) -> bool:
        """Whether there is a place for the lock of the lake's one writer."""
        return bool(folder_of(self.root) or self.lock_file or self.lock_database)


def folder_of(root: str) -> Path | None:
    """Return the folder that a root names, as a path or a ``file:`` address; None for one elsewhere.

    The empty root stands for a folder of the home.
    """
    path = root.removeprefix("file://").removeprefix("file:")
    return None if ":" in path else Path(path)
