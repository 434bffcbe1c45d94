"""Digest of the source, and the commit read without git."""

from __future__ import annotations

from pathlib import Path

from pipelines.registry.revision import compute_source_digest, read_git_commit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_digest_changes_with_content_and_name_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "models" / "a.py", "x = 1\n")
    before = compute_source_digest(["models"], root=tmp_path)
    write(tmp_path / "models" / "notes.md", "text")
    write(tmp_path / "other" / "a.py", "x = 2\n")
    assert compute_source_digest(["models"], root=tmp_path) == before
    (tmp_path / "models" / "a.py").rename(tmp_path / "models" / "b.py")
    renamed = compute_source_digest(["models"], root=tmp_path)
    write(tmp_path / "models" / "b.py", "x = 3\n")
    assert len({before, renamed, compute_source_digest(["models"], root=tmp_path)}) == 3


def test_digest_of_this_project_covers_what_makes_a_model() -> None:
    assert compute_source_digest() == compute_source_digest()
    assert compute_source_digest() != compute_source_digest(["features"])


def test_commit_is_read_from_loose_packed_and_detached_heads(tmp_path: Path) -> None:
    assert read_git_commit(tmp_path) == ""
    write(tmp_path / ".git" / "HEAD", "ref: refs/heads/main\n")
    assert read_git_commit(tmp_path) == ""
    write(tmp_path / ".git" / "packed-refs", f"# pack-refs with: peeled\n{COMMIT} refs/heads/main\n")
    assert read_git_commit(tmp_path) == COMMIT
    write(tmp_path / ".git" / "refs" / "heads" / "main", f"{COMMIT[::-1]}\n")
    assert read_git_commit(tmp_path) == COMMIT[::-1]
    write(tmp_path / ".git" / "HEAD", f"{COMMIT}\n")
    assert read_git_commit(tmp_path) == COMMIT
