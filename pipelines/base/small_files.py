"""Small files that readers may open at any moment, and that a power cut may tear."""

from __future__ import annotations

import json
import logging
import os
import secrets
import stat
from pathlib import Path
from typing import Any

from pipelines.base.home import OWNER_ALONE

log = logging.getLogger(__name__)


def replace_text(path: Path, text: str, *, mode: int = 0o666) -> None:
    """Write a file so that a reader, and whoever comes after a power cut, sees the old text or the new one.

    Parameters
    ----------
    mode : int
        Permissions, less the process's umask.
    """
    replace_bytes(path, text.encode(), mode=mode)


def replace_bytes(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Write a file as `replace_text` does."""
    # A name of its own for each call: two threads, or two machines on one volume, do not meet.
    partial = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            # A name that is moved before its bytes are down may lead to an empty file after a power cut.
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    _sync(path.parent)


def sync_tree(folder: Path) -> None:
    """Bring the files of a folder, and of all below it, down to the disk."""
    for path in (*folder.rglob("*"), folder):
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_record(path: Path) -> dict[str, Any]:
    """Return a JSON record, empty where there is none yet or what is there is torn.

    Its reader writes it anew, or does without: a record that cannot be missed is read otherwise.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        log.warning("%s is torn (%s) and is taken for absent", path, error)
        return {}
    if not isinstance(content, dict):
        log.warning("%s holds no record and is taken for absent", path)
        return {}
    return content


def mode_for_others(path: Path) -> str:
    """Return the mode of a file that others than its owner may use, such as 0640; empty if none may."""
    mode = stat.S_IMODE(path.stat().st_mode)
    return f"{mode:04o}" if mode & OWNER_ALONE else ""


def identify_folder(folder: Path) -> str:
    """Return a name that a folder is given once and keeps, so that it is told from one of the same path."""
    path = folder / "folder_id"
    if not path.exists() or not path.read_text(encoding="utf-8"):
        folder.mkdir(parents=True, exist_ok=True)
        replace_text(path, secrets.token_hex(8))
    return path.read_text(encoding="utf-8")
