"""Stamps: what a folder was made from, kept inside it so that both vanish together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

PREFIX = ".bellwether-"


def digest_of(files: Iterable[Path]) -> str:
    """Return one digest of the contents of `files`, in their order."""
    whole = hashlib.sha256()
    for file in files:
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()


def is_current(folder: Path, digest: str, *, name: str = "stamp") -> bool:
    """Tell whether `folder` was finished from what `digest` describes."""
    stamp = folder / f"{PREFIX}{name}"
    return stamp.is_file() and stamp.read_text(encoding="utf-8").strip() == digest


def write_stamp(folder: Path, digest: str, *, name: str = "stamp") -> None:
    """Record that `folder` is finished; the last act of a step."""
    (folder / f"{PREFIX}{name}").write_text(digest + "\n", encoding="utf-8")


def clear_stamps(folder: Path) -> None:
    """Forget that `folder` was finished; the first act of a step that changes it."""
    for stamp in folder.glob(f"{PREFIX}*"):
        stamp.unlink()
