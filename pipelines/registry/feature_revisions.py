"""Features as another revision of the code computes them: its package set up, and run in its own process."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.base.errors import BadDataError, SettingsError
from pipelines.registry.value_comparison import Computed

WORKING_TREE = "."
"""Stands for the files as they are, committed or not."""
PACKAGE = "features"
_PROGRAM = Path(__file__).with_name("revision_program.py")
_OF_GIT = "GIT_"
"""Variables that a hook of git's sets, which would lead away from the folder that is asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRows:
    """The rows that features are computed from, alike for every revision.

    Attributes
    ----------
    by_source : mapping of source to polars.DataFrame
        All versions, with `symbol`, `session`, `known_at` and what views of that source read.
    sessions : sequence of date
        Consecutive and ascending; the last `wanted` of them are compared, the others are look-back.
    wanted : int
    calendar : mapping
        Parameters of `features.sessions.SessionCalendar`.
    described : str
        Where the rows come from, for the reader.
    """

    by_source: Mapping[str, pl.DataFrame]
    sessions: Sequence[date]
    wanted: int
    calendar: Mapping[str, Any]
    described: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which views and features are computed; empty means all."""

    views: tuple[str, ...] = ()
    features: tuple[str, ...] = ()


def check_checkout(folder: Path) -> None:
    """Refuse a folder that is no git checkout of the project.

    Raises
    ------
    SettingsError
        Saying what to do instead.
    """
    try:
        tracked = _git(folder, "ls-files", "--", f"{PACKAGE}/views.py").stdout.strip()
    except FileNotFoundError as error:
        msg = "git is not installed, which keeps the revisions; install it, then run this again"
        raise SettingsError(msg) from error
    if not tracked:
        msg = (
            f"{folder} is no git checkout of this project (an installed package has no revisions): name one "
            "with --repository"
        )
        raise SettingsError(msg)


def resolve_revision(folder: Path, revision: str) -> str:
    """Return the commit that a revision names; `WORKING_TREE` stays as it is.

    Raises
    ------
    SettingsError
        If git knows no such commit, or it has no registry of feature views.
    """
    if revision == WORKING_TREE:
        return revision
    found = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found.returncode:
        msg = f"git knows no revision {revision!r}: name a commit, branch or tag, or . for the working tree"
        raise SettingsError(msg)
    commit = found.stdout.decode().strip()
    if _git(folder, "cat-file", "-e", f"{commit}:./{PACKAGE}/views.py").returncode:
        msg = f"revision {revision} has no {PACKAGE}/views.py to ask for its features; name a later one"
        raise SettingsError(msg)
    return commit


def compute_at(folder: Path, commit: str, rows: SourceRows, choice: Choice) -> Computed:
    """Compute features with the package of one revision, in a process of its own.

    The code of that revision is run: compare revisions that you would run.

    Parameters
    ----------
    folder : Path
        The checkout.
    commit : str
        From `resolve_revision`.

    Raises
    ------
    SettingsError
        If the revision does not offer what is needed.
    BadDataError
        If its code fails on these rows.
    """
    with tempfile.TemporaryDirectory(prefix="bellwether-revision-") as scratch:
        place = Path(scratch)
        (place / "out").mkdir()
        _export(folder, commit, place / "code")
        _write_asked(place, rows, choice)
        _run_program(place, commit)
        told = json.loads((place / "out" / "told.json").read_text(encoding="utf-8"))
        values = {path.stem: pl.read_parquet(path) for path in sorted((place / "out").glob("*.parquet"))}
    return Computed(
        values=values,
        digests=told["digests"],
        left_out=told["left_out"],
        not_computed=frozenset(told["not_computed"]),
    )


def digests_are_told_alike(folder: Path, commits: Sequence[str]) -> bool:
    """Tell whether revisions make digests by the same code; else one may differ for that reason alone."""
    return len({_read_file(folder, commit, f"{PACKAGE}/code_digest.py") for commit in commits}) == 1


def _export(folder: Path, commit: str, into: Path) -> None:
    """Put a revision's package into a folder."""
    if commit == WORKING_TREE:
        shutil.copytree(folder / PACKAGE, into / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
        return
    packed = _git(folder, "archive", "--format=tar", commit, "--", PACKAGE).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(into, filter="data")


def _read_file(folder: Path, commit: str, name: str) -> bytes:
    if commit == WORKING_TREE:
        path = folder / name
        return path.read_bytes() if path.is_file() else b""
    return _git(folder, "show", f"{commit}:./{name}").stdout


def _write_asked(place: Path, rows: SourceRows, choice: Choice) -> None:
    asked = {
        "views": choice.views,
        "features": choice.features,
        "sessions": [str(session) for session in rows.sessions],
        "wanted": rows.wanted,
        "calendar": dict(rows.calendar),
    }
    (place / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
    for source, frame in rows.by_source.items():
        frame.write_parquet(place / f"{source}.parquet")


def _run_program(place: Path, commit: str) -> None:
    """Run the revision's features in a new interpreter, in which its package stands before any other."""
    # Compiled kernels are kept beside the package, so that they go with it.
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(place / "numba"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-P", str(_PROGRAM), str(place)]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    if not done.returncode:
        return
    named = "the working tree" if commit == WORKING_TREE else f"revision {commit[:12]}"
    last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    if "Traceback" in done.stderr or done.returncode < 0:
        msg = f"the features of {named} could not be computed from these rows: {last}"
        raise BadDataError(msg)
    msg = f"{named} does not offer its features in the way that is needed: {last}; name another one"
    raise SettingsError(msg)


def _git(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(_OF_GIT)}
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, env=environment, capture_output=True, check=False)
