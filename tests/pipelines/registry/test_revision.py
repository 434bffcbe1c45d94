"""Digest of the code that a fit rests on, and the commit read without git."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.registry.revision import digest_family_code, read_git_commit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def project(root: Path) -> Path:
    """A copy of what a fit rests on, small enough to change."""
    for module in ("training", "splits", "targets", "linear", "xgboost_forecaster", "families", "other"):
        write(root / "models" / f"{module}.py", f"VALUE = '{module}'\n")
    for module in ("fitting", "training_frame"):
        write(root / "pipelines" / "registry" / f"{module}.py", "from models.training import VALUE\n")
    write(root / "models" / "xgboost_forecaster.py", "from models.linear import VALUE\n")
    return root


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("other", "VALUE = 'another family'"),
        ("families", "VALUE = 'one more entry'"),
        ("linear", '"""A docstring."""\n# a comment\nVALUE = ("linear")'),
    ],
)
def test_a_familys_digest_stays_with_what_it_does_not_rest_on(tmp_path: Path, file: str, text: str) -> None:
    before = digest_family_code("xgboost", root=project(tmp_path))
    write(tmp_path / "models" / f"{file}.py", text)
    assert digest_family_code("xgboost", root=tmp_path) == before


@pytest.mark.parametrize("file", ["models/xgboost_forecaster", "models/linear", "models/training"])
def test_a_familys_digest_follows_its_own_code_and_what_that_reaches(tmp_path: Path, file: str) -> None:
    before = digest_family_code("xgboost", root=project(tmp_path))
    path = tmp_path / f"{file}.py"
    write(path, f"{path.read_text()}\nFURTHER = 1\n")
    assert digest_family_code("xgboost", root=tmp_path) != before


def test_families_of_this_project_rest_on_different_code() -> None:
    assert digest_family_code("xgboost") == digest_family_code("xgboost")
    assert digest_family_code("xgboost") != digest_family_code("tft")


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
