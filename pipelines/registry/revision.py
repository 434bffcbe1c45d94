"""Which code made something: a digest of the source, and the commit where there is one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pipelines.base.project import PROJECT_ROOT

MODEL_SOURCE = ("features", "models", "pipelines/stages/train")


def compute_source_digest(folders: Sequence[str] = MODEL_SOURCE, *, root: Path = PROJECT_ROOT) -> str:
    """Return the SHA-256 over the paths and bytes of all Python files below `folders`.

    It is the same in a repository, in an unpacked archive and in an installed package, and changes
    with any edit, committed or not.
    """
    digest = hashlib.sha256()
    for path in sorted(file for folder in folders for file in (root / folder).rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def read_git_commit(root: Path = PROJECT_ROOT) -> str:
    """Return the checked-out commit, read from the repository's files; empty where there is none."""
    head = root / ".git" / "HEAD"
    if not head.is_file():
        return ""
    kind, _, name = head.read_text(encoding="utf-8").strip().partition(": ")
    if kind != "ref":
        return kind
    loose = root / ".git" / name
    if loose.is_file():
        return loose.read_text(encoding="utf-8").strip()
    return _packed_commit(root / ".git" / "packed-refs", name)


def _packed_commit(packed: Path, name: str) -> str:
    if not packed.is_file():
        return ""
    pairs = (line.split() for line in packed.read_text(encoding="utf-8").splitlines())
    return next((pair[0] for pair in pairs if len(pair) == 2 and pair[1] == name), "")
