"""Who waits for whom: one writer a lake, one training and one promotion or installation a home."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipelines.base.errors import SettingsError, TransientError
from pipelines.base.home import Home
from pipelines.io.lake_params import LakeParams, folder_of


def hold_lake(lake: LakeParams, home: Home, *, seconds: float | None = None) -> AbstractContextManager[None]:
    """Hold the lock of the lake's one writer, whichever homes and machines write to it.

    Parameters
    ----------
    seconds : float, optional
        How long to wait for it, instead of ``lake.lock_timeout_seconds``.

    Raises
    ------
    TransientError
        If another writer keeps it longer, or a lock in PostgreSQL was lost while it was held.
    SettingsError
        If the lake is no folder and nothing says where its lock is.
    """
    seconds = lake.lock_timeout_seconds if seconds is None else seconds
    database = lake.lock_database.get_secret_value()
    if database:
        # Homes with a folder, which are most, do without the driver and its import.
        from pipelines.io.advisory_lock import hold_advisory_lock

        return hold_advisory_lock(database, lake.root, seconds=seconds)
    return hold_file(lock_path(lake, home), seconds, "another writer")


def hold_home(
    lake: LakeParams, home: Home, *, name: str, seconds: float, other: str
) -> AbstractContextManager[None]:
    """Hold a lock of the home, ``run/<name>.lock``, under which a run comes to write to the lake.

    Raises
    ------
    TransientError
        If `other`, in words, keeps it longer than `seconds`.
    SettingsError
        If the lake itself could not be locked: said before hours of work and not after them.
    """
    require_lock(lake)
    return hold_file(home.run / f"{name}.lock", seconds, other)


def lock_path(lake: LakeParams, home: Home) -> Path:
    """Return the file that the one writer holds: in the lake where that is a folder, else as settings say."""
    require_lock(lake)
    folder = folder_of(lake.root or str(home.lake))
    return Path(lake.lock_file).absolute() if folder is None else folder.absolute() / ".writer.lock"


def require_lock(lake: LakeParams) -> None:
    """Refuse a lake that is no folder and of which no setting says where its lock is.

    Raises
    ------
    SettingsError
        Naming both settings that can say it.
    """
    if not lake.is_locked:
        msg = (
            f"lake.root={lake.root} is no folder, so that its one writer needs a lock elsewhere: name "
            "lake.lock_database, a PostgreSQL that every machine reaches, or lake.lock_file, a path, where "
            "one machine alone writes"
        )
        raise SettingsError(msg)


@contextmanager
def hold_file(path: Path, seconds: float, other: str) -> Iterator[None]:
    """Hold a file's lock for the block; within itself it is entered again, not waited for.

    Raises
    ------
    TransientError
        If `other`, in words, keeps it longer than `seconds`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # One object a path and process, which counts how often a thread has entered it.
    lock = FileLock(path, is_singleton=True)
    try:
        with lock.acquire(timeout=seconds):
            yield
    except Timeout as error:
        msg = f"{other} holds {path} for more than {seconds} s; wait for it to end, then run this again"
        raise TransientError(msg) from error
